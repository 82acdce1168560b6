"""OpenAI chat completions between their two forms: one JSON reply, or a stream of chunks.

Both ways keep fields that nobody here knows. Two things have no place in the other form: the
`index` of a tool call exists in chunks only, and `usage` is in a stream only when asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scrimp.dialects.json_body import encode, parse_object
from scrimp.dialects.merge import merge_delta
from scrimp.dialects.openai_words import UNREADABLE
from scrimp.dialects.sse import event, event_fields, split

_DONE = b"data: [DONE]\n\n"
_EVERY_CHUNK = ("id", "object", "created", "model", "service_tier", "system_fingerprint")
_PLACED = frozenset({*_EVERY_CHUNK, "choices", "usage"})
_FIRST_DELTA = ("role", "content", "refusal")
_CHOICE_KEYS = frozenset({"index", "message", "logprobs", "finish_reason"})


def to_stream(body: bytes, *, include_usage: bool) -> bytes:
    """The chunks that would have made this reply. An error body becomes an error event."""
    fields = parse_object(body)
    try:
        if fields is not None and _is_reply(fields):
            return b"".join(_events(fields, include_usage=include_usage)) + _DONE
        has_error = fields is not None and fields.get("error")
        return event(encode(fields if has_error else UNREADABLE))
    except RecursionError:  # nested more deeply than anything that a provider means
        return event(encode(UNREADABLE))


def _events(fields: dict[str, Any], *, include_usage: bool) -> Iterator[bytes]:
    with_usage = include_usage and "usage" in fields
    base = {name: fields[name] for name in _EVERY_CHUNK if name in fields}
    base["object"] = "chat.completion.chunk"
    extra = {name: value for name, value in fields.items() if name not in _PLACED}
    for position, choice in enumerate(fields["choices"]):
        for part in _choice_chunks(choice, position):
            chunk = {**base, **extra, "choices": [part]}
            if with_usage:
                chunk["usage"] = None
            yield event(encode(chunk))
            extra = {}
    if with_usage and fields["usage"] is not None:
        yield event(encode({**base, "choices": [], "usage": fields["usage"]}))


def _is_reply(fields: dict[str, Any]) -> bool:
    choices = fields.get("choices")
    return (
        not fields.get("error")
        and isinstance(choices, list)
        and bool(choices)
        and all(isinstance(c, dict) and isinstance(c.get("message"), dict) for c in choices)
    )


def _choice_chunks(choice: dict[str, Any], position: int) -> Iterator[dict[str, Any]]:
    """One choice as parts of chunks, in the order in which a model would have said it."""
    index = choice.get("index", position)
    deltas = list(_deltas(choice["message"]))
    # Log probabilities stand beside the text that they are about.
    spoken = (place for place, delta in enumerate(deltas) if delta.keys() & {"content", "refusal"})
    with_logprobs = max(spoken, default=0)
    for number, delta in enumerate(deltas):
        part = {"index": index, "delta": delta, "finish_reason": None}
        if "logprobs" in choice:
            part["logprobs"] = choice["logprobs"] if number == with_logprobs else None
        yield part
    last = {name: value for name, value in choice.items() if name not in _CHOICE_KEYS}
    if "logprobs" in choice:
        last["logprobs"] = None
    yield {**last, "index": index, "delta": {}, "finish_reason": choice.get("finish_reason")}


def _deltas(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {
        name: "" if name != "role" and isinstance(message[name], str) else message[name]
        for name in _FIRST_DELTA
        if name in message
    }
    for name, value in message.items():
        # Reasoning and whatever else a provider adds comes before the text it led to.
        if name not in _FIRST_DELTA and name != "tool_calls":
            yield {name: value}
    for name in ("content", "refusal"):
        if isinstance(message.get(name), str) and message[name]:
            yield {name: message[name]}
    if "tool_calls" in message:
        yield from _tool_deltas(message["tool_calls"])


def _tool_deltas(calls: object) -> Iterator[dict[str, Any]]:
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        yield {"tool_calls": calls}
        return
    if not calls:
        yield {"tool_calls": []}
    for index, call in enumerate(calls):
        function = call.get("function")
        arguments = function.get("arguments") if isinstance(function, dict) else None
        if not isinstance(arguments, str) or not arguments:
            yield {"tool_calls": [{**call, "index": index}]}
            continue
        head = {**call, "index": index, "function": {**call["function"], "arguments": ""}}
        yield {"tool_calls": [head]}
        yield {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}


def from_stream(events: bytes) -> bytes:
    """The reply that these chunks make; an error event makes an error body.

    An unfinished stream gives what had arrived. Chunks that are not JSON objects are passed over.
    """
    try:
        return encode(_gathered(events))
    except RecursionError:  # nested more deeply than anything that a provider means
        return encode(UNREADABLE)


def _gathered(events: bytes) -> dict[str, Any]:
    reply: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for raw in split(events):
        name, data = event_fields(raw)
        if data[:6] == b"[DONE]":
            break
        chunk = parse_object(data)
        if chunk is None:
            continue
        if chunk.get("error") or name == b"error":
            return chunk if chunk.get("error") else UNREADABLE
        _add_chunk(reply, choices, chunk)
    if not reply and not choices:
        return UNREADABLE
    reply["object"] = "chat.completion"
    reply["choices"] = [_finished(choices[index]) for index in sorted(choices)]
    return reply


def _add_chunk(
    reply: dict[str, Any], choices: dict[int, dict[str, Any]], chunk: dict[str, Any]
) -> None:
    parts = chunk.pop("choices", None)
    for part in parts if isinstance(parts, list) else ():
        if isinstance(part, dict):
            _add_part(choices, part)
    for key, value in chunk.items():
        # Padding against eavesdroppers; it belongs to the chunk, not to the reply.
        if key != "obfuscation" and (value is not None or key not in reply):
            reply[key] = value


def _add_part(choices: dict[int, dict[str, Any]], part: dict[str, Any]) -> None:
    index = part.pop("index", 0)
    if not isinstance(index, int):
        return
    choice = choices.setdefault(index, {"index": index, "message": {}, "finish_reason": None})
    delta = part.pop("delta", None)
    if isinstance(delta, dict):
        merge_delta(choice["message"], delta)
    if isinstance(part.get("logprobs"), dict):
        merge_delta(choice, {"logprobs": part.pop("logprobs")})
    for key, value in part.items():
        if value is not None or key not in choice:
            choice[key] = value


def _finished(choice: dict[str, Any]) -> dict[str, Any]:
    """A choice as a reply has it: with a role and a content, and no index in its tool calls."""
    message = choice["message"]
    message.setdefault("role", "assistant")
    message.setdefault("content", None)
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, dict):
            call.pop("index", None)
    return choice
