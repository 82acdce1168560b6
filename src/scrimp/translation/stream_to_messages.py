"""OpenAI's chunks as Anthropic's message events, one by one as they arrive. Sans-IO.

Whatever the chunks are, nothing here raises: what cannot be read says nothing, as in every reader
of streams. Only the first choice is heard: a call with more of them is refused.

Blocks of text close when something else begins. Calls of tools stay open to the end, since a
provider may send pieces of several in turn.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from scrimp.dialects import openai_usage
from scrimp.dialects.json_body import encode, parse_object
from scrimp.dialects.sse import EventSplitter, event, event_fields
from scrimp.dialects.usage_running import take_over
from scrimp.translation import endings
from scrimp.translation.errors import messages_error
from scrimp.translation.replies import made_id, spoken, stop_sequence, string


class ToMessages:
    """Feed it pieces of any size."""

    __slots__ = (
        "_blocks",
        "_calls",
        "_ended",
        "_finish",
        "_id",
        "_out",
        "_refused",
        "_splitter",
        "_started",
        "_stopped_by",
        "_text",
        "_tier",
        "_usage",
    )

    def __init__(self) -> None:
        self._splitter = EventSplitter()
        self._out: list[bytes] = []
        self._calls: dict[int, _Call] = {}
        self._usage: dict[str, Any] = {}
        self._finish: object = None
        self._stopped_by: str | None = None
        self._tier: object = None
        self._refused = self._started = self._ended = False
        self._blocks = 0
        self._text: int | None = None
        self._id = ""

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """What the client may have now, and what the whole reply holds of it: the same."""
        for raw in self._splitter.feed(data):
            if not self._ended:
                with suppress(RecursionError):  # deeper than anything that a provider means
                    self._read(raw)
        if not self._out:
            return b"", b""
        out, self._out = b"".join(self._out), []
        return out, out

    def _read(self, raw: bytes) -> None:
        name, data = event_fields(raw)
        if data[:6] == b"[DONE]":
            self._stop()
            return
        chunk = parse_object(data) if data else None
        if chunk is None:
            return
        if chunk.get("error") or name == b"error":
            self._ended = True
            self._event(messages_error(chunk, 0))
            return
        if chunk.get("choices"):  # Azure's first chunk has neither a choice nor a name
            self._begin(chunk)
        take_over(self._usage, chunk.get("usage"))
        self._tier = chunk.get("service_tier") or self._tier
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and choice.get("index", 0) == 0:
                self._choice(choice)

    def _event(self, fields: dict[str, Any]) -> None:
        self._out.append(event(encode(fields), fields["type"]))

    def _begin(self, chunk: dict[str, Any]) -> None:
        if self._started:
            return
        self._started = True
        self._id = string(chunk.get("id"))
        message: dict[str, Any] = {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": string(chunk.get("model")),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            # told at the end only
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
        self._event({"type": "message_start", "message": message})

    def _choice(self, choice: dict[str, Any]) -> None:
        delta = choice.get("delta")
        if isinstance(delta, dict):
            if said := spoken(delta.get("content")):
                self._say(said)
            if said := string(delta.get("refusal")):
                self._refused = True
                self._say(said)
            calls = delta.get("tool_calls")
            for call in calls if isinstance(calls, list) else ():
                if isinstance(call, dict):
                    self._call(call)
        if choice.get("finish_reason") is not None:
            self._finish = choice["finish_reason"]
            self._stopped_by = stop_sequence(choice)

    def _say(self, said: str) -> None:
        if self._text is None:
            self._text = self._open({"type": "text", "text": ""})
        self._delta(self._text, {"type": "text_delta", "text": said})

    def _call(self, told: dict[str, Any]) -> None:
        function = told.get("function")
        if not isinstance(function, dict):
            return
        call = self._called(told)
        call.id = call.id or string(told.get("id"))
        call.name = call.name or string(function.get("name"))
        given = function.get("arguments")
        more = encode(given).decode() if isinstance(given, dict) else string(given)
        if call.block is None:
            call.waiting += more
            if not call.name:
                return
            self._close_text()
            block = {"type": "tool_use", "id": call.id or made_id(self._id, len(self._calls) - 1)}
            call.block = self._open({**block, "name": call.name, "input": {}})
            more, call.waiting = call.waiting, ""
        if more:
            self._delta(call.block, {"type": "input_json_delta", "partial_json": more})

    def _called(self, told: dict[str, Any]) -> _Call:
        """Which call a piece belongs to. Some give all calls one index, each an id of its own."""
        index = told.get("index")
        index = index if isinstance(index, int) else 0
        known, said = self._calls.get(index), string(told.get("id"))
        if known is not None and known.id and said and said != known.id:
            self._calls[-len(self._calls) - 1] = known
            known = None
        if known is None:
            known = self._calls[index] = _Call()
        return known

    def _open(self, block: dict[str, Any]) -> int:
        index, self._blocks = self._blocks, self._blocks + 1
        self._event({"type": "content_block_start", "index": index, "content_block": block})
        return index

    def _delta(self, index: int, delta: dict[str, Any]) -> None:
        self._event({"type": "content_block_delta", "index": index, "delta": delta})

    def _close_text(self) -> None:
        if self._text is not None:
            self._event({"type": "content_block_stop", "index": self._text})
            self._text = None

    def _stop(self) -> None:
        self._begin({})
        open_calls = [call.block for call in self._calls.values() if call.block is not None]
        if self._text is not None:
            open_calls.append(self._text)
        for index in sorted(open_calls):
            self._event({"type": "content_block_stop", "index": index})
        called = any(call.block is not None for call in self._calls.values())
        why = endings.stop_reason(self._finish, refused=self._refused, called=called)
        stopped_by = self._stopped_by if why == "end_turn" else None
        delta = {"stop_reason": "stop_sequence" if stopped_by else why, "stop_sequence": stopped_by}
        usage = endings.messages_usage(openai_usage.read_usage(self._usage))
        self._event({"type": "message_delta", "delta": delta, "usage": usage})
        self._event({"type": "message_stop"})
        self._ended = True


class _Call:
    """One call of a tool; its block opens once its name is known."""

    __slots__ = ("block", "id", "name", "waiting")

    def __init__(self) -> None:
        self.block: int | None = None
        self.id = self.name = self.waiting = ""
