"""Requests, replies and streams of two dialects, and the way from one to the other."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any, Protocol

from scrimp.calls import Call, Target
from scrimp.dialects import DIALECTS
from scrimp.dialects.json_body import encode
from scrimp.dialects.sse import event_fields, split
from scrimp.prices.rates import ModelPrice
from scrimp.targets import Provider, Targets
from scrimp.translation import chat_to_messages, messages_to_chat
from scrimp.translation.translator import Translator
from tests.support.budgets import book
from tests.support.core import call_of, chat_fields

CHAT, MESSAGES = "openai.chat", "anthropic.messages"
CLAUDE = "claude-haiku-4-5"
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
USER = {"role": "user", "content": "Hi"}


class Stream(Protocol):
    """One translator of streams."""

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """A piece in; what is shown and what is kept out."""
        ...


def to_messages(**fields: Any) -> dict[str, Any]:
    """A chat request for a Claude, as Anthropic gets it. Raises InvalidRequest."""
    return left_out_of_chat(**fields)[0]


def left_out_of_chat(**fields: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The same, with the names of what was left out."""
    read = DIALECTS[CHAT].read_request(encode({"model": "c", "messages": [USER], **fields}))
    draft = chat_to_messages.translated(read.fields, model="claude-x", max_tokens=None)
    return draft.fields, tuple(draft.left_out)


def to_chat(*, provider: str = "openai", model: str = "gpt-x", **fields: Any) -> dict[str, Any]:
    """A request of Anthropic's for another model, as OpenAI gets it. Raises InvalidRequest."""
    return left_out_of_messages(provider=provider, model=model, **fields)[0]


def left_out_of_messages(
    *, provider: str = "openai", model: str = "gpt-x", **fields: Any
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The same, with the names of what was left out."""
    body = {"model": "c", "max_tokens": 9, "messages": [USER], **fields}
    read = DIALECTS[MESSAGES].read_request(encode(body))
    draft = messages_to_chat.translated(read.fields, model=model, provider=provider, ask_usage=True)
    return draft.fields, tuple(draft.left_out)


def streamed(translator: Stream, pieces: Iterable[bytes]) -> tuple[bytes, bytes]:
    """All that is shown, and all that is kept."""
    fed = [translator.feed(piece) for piece in pieces]
    return b"".join(shown for shown, _ in fed), b"".join(whole for _, whole in fed)


def events(stream: bytes) -> list[tuple[str, str]]:
    """Name and data of each event of a stream."""
    found = (event_fields(raw) for raw in split(stream))
    return [(name.decode(), data.decode()) for name, data in found]


def claude_events(*listed: Mapping[str, Any]) -> list[bytes]:
    """Events as Anthropic sends them."""
    return [
        f"event: {fields['type']}\n".encode() + b"data: " + encode(fields) + b"\n\n"
        for fields in listed
    ]


def chat_events(*listed: Mapping[str, Any], done: bool = True) -> list[bytes]:
    """Chunks as OpenAI sends them."""
    found = [b"data: " + encode(fields) + b"\n\n" for fields in listed]
    return [*found, b"data: [DONE]\n\n"] if done else found


def translator(asked: Container[str] = ("openai",)) -> Translator:
    """Over a provider of each dialect."""
    targets = Targets(
        [
            Provider("openai", frozenset({CHAT}), lambda name: name.startswith("gpt")),
            Provider("anthropic", frozenset({MESSAGES}), lambda name: name.startswith("claude")),
        ],
        {},
        {},
    )

    def known(target: Target) -> ModelPrice | None:
        return book().find(target.model, target.provider)

    return Translator(targets.spoken, known, asked)


def chat(**changes: Any) -> Call:
    """An OpenAI client asks a Claude."""
    fields = chat_fields(**changes.pop("fields", {})) | {"model": CLAUDE}
    target = Target("anthropic", CLAUDE, CHAT)
    return call_of(fields, target=target, path="/v1/chat/completions", **changes)


def message(**changes: Any) -> Call:
    """An Anthropic client asks a GPT."""
    more = changes.pop("fields", {})
    fields = {**chat_fields(), "model": "gpt-4o-mini", "max_tokens": 50, **more}
    target = Target("openai", "gpt-4o-mini", MESSAGES)
    path = "/v1/messages?beta=true"
    return call_of(fields, dialect=MESSAGES, target=target, path=path, **changes)
