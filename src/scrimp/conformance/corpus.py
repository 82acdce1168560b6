"""The cases that ship: a request, the provider's bytes, the usage and the cost that are right.

Each is one file in `cases`, in the shape that its source page describes, written by us. A request
holds `{call}` where the one who plays it writes which call it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any, Literal

import msgspec

from scrimp.dialects.sse import event
from scrimp.dialects.usage_frames import frame
from scrimp.dialects.usage_readers import Shape

Framing = Literal["json", "sse", "frames", "array"]
Basis = Literal["usage", "reported", "estimate", "free"]
PLACE_OF_CALL = "{call}"

_CONTENT_TYPES: Mapping[Framing, str] = {
    "json": "application/json",
    "array": "application/json",
    "sse": "text/event-stream",
    "frames": "application/vnd.amazon.eventstream",
}
_NAMED = frozenset({"openai.responses", "anthropic.messages"})
_TELLS_WHEN_ASKED = frozenset({"openai", "azure"})
_CUT_AT = 0.6


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the provider sends: a document, events, AWS frames, or a JSON array in pieces.

    A text among the events is data as it stands, or a comment when it begins with a colon. A frame
    is its type (`!` before that of an exception) and its payload. `cut`: the connection breaks
    there, inside a document; `damaged`: one byte of the last frame is wrong.
    """

    status: int = 200
    headers: dict[str, str] = {}
    body: Any = None
    events: list[Any] | None = None
    frames: list[tuple[str, Any]] | None = None
    array: list[Any] | None = None
    cut: bool = False
    damaged: bool = False


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is right: usage by bucket (null: not told), how it ended, what it cost and why.

    `basis` is how the cost is known. `bill` has a line per bucket: what, how many, US dollars, per
    how many; `cost_nanousd` is its sum, each line rounded up once. `suspect` are the numbers that
    the doubt has to name.
    """

    usage: dict[str, int] | None
    finish: str
    complete: bool
    basis: Basis
    error: str = ""
    tier: str | None = None
    suspect: list[str] = []
    bill: list[tuple[str, int, str, int]] | None = None
    cost_nanousd: int | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    about: str
    provider: str
    shape: Shape
    model: str
    at: datetime
    source: str
    written: str
    request: dict[str, Any]
    reply: Given
    expected: Expected


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `provider` and `model` are as the price book names them; prices are of `at`."""

    id: str
    about: str
    provider: str
    shape: Shape
    model: str
    at: datetime
    source: str
    written: str
    request: Mapping[str, Any]
    reply: Given
    expected: Expected

    @property
    def framing(self) -> Framing:
        """In which form the provider answers."""
        if self.reply.events is not None:
            return "sse"
        if self.reply.frames is not None:
            return "frames"
        return "json" if self.reply.array is None else "array"

    @property
    def content_type(self) -> str:
        """As the provider declares it."""
        return _CONTENT_TYPES[self.framing]

    def pieces(self, *, usage_asked: bool = True) -> Sequence[bytes]:
        """What the provider sends, event by event; joined, it is the body.

        OpenAI and Azure have a chunk for the usage only when the request asks for it.
        """
        reply = self.reply
        if reply.frames is not None:
            return _frames(reply)
        if reply.array is not None:
            return _array(reply.array, whole=not reply.cut)
        if reply.events is None:
            return (msgspec.json.encode(reply.body),)
        hide = not usage_asked and self.provider in _TELLS_WHEN_ASKED
        events = [one for one in reply.events if not (hide and _only_usage(one))]
        return [self._event(one) for one in events]

    def body(self, *, usage_asked: bool = True) -> bytes:
        """All that arrives; of a document that breaks off, the first part."""
        whole = b"".join(self.pieces(usage_asked=usage_asked))
        if self.reply.cut and self.framing == "json":
            return whole[: int(len(whole) * _CUT_AT)]
        return whole

    def _event(self, one: Any) -> bytes:
        if isinstance(one, str):
            return f"{one}\n\n".encode() if one.startswith(":") else event(one.encode())
        name = str(one.get("type", "")) if self.shape in _NAMED else ""
        if self.shape == "google.gemini":
            return b"data: %s\r\n\r\n" % msgspec.json.encode(one)
        return event(msgspec.json.encode(one), name)


@cache
def load_cases() -> tuple[Case, ...]:
    """All cases by name; read once. Raises ValueError for a file that is none, with its name."""
    folder = resources.files("scrimp.conformance") / "cases"
    named = sorted((one for one in folder.iterdir() if one.name.endswith(".json")), key=_name)
    decode = msgspec.json.Decoder(_File).decode
    cases = []
    for one in named:
        try:
            read = decode(one.read_bytes())
        except msgspec.MsgspecError as error:
            raise ValueError(f"{one.name}: {error}") from error
        fields = {name: getattr(read, name) for name in _File.__struct_fields__}
        cases.append(Case(id=one.name.removesuffix(".json"), **fields))
    return tuple(cases)


def _name(one: Any) -> str:
    return str(one.name)


def _only_usage(one: Any) -> bool:
    return isinstance(one, dict) and one.get("choices") == [] and bool(one.get("usage"))


def _array(objects: Sequence[Any], *, whole: bool) -> Sequence[bytes]:
    encoded = [msgspec.json.encode(one) for one in objects]
    pieces = [(b",\r\n" if index else b"[") + one for index, one in enumerate(encoded)]
    return [*pieces, b"]"] if whole else pieces


def _frames(reply: Given) -> Sequence[bytes]:
    made = [_frame(kind, payload) for kind, payload in reply.frames or ()]
    if reply.damaged:
        last = bytearray(made[-1])
        last[-8] ^= 1
        made[-1] = bytes(last)
    return made


def _frame(kind: str, payload: Any) -> bytes:
    what = ":exception-type" if kind.startswith("!") else ":event-type"
    headers = {
        what: kind.removeprefix("!"),
        ":content-type": "application/json",
        ":message-type": what[1:].removesuffix("-type"),
    }
    return frame(headers, msgspec.json.encode(payload))
