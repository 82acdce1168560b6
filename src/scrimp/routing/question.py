"""What the choice of a model reads of a call: the question, its form, where it belongs. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from scrimp.calls import Call
from scrimp.choosing import Place
from scrimp.dialects.base import Dialect
from scrimp.dialects.texts import part_texts
from scrimp.values import Value

_BYTES_PER_TOKEN = 4
_SYSTEMS = ("system", "developer")
_TURNS = {"openai.responses": "input"}
_MOST_CHARS = 20_000
_MOST_PROMPTS = 4_096


class Asked(Value, frozen=True):
    """A call as routing sees it.

    `conversation` is the same for every turn of one conversation: the session that the client
    names, else a hash of how it began. `turn` counts earlier answers, 0 at first. `input_tokens` is
    estimated by the size of the body.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"text"})

    text: str
    place: Place
    conversation: bytes
    turn: int
    input_tokens: int
    tools: bool
    structured: bool


class Prompts:
    """Digests of system prompts, known by a hash of their texts: most come again. Bounded."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[int, str] = {}

    def of(self, texts: list[str]) -> str:
        """The digest of a prompt; empty where it says nothing."""
        key = hash((*texts, *map(len, texts)))
        if (found := self._known.get(key)) is None:
            if len(self._known) >= _MOST_PROMPTS:
                self._known.clear()
            system = "\0".join(texts).encode("utf-8", "surrogatepass")
            found = hashlib.blake2b(system, digest_size=8).hexdigest() if system else ""
            self._known[key] = found
        return found


def asked_of(call: Call, dialect: Dialect, prompts: Prompts | None = None) -> Asked:
    """What is asked, by whom, within what."""
    request = call.request
    fields, text = request.fields, dialect.last_user_text(request)[:_MOST_CHARS]
    turns = fields.get(_TURNS.get(dialect.name, "messages"))
    turns = turns if isinstance(turns, list) else []
    prompt = (prompts or Prompts()).of(_system(fields, turns))
    caller = call.caller
    return Asked(
        text=text,
        place=Place(caller.tenant, call.task.name, prompt),
        conversation=_conversation(call, prompt, turns),
        turn=sum(1 for turn in turns if _role(turn) == "assistant"),
        input_tokens=len(request.body) // _BYTES_PER_TOKEN,
        tools=bool(fields.get("tools") or fields.get("functions")),
        structured=_is_structured(fields),
    )


def _role(turn: object) -> object:
    return turn.get("role") if isinstance(turn, dict) else None


def _system(fields: Mapping[str, Any], turns: list[Any]) -> list[str]:
    """The texts that set the task: of their own field, or of turns before the first question."""
    texts = part_texts(fields.get("system")) + part_texts(fields.get("instructions"))
    for turn in turns:
        if _role(turn) not in _SYSTEMS:
            break
        texts += part_texts(turn.get("content"))
    return texts


def _conversation(call: Call, prompt: str, turns: list[Any]) -> bytes:
    first = next((turn for turn in turns if _role(turn) == "user"), None)
    begun = part_texts(first.get("content")) if first is not None else []
    named = call.caller.session
    parts = (call.caller.tenant, named, *(() if named else (prompt, *begun)))
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.digest()


def _is_structured(fields: Mapping[str, Any]) -> bool:
    """Whether the answer must have a form: JSON by a schema, or JSON at all."""
    wanted = fields.get("response_format")
    if isinstance(wanted, dict) and wanted.get("type") not in (None, "text"):
        return True
    text = fields.get("text")
    form = text.get("format") if isinstance(text, dict) else None
    if isinstance(form, dict) and form.get("type") not in (None, "text"):
        return True
    return bool(fields.get("output_format") or fields.get("output_config"))
