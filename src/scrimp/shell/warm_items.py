"""Lists of questions, as CSV or JSON lines, turned into the bodies that an app will send. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from scrimp.dialects.detect import dialect_of
from scrimp.dialects.json_body import read_object
from scrimp.dialects.plain_call import dialect_for, plain_call
from scrimp.errors import InvalidRequest
from scrimp.lines import no_column, records

HOLE = "{question}"
"""Where a template says so, the question goes here; else it takes the place of the last one."""
_FIELDS = ("question", "answer", "model", "system", "task", "tags", "name")


@dataclass(frozen=True, slots=True)
class Item:
    """One question of a list. `line` is where it stands."""

    line: int
    question: str
    answer: str | None = None
    model: str = ""
    system: str | None = None
    task: str = ""
    tags: tuple[str, ...] = ()
    name: str = ""


def read_items(data: bytes, source: str) -> list[Item]:
    """Items of a CSV with a header line, or of JSON lines. Raises InvalidRequest with the line."""
    if not data.strip():
        raise no_column(source, "question")
    found = records(data, source, column="question")
    return [_item(row, line, source) for line, row in found]


def body_of(item: Item, template: bytes | None, model: str) -> bytes:
    """What an app will send for this question. Raises InvalidRequest.

    With a template its shape is kept: only question, model and system are the item's.
    """
    model = item.model or model
    if template is None:
        if not model:
            raise InvalidRequest(f"line {item.line}: no model (a column 'model', or --model NAME)")
        fields = plain_call(dialect_for(model), model, item.question, item.system or "")
        return msgspec.json.encode(fields)
    fields = read_object(template)
    dialect = dialect_of(fields)
    if model:
        fields = {**fields, "model": model}
    if item.system is not None:
        fields = _with_system(fields, dialect, item.system)
    filled, holes = _filled(fields, item.question)
    if not holes:
        filled = _with_question(fields, dialect, item.question)
    return msgspec.json.encode(filled)


def _item(row: Mapping[str, Any], line: int, source: str) -> Item:
    where = f"{source}, line {line}"
    if unknown := sorted(set(row) - set(_FIELDS)):
        raise InvalidRequest(f"{where}: nobody knows '{unknown[0]}' (known: {', '.join(_FIELDS)})")
    tags = row.get("tags", ())
    if isinstance(tags, str):
        tags = [tag.strip() for tag in tags.replace(";", ",").split(",") if tag.strip()]
    texts = {name: row.get(name) for name in _FIELDS if name != "tags"}
    for name, value in texts.items():
        if value is not None and not isinstance(value, str):
            raise InvalidRequest(f"{where}: '{name}' is no text")
    if not isinstance(tags, list | tuple) or not all(isinstance(tag, str) for tag in tags):
        raise InvalidRequest(f"{where}: 'tags' is no list of texts")
    question = texts["question"] or ""
    if not question.strip():
        raise InvalidRequest(f"{where}: 'question' is empty")
    return Item(
        line=line,
        question=question,
        answer=texts["answer"],
        model=texts["model"] or "",
        system=texts["system"],
        task=texts["task"] or "",
        tags=tuple(tags),
        name=texts["name"] or "",
    )


def _with_system(fields: Mapping[str, Any], dialect: str, system: str) -> dict[str, Any]:
    if dialect == "anthropic.messages":
        return {**fields, "system": system}
    if dialect == "openai.responses":
        return {**fields, "instructions": system}
    messages = list(fields.get("messages", ()))
    for number, message in enumerate(messages):
        if isinstance(message, dict) and message.get("role") in ("system", "developer"):
            messages[number] = {**message, "content": system}
            return {**fields, "messages": messages}
    return {**fields, "messages": [{"role": "system", "content": system}, *messages]}


def _filled(value: Any, question: str) -> tuple[Any, int]:
    """The value with the question in each hole, and how many there were."""
    if isinstance(value, str):
        return value.replace(HOLE, question), value.count(HOLE)
    if isinstance(value, list):
        pairs = [_filled(one, question) for one in value]
        return [one for one, _ in pairs], sum(holes for _, holes in pairs)
    if isinstance(value, dict):
        found = {name: _filled(one, question) for name, one in value.items()}
        return {name: one for name, (one, _) in found.items()}, sum(n for _, n in found.values())
    return value, 0


def _with_question(fields: Mapping[str, Any], dialect: str, question: str) -> dict[str, Any]:
    """In the place of the last text that a user says. Raises InvalidRequest."""
    name = "input" if dialect in ("openai.responses", "openai.embeddings") else "messages"
    turns = fields.get(name)
    if isinstance(turns, str):
        return {**fields, name: question}
    turns = list(turns or ())
    for number in reversed(range(len(turns))):
        turn = turns[number]
        if isinstance(turn, dict) and turn.get("role") == "user":
            turns[number] = {**turn, "content": _content(turn.get("content"), question)}
            return {**fields, name: turns}
    raise InvalidRequest(f"the template has no user's message and no {HOLE}")


def _content(content: Any, question: str) -> Any:
    if not isinstance(content, list):
        return question
    parts = list(content)
    for number in reversed(range(len(parts))):
        if isinstance(parts[number], dict) and isinstance(parts[number].get("text"), str):
            parts[number] = {**parts[number], "text": question}
            return parts
    raise InvalidRequest(f"the last message of the template has no text and no {HOLE}")
