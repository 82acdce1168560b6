"""Reads OpenAI chat completion streams while they pass through, with as little work as can be.

Chunks reach the client byte for byte. When usage was asked for only by Scrimp, the one chunk that
exists for it (no choices, usage set) is taken out. The `"usage":null` that providers then put
into every other chunk stays where it is: clients read it as what it says, no usage here.

Some providers (xAI) tell usage in every chunk, cumulative: of each field the last value counts. It
is none before the answer has ended, since it would be too little.
"""

from __future__ import annotations

from typing import Any

import msgspec

from scrimp.calls import Finish, ReplyFacts
from scrimp.dialects.json_body import parse_object
from scrimp.dialects.openai_usage import read_usage
from scrimp.dialects.openai_words import error_message
from scrimp.dialects.sse import EventSplitter, event_fields
from scrimp.dialects.usage_running import take_over

FINISHES: dict[str, Finish] = {
    "stop": "complete",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "length": "truncated",
    "content_filter": "refused",
}
_BADNESS: tuple[Finish, ...] = ("complete", "tool_calls", "unknown", "truncated", "refused")


class _Delta(msgspec.Struct):
    refusal: Any = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: Any = None


class _Chunk(msgspec.Struct):
    """What is read of a chunk; the decoder skips everything else without building it."""

    choices: list[_Choice] | None = None
    model: Any = None
    service_tier: Any = None
    usage: Any = None
    error: Any = None


_decode = msgspec.json.Decoder(_Chunk).decode


def finish_of(reason: object, *, refusal: object) -> Finish:
    """How one choice ended. A refusal ends with `stop`, so its text counts for more."""
    if isinstance(refusal, str) and refusal:
        return "refused"
    return FINISHES.get(reason, "unknown") if isinstance(reason, str) else "unknown"


def worst(finishes: list[Finish]) -> Finish:
    """The worst end of several choices."""
    return max(finishes, key=_BADNESS.index, default="unknown")


def _is_plain(raw: bytes) -> bool:
    """True for one more piece of the first choice that ends nothing and counts nothing.

    By bytes, since most chunks are such pieces: inside a JSON string a quote is escaped, so these
    keys cannot be text. What is written with other white space takes the long way.
    """
    return (
        b'"finish_reason":null' in raw
        and b'"usage":{' not in raw
        and b'"error"' not in raw
        and b'"refusal":"' not in raw
        and b'"index":0' in raw
        and b'"index":1' not in raw
        and raw.startswith(b"data: {")
    )


class OpenAIChatReader:
    """A StreamReader for one `chat.completion.chunk` stream.

    It is complete with `[DONE]`, if there was a choice at all.
    """

    __slots__ = (
        "_done",
        "_error",
        "_facts",
        "_finishes",
        "_hide_usage",
        "_model",
        "_one_choice",
        "_splitter",
        "_tier",
        "_usage",
        "_usage_alone",
    )

    def __init__(self, *, hide_usage: bool) -> None:
        self._hide_usage = hide_usage
        self._splitter = EventSplitter()
        self._finishes: dict[int, Finish] = {}
        self._usage: dict[str, Any] = {}
        self._usage_alone = False  # it came in a chunk of its own, which is the last
        self._model = ""
        self._tier = ""
        self._error = ""
        self._done = False
        self._one_choice = False  # and it has begun: more text of it need not be read
        self._facts: ReplyFacts | None = None

    @property
    def facts(self) -> ReplyFacts:
        """What is known so far."""
        if self._facts is None:
            self._facts = ReplyFacts(
                usage=read_usage(self._usage) if self._counted else None,
                model=self._model,
                finish=worst(list(self._finishes.values())),
                complete=self.complete,
                service_tier=self._tier,
                error=self._error,
            )
        return self._facts

    @property
    def complete(self) -> bool:
        """True once the end marker has come, after a choice and without an error."""
        return self._done and bool(self._finishes) and not self._error

    @property
    def _counted(self) -> bool:
        """True once nothing more can be added to the usage."""
        if self._done or self._usage_alone:
            return True
        return bool(self._finishes) and "unknown" not in self._finishes.values()

    def feed(self, data: bytes) -> bytes:
        """Take a piece, return the whole events that the client may have now."""
        events = self._splitter.feed(data)
        if not events:
            return b""
        self._facts = None
        shown = [
            event
            for event in events
            if (self._one_choice and _is_plain(event)) or self._read(event)
        ]
        return shown[0] if len(shown) == 1 else b"".join(shown)

    def close(self) -> bytes:
        """What is left of an unfinished event. It is not read: it is not what it should be."""
        return self._splitter.close()

    def _read(self, raw: bytes) -> bool:
        """Read one event; False when the client must not see it."""
        name, data = event_fields(raw)
        if not data or self._done:
            return True
        if data[:6] == b"[DONE]":
            self._done = True
            return True
        chunk = _chunk(data)
        if chunk is None:
            return True
        if chunk.error or name == b"error":
            self._error = error_message(chunk.error or True)
        if chunk.choices:
            self._read_choices(chunk.choices)
            self._one_choice = bool(self._model) and self._finishes.keys() == {0}
        if isinstance(chunk.model, str) and chunk.model:
            self._model = chunk.model
        if isinstance(chunk.service_tier, str):
            self._tier = chunk.service_tier
        if isinstance(chunk.usage, dict):
            take_over(self._usage, chunk.usage)
            self._usage_alone = not chunk.choices
            return not (self._hide_usage and chunk.choices == [])
        return True

    def _read_choices(self, choices: list[_Choice]) -> None:
        for choice in choices:
            refusal = choice.delta.refusal if choice.delta else None
            if choice.finish_reason is not None or refusal:
                if self._finishes.get(choice.index) != "refused":
                    self._finishes[choice.index] = finish_of(choice.finish_reason, refusal=refusal)
            elif choice.index not in self._finishes:
                self._finishes[choice.index] = "unknown"


def _chunk(data: bytes) -> _Chunk | None:
    try:
        return _decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    # An odd type somewhere: read what has the right one.
    fields = parse_object(data)
    if fields is None:
        return None
    chunk = _Chunk(
        model=fields.get("model"),
        service_tier=fields.get("service_tier"),
        usage=fields.get("usage"),
        error=fields.get("error"),
    )
    if fields.get("choices") == []:
        chunk.choices = []
    return chunk
