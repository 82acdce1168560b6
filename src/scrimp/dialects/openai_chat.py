"""OpenAI chat completions: `POST /v1/chat/completions`, and every provider that speaks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scrimp.calls import Finish, Headers, ReplyFacts, Request
from scrimp.dialects import checks, openai_chat_convert, openai_chat_texts, openai_words, sse
from scrimp.dialects.base import ErrorKind, StreamReader
from scrimp.dialects.json_body import encode, parse_object, read_object
from scrimp.dialects.openai_chat_stream import OpenAIChatReader, finish_of, worst
from scrimp.dialects.openai_usage import read_usage
from scrimp.dialects.openai_words import ANSWER_HEADERS, error_message

_LIMITS = ("max_tokens", "max_completion_tokens")
_STATE = frozenset({"store", "conversation", "thread"})
_CLIENT_RUN_TOOLS = ("function", "custom")  # compared, not hashed: a type may be anything


@dataclass(frozen=True, slots=True)
class OpenAIChat:
    """The dialect `openai.chat`."""

    name: str = "openai.chat"

    def read_request(self, body: bytes) -> Request:
        """Raises InvalidRequest with the field at fault, never with its content."""
        fields = read_object(body)
        model = checks.model(fields)
        messages = checks.messages(fields)
        # `max_completion_tokens` replaced `max_tokens`, and bounds reasoning too. Providers differ
        # in which of the two they read, so of both the larger is the limit.
        limits = [checks.whole_number(fields, name) for name in _LIMITS]
        options = checks.mapping(fields, "stream_options")
        user = checks.text(fields, "user") or checks.text(fields, "safety_identifier")
        return Request(
            body=body,
            fields=fields,
            model=model,
            stream=checks.flag(fields, "stream"),
            include_usage=checks.flag(options, "include_usage"),
            max_output_tokens=max((one for one in limits if one is not None), default=None),
            n=checks.whole_number(fields, "n") or 1,
            stateful=checks.names_any(fields, _STATE) or _is_about_audio(fields, messages),
            side_effects=_side_effects(fields, messages),
            user=user,
            metadata=checks.mapping(fields, "metadata"),
        )

    def upstream_body(self, request: Request, *, model: str, want_usage: bool) -> bytes:
        """The bytes to send: `request.body` itself when nothing has to change."""
        inject = want_usage and request.stream and not request.include_usage
        if model == request.model and not inject:
            return request.body
        fields = {**request.fields, "model": model}
        if inject:
            options = request.fields.get("stream_options") or {}
            fields["stream_options"] = {**options, "include_usage": True}
        return encode(fields)

    def cache_fields(self, request: Request) -> Mapping[str, Any]:
        """All fields but `stream` and `stream_options.include_usage`."""
        fields = {name: value for name, value in request.fields.items() if name != "stream"}
        options = fields.pop("stream_options", None) or {}
        kept = {name: value for name, value in options.items() if name != "include_usage"}
        if kept:
            fields["stream_options"] = kept
        return fields

    def read_reply(self, body: bytes) -> ReplyFacts:
        """Facts of a whole JSON reply; complete when every choice has its message."""
        fields = parse_object(body)
        if fields is None:
            return ReplyFacts()
        error = error_message(fields.get("error"))
        finishes = [_finish(choice) for choice in _list(fields.get("choices"))]
        found: list[Finish] = [finish for finish in finishes if finish is not None]
        return ReplyFacts(
            usage=read_usage(fields.get("usage")),
            model=_text(fields.get("model")),
            finish=worst(found),
            complete=bool(finishes) and len(found) == len(finishes) and not error,
            service_tier=_text(fields.get("service_tier")),
            error=error,
        )

    def stream_reader(self, *, hide_usage: bool) -> StreamReader:
        """A fresh reader for one event stream."""
        return OpenAIChatReader(hide_usage=hide_usage)

    def to_stream(self, body: bytes, *, include_usage: bool) -> bytes:
        """A whole JSON reply as an event stream."""
        return openai_chat_convert.to_stream(body, include_usage=include_usage)

    def from_stream(self, events: bytes) -> bytes:
        """A whole event stream as a JSON reply."""
        return openai_chat_convert.from_stream(events)

    def prompt_texts(self, request: Request) -> tuple[str, ...]:
        """Every text that goes in."""
        return openai_chat_texts.prompt_texts(request.fields)

    def reply_texts(self, body: bytes) -> tuple[str, ...]:
        """Every text that came out, of a JSON reply or of any piece of an event stream."""
        return openai_chat_texts.reply_texts(body)

    def last_user_text(self, request: Request) -> str:
        """The newest thing that a person asked; may be empty."""
        return openai_chat_texts.last_user_text(request.fields)

    def error_body(self, kind: ErrorKind, message: str) -> bytes:
        """A JSON error body as OpenAI words it."""
        return openai_words.error_body(kind, message)

    def error_event(self, kind: ErrorKind, message: str) -> bytes:
        """An error in the middle of an event stream; OpenAI's SDKs raise on it."""
        return sse.event(self.error_body(kind, message))

    def answer_headers(self, headers: Headers) -> Headers:
        """Of a client's headers, those that can change an answer."""
        return tuple(header for header in headers if header[0] in ANSWER_HEADERS)


def _is_about_audio(fields: Mapping[str, Any], messages: list[dict[str, Any]]) -> bool:
    # An assistant's spoken turn is sent back by its id: the sound itself is kept at OpenAI, and
    # for an hour only, so that an old answer could not be continued.
    return "audio" in _list(fields.get("modalities")) or any(
        message.get("audio") is not None for message in messages
    )


def _side_effects(fields: Mapping[str, Any], messages: list[dict[str, Any]]) -> bool:
    if messages[-1].get("role") in ("tool", "function"):
        return True
    if fields.get("web_search_options") is not None or fields.get("search_parameters"):
        return True
    return any(
        isinstance(tool, dict) and tool.get("type") not in _CLIENT_RUN_TOOLS
        for tool in _list(fields.get("tools"))
    )


def _finish(choice: object) -> Finish | None:
    """How a choice ended, None when it is not one."""
    if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
        return None
    return finish_of(choice.get("finish_reason"), refusal=choice["message"].get("refusal"))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
