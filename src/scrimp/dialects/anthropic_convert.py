"""Anthropic messages between their two forms: one JSON message, or a stream of events.

Both ways keep fields, blocks and deltas that nobody here knows. A message's usage is split as
Anthropic does it: what is known at the start, then the cumulative counts at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scrimp.dialects.json_body import encode, parse, parse_object
from scrimp.dialects.merge import merge_delta
from scrimp.dialects.sse import event, event_fields, split
from scrimp.dialects.usage_running import take_over

_UNREADABLE = {
    "type": "error",
    "error": {"type": "api_error", "message": "the provider's reply cannot be read"},
}
_AT_THE_END = ("stop_reason", "stop_sequence", "stop_details", "container")
_COUNTED_AT_THE_END = frozenset(
    {
        "input_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "output_tokens",
        "output_tokens_details",
        "server_tool_use",
    }
)
_ONLY_AT_THE_END = frozenset({"output_tokens_details", "server_tool_use"})

# Of a block's fields, those that are streamed, and the delta that carries them.
_STREAMED = {
    "text": (("text", "text_delta"),),
    "thinking": (("thinking", "thinking_delta"), ("signature", "signature_delta")),
}
_TOOL_BLOCKS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})


def to_stream(body: bytes) -> bytes:
    """The events that would have made this message. An error body becomes an error event."""
    message = parse_object(body)
    try:
        if message is not None and _is_message(message):
            return b"".join(_named(fields) for fields in _events(message))
        has_error = message is not None and message.get("error")
        return event(encode(message if has_error else _UNREADABLE), "error")
    except RecursionError:  # nested more deeply than anything that a provider means
        return event(encode(_UNREADABLE), "error")


def _events(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"type": "message_start", "message": _opening(message)}
    for index, block in enumerate(message["content"]):
        yield from _block_events(index, block)
    end: dict[str, Any] = {
        "type": "message_delta",
        "delta": {name: message[name] for name in _AT_THE_END if name in message},
    }
    usage = message.get("usage")
    if isinstance(usage, dict):
        end["usage"] = {name: usage[name] for name in usage if name in _COUNTED_AT_THE_END}
    yield end
    yield {"type": "message_stop"}


def _is_message(fields: dict[str, Any]) -> bool:
    content = fields.get("content")
    return (
        fields.get("type") == "message"
        and isinstance(content, list)
        and all(isinstance(block, dict) for block in content)
    )


def _named(fields: dict[str, Any]) -> bytes:
    return event(encode(fields), fields["type"])


def _opening(message: dict[str, Any]) -> dict[str, Any]:
    """The message before its first word: no content, no end, one token of output at most."""
    opening: dict[str, Any] = {
        name: None if name in _AT_THE_END else value for name, value in message.items()
    }
    opening["content"] = []
    usage = message.get("usage")
    if isinstance(usage, dict):
        opening["usage"] = {
            name: value
            for name, value in usage.items()
            if value is None or name not in _ONLY_AT_THE_END
        }
        if type(usage.get("output_tokens")) is int:
            opening["usage"]["output_tokens"] = min(1, usage["output_tokens"])
    return opening


def _block_events(index: int, block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    start, deltas = _taken_apart(block)
    yield {"type": "content_block_start", "index": index, "content_block": start}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _taken_apart(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block as it starts, and the deltas that fill it. Unknown kinds start whole."""
    kind = block.get("type")
    start = dict(block)
    deltas: list[dict[str, Any]] = []
    if kind in _TOOL_BLOCKS and isinstance(block.get("input"), dict) and block["input"]:
        start["input"] = {}
        partial = encode(block["input"]).decode()
        deltas.append({"type": "input_json_delta", "partial_json": partial})
    for name, delta_type in _STREAMED.get(kind, ()) if isinstance(kind, str) else ():
        if isinstance(block.get(name), str) and block[name]:
            start[name] = ""
            deltas.append({"type": delta_type, name: block[name]})
    if kind == "text" and isinstance(block.get("citations"), list):
        start["citations"] = []
        cited = [{"type": "citations_delta", "citation": one} for one in block["citations"]]
        deltas = cited + deltas
    return start, deltas


def from_stream(events: bytes) -> bytes:
    """The message that these events make; an error event makes an error body.

    An unfinished stream gives what had arrived. Events that are not JSON objects are passed over.
    """
    try:
        return encode(_Gathering().gather(events))
    except RecursionError:  # nested more deeply than anything that a provider means
        return encode(_UNREADABLE)


class _Gathering:
    """A message while its events come in."""

    def __init__(self) -> None:
        self._message: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._inputs: dict[int, list[str]] = {}

    def gather(self, events: bytes) -> dict[str, Any]:
        """The message, or the error that came instead."""
        for raw in split(events):
            name, data = event_fields(raw)
            fields = parse_object(data)
            if fields is None:
                continue
            if fields.get("type") == "error" or name == b"error":
                return fields if fields.get("error") else _UNREADABLE
            if fields.get("type") == "message_stop":
                break
            self._add(fields)
        if not self._message:
            return _UNREADABLE
        for index, parts in self._inputs.items():
            if index in self._blocks:
                self._blocks[index]["input"] = _tool_input("".join(parts))
        self._message["content"] = [self._blocks[index] for index in sorted(self._blocks)]
        return self._message

    def _add(self, fields: dict[str, Any]) -> None:
        index = fields.get("index")
        match fields.get("type"):
            case "message_start" if isinstance(fields.get("message"), dict):
                self._message = fields["message"]
            case "content_block_start" if isinstance(index, int):
                if isinstance(fields.get("content_block"), dict):
                    self._blocks[index] = fields["content_block"]
            case "content_block_delta" if index in self._blocks:
                if isinstance(fields.get("delta"), dict):
                    self._add_delta(index, fields["delta"])
            case "message_delta":
                self._end(fields)

    def _add_delta(self, index: int, delta: dict[str, Any]) -> None:
        kind = delta.pop("type", None)
        if kind == "input_json_delta":
            if isinstance(delta.get("partial_json"), str):
                self._inputs.setdefault(index, []).append(delta["partial_json"])
        elif kind == "citations_delta" and "citation" in delta:
            merge_delta(self._blocks[index], {"citations": [delta["citation"]]})
        else:
            merge_delta(self._blocks[index], delta)

    def _end(self, fields: dict[str, Any]) -> None:
        for key, value in fields.items():
            if key == "usage":
                known = self._message.setdefault("usage", {})
                if isinstance(known, dict):
                    take_over(known, value)
            elif key == "delta" and isinstance(value, dict):
                self._message.update(value)
            elif key not in {"type", "delta"}:
                self._message[key] = value


def _tool_input(text: str) -> Any:
    """The arguments of a tool. A cut or broken JSON text is kept as Anthropic says to keep it."""
    if not text:
        return {}
    value = parse(text.encode())
    return {"INVALID_JSON": text} if value is None else value
