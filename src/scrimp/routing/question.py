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


def asked_of(call: Call, dialect: Dialect) -> Asked:
    """What is asked, by whom, within what."""
    request = call.request
    fields, text = request.fields, dialect.last_user_text(request)[:_MOST_CHARS]
    turns = fields.get(_TURNS.get(dialect.name, "messages"))
    turns = turns if isinstance(turns, list) else []
    system = _system(fields, turns)
    prompt = hashlib.blake2b(system, digest_size=8).hexdigest() if system else ""
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


def _system(fields: Mapping[str, Any], turns: list[Any]) -> bytes:
    """The texts that set the task: of their own field, or of turns before the first question."""
    texts = part_texts(fields.get("system")) + part_texts(fields.get("instructions"))
    for turn in turns:
        if _role(turn) not in _SYSTEMS:
            break
        texts += part_texts(turn.get("content"))
    return "\0".join(texts).encode("utf-8", "surrogatepass")


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
