"""Anthropic's message events as OpenAI's chunks, one by one as they arrive. Sans-IO.

Whatever the events are, nothing here raises: what cannot be read says nothing, as in every reader
of streams. What has begun with one message is not begun again by a second.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from scrimp.dialects import anthropic_usage
from scrimp.dialects.json_body import encode, parse_object
from scrimp.dialects.sse import EventSplitter, event, event_fields
from scrimp.dialects.usage_running import take_over
from scrimp.translation import endings
from scrimp.translation.errors import chat_error
from scrimp.translation.message_turns import arguments_of
from scrimp.translation.replies import string, why_refused

_DONE = b"data: [DONE]\n\n"
_PING = b": ping\n\n"
_TEXTS = {
    "text_delta": ("text", b'{"content":%s}'),
    "thinking_delta": ("thinking", b'{"reasoning_content":%s}'),
}


class ToChat:
    """Feed it pieces of any size. `created_s` is the time that chunks tell.

    With `include_usage` the client is told usage; the whole reply has it anyway.
    """

    __slots__ = (
        "_calls",
        "_created_s",
        "_ended",
        "_finish",
        "_head",
        "_id",
        "_include_usage",
        "_model",
        "_out",
        "_refusal",
        "_splitter",
        "_started",
        "_tail",
        "_usage",
        "_usage_chunk",
    )

    def __init__(self, *, created_s: int, include_usage: bool) -> None:
        self._created_s = created_s
        self._include_usage = include_usage
        self._splitter = EventSplitter()
        self._out: list[bytes] = []
        self._calls: dict[int, _Call] = {}
        self._usage: dict[str, Any] = {}
        self._usage_chunk = b""
        self._finish: object = None
        self._refusal: str | None = None
        self._started = self._ended = False
        self._id = self._model = ""
        self._head = self._tail = b""

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """What the client may have now, and what the whole reply holds of it."""
        for raw in self._splitter.feed(data):
            if not self._ended:
                with suppress(RecursionError):  # deeper than anything that a provider means
                    self._read(raw)
        if not self._out:
            return b"", b""
        out, self._out = self._out, []
        whole = b"".join(out)
        if self._usage_chunk and not self._include_usage:
            hidden, self._usage_chunk = self._usage_chunk, b""
            return whole.replace(hidden, b""), whole
        return whole, whole

    def _read(self, raw: bytes) -> None:
        name, data = event_fields(raw)
        fields = parse_object(data) if data else None
        if name == b"error" or (fields is not None and fields.get("type") == "error"):
            self._ended = True
            self._out.append(event(encode(chat_error(fields or {}, 0))))
        elif fields is not None:
            self._hear(fields)

    def _hear(self, fields: dict[str, Any]) -> None:
        match fields.get("type"):
            case "content_block_delta":
                self._delta(fields)
            case "content_block_start":
                self._block(fields)
            case "content_block_stop":
                self._close(fields.get("index"))
            case "message_start":
                self._start(fields.get("message"))
            case "message_delta":
                self._end(fields)
            case "message_stop":
                self._stop()
            case "ping":
                self._out.append(_PING)

    def _start(self, message: object) -> None:
        if isinstance(message, dict):
            if self._started:
                self._usage = {}
            take_over(self._usage, message.get("usage"))
            self._id, self._model = string(message.get("id")), string(message.get("model"))
        self._begin()

    def _begin(self) -> None:
        if self._started:
            return
        self._started = True
        self._head = b"data: " + encode(self._base())[:-1] + b',"choices":[{"index":0,"delta":'
        self._tail = b',"logprobs":null,"finish_reason":null}]%s}\n\n' % self._no_usage()
        self._say(b'{"role":"assistant","content":"","refusal":null}')

    def _base(self) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created_s,
            "model": self._model,
        }

    def _no_usage(self) -> bytes:
        """OpenAI puts null into every other chunk, where usage was asked for."""
        return b',"usage":null' if self._include_usage else b""

    def _say(self, delta: bytes) -> None:
        self._begin()
        self._out.append(self._head + delta + self._tail)

    def _block(self, fields: dict[str, Any]) -> None:
        index, block = fields.get("index"), fields.get("content_block")
        if not isinstance(index, int) or not isinstance(block, dict):
            return
        match block.get("type"):
            case "tool_use" if index not in self._calls:
                call = self._calls[index] = _Call(len(self._calls), block.get("input"))
                self._say(encode({"tool_calls": [call.head(block)]}))
            case "text" if said := string(block.get("text")):
                self._say(b'{"content":%s}' % encode(said))

    def _delta(self, fields: dict[str, Any]) -> None:
        delta = fields.get("delta")
        if not isinstance(delta, dict):
            return
        kind = delta.get("type")
        if isinstance(kind, str) and (found := _TEXTS.get(kind)) is not None:
            if said := string(delta.get(found[0])):
                self._say(found[1] % encode(said))
        elif kind == "input_json_delta" and (said := string(delta.get("partial_json"))):
            index = fields.get("index")
            call = self._calls.get(index) if isinstance(index, int) else None
            if call is not None:
                call.given = None
                self._say(call.more(said))

    def _close(self, index: object) -> None:
        """Of a call without pieces the whole input, since no arguments are no JSON."""
        call = self._calls.get(index) if isinstance(index, int) else None
        if call is not None and call.given is not None:
            self._say(call.more(call.given))
            call.given = None

    def _end(self, fields: dict[str, Any]) -> None:
        take_over(self._usage, fields.get("usage"))
        delta = fields.get("delta")
        if isinstance(delta, dict) and delta.get("stop_reason") is not None:
            self._finish = delta["stop_reason"]
            self._refusal = why_refused(delta.get("stop_details"))

    def _stop(self) -> None:
        for index in self._calls:
            self._close(index)
        if self._refusal:
            self._say(b'{"refusal":%s}' % encode(self._refusal))
        self._begin()
        base = self._base() | endings.chat_tier(anthropic_usage.read_tier(self._usage))
        choice = {"index": 0, "delta": {}, "logprobs": None}
        choice["finish_reason"] = endings.finish_reason(self._finish)
        last = encode({**base, "choices": [choice]})[:-1] + self._no_usage() + b"}"
        self._out.append(event(last))
        usage = anthropic_usage.read_usage(self._usage)
        if usage is not None:
            told = {**base, "choices": [], "usage": endings.chat_usage(usage)}
            self._usage_chunk = event(encode(told))
            self._out.append(self._usage_chunk)
        self._out.append(_DONE)
        self._ended = True


class _Call:
    """One call of a tool. `given` is what to say of its input if no piece of it comes."""

    __slots__ = ("given", "number")

    def __init__(self, number: int, given: object) -> None:
        self.number = number
        self.given: str | None = arguments_of(given) if isinstance(given, dict) else "{}"

    def head(self, block: dict[str, Any]) -> dict[str, Any]:
        return {
            "index": self.number,
            "id": string(block.get("id")),
            "type": "function",
            "function": {"name": string(block.get("name")), "arguments": ""},
        }

    def more(self, arguments: str) -> bytes:
        function = encode({"arguments": arguments})
        return b'{"tool_calls":[{"index":%d,"function":%s}]}' % (self.number, function)
