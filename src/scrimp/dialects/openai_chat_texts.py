"""The texts in OpenAI chat requests and replies, to be counted or classified."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scrimp.dialects.json_body import parse_object
from scrimp.dialects.sse import event_fields, split
from scrimp.dialects.texts import definition_texts, encode_text, part_texts, strings

_SPOKEN = ("content", "refusal", "reasoning_content", "reasoning")


def prompt_texts(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Messages with their tool calls, tool definitions, and the schema of the answer."""
    found: list[str] = []
    for message in fields["messages"]:
        found += strings(message, "name")
        found += part_texts(message.get("content"))
        found += strings(message, "refusal", "reasoning_content")
        found += [text for _, text in _call_texts(message)]
    found += definition_texts(fields.get("tools"))
    found += definition_texts(fields.get("functions"))
    answer = fields.get("response_format")
    if isinstance(answer, dict) and answer.get("type") == "json_schema":
        found.append(encode_text(answer.get("json_schema")))
    return tuple(found)


def last_user_text(fields: Mapping[str, Any]) -> str:
    """The texts of the last user message that has any."""
    for message in reversed(fields["messages"]):
        if message.get("role") == "user" and (texts := part_texts(message.get("content"))):
            return "\n".join(texts)
    return ""


def reply_texts(body: bytes) -> tuple[str, ...]:
    """Every text of a reply; of a stream, the fragments of one text are put together."""
    whole = parse_object(body)
    chunks = [whole] if whole is not None else _chunks(body)
    found: dict[tuple[object, ...], list[str]] = {}
    for chunk in chunks:
        for where, text in _chunk_texts(chunk):
            found.setdefault(where, []).append(text)
    return tuple("".join(texts) for texts in found.values())


def _chunks(body: bytes) -> list[dict[str, Any]]:
    parsed = [parse_object(event_fields(raw)[1]) for raw in split(body)]
    return [chunk for chunk in parsed if chunk is not None]


def _chunk_texts(chunk: dict[str, Any]) -> Iterator[tuple[tuple[object, ...], str]]:
    choices = chunk.get("choices")
    for position, choice in enumerate(choices if isinstance(choices, list) else ()):
        if not isinstance(choice, dict):
            continue
        index = choice.get("index")
        where = index if isinstance(index, int) else position
        for name in ("message", "delta"):
            said = choice.get(name)
            if isinstance(said, dict):
                for key, text in _said(said):
                    yield (where, *key), text


def _said(message: dict[str, Any]) -> Iterator[tuple[tuple[object, ...], str]]:
    for name in _SPOKEN:
        for text in part_texts(message.get(name)):
            yield (name,), text
    yield from _call_texts(message)


def _call_texts(message: dict[str, Any]) -> Iterator[tuple[tuple[object, ...], str]]:
    calls = message.get("tool_calls")
    called = list(calls) if isinstance(calls, list) else []
    if message.get("function_call") is not None:
        called.append({"function": message["function_call"]})
    for position, call in enumerate(called):
        if not isinstance(call, dict):
            continue
        index = call.get("index")
        where = index if isinstance(index, int) else position
        for kind in ("function", "custom"):
            inner = call.get(kind)
            if isinstance(inner, dict):
                for name in ("name", "arguments", "input"):
                    for text in strings(inner, name):
                        yield (where, kind, name), text
