"""What is asked in a study: prompts or whole bodies, and what a right answer would be. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal, DecimalException
from typing import Any, ClassVar, Literal

import msgspec

from scrimp.dialects import DIALECTS
from scrimp.dialects.detect import dialect_of
from scrimp.dialects.json_body import encode
from scrimp.dialects.plain_call import plain_call
from scrimp.errors import InvalidRequest
from scrimp.lines import Record, records, text_in
from scrimp.values import Value

Match = Literal["exact", "number", "contains"]
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?|-?\.\d+")
_SPACES = re.compile(r"\s+")
_ENDS = " \t.!\"'`*"


class Question(Value, frozen=True):
    """One question. `body` holds the fields of a whole call, without its model; else it is None.

    `id` is a digest of all that is asked: who asks another thing gets another one. `expected` is
    what a right answer says, where the file knows.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"prompt", "system", "body", "expected"})

    line: int
    id: str
    prompt: str
    task: str = ""
    system: str = ""
    body: Mapping[str, Any] | None = None
    expected: str | None = None


def read_questions(data: bytes, source: str, *, expect: str = "") -> list[Question]:
    """Questions in the order of the file, each once. Raises InvalidRequest with the line at fault.

    `expect` names the field that holds the right answer.
    """
    found: dict[str, Question] = {}
    for line, record in records(data, source):
        question = _question(record, line, f"{source}, line {line}", expect)
        found.setdefault(question.id, question)
    if not found:
        raise InvalidRequest(f"{source}: holds no prompts (one JSON object per line, or a CSV)")
    return list(found.values())


def body_of(question: Question, model: str, dialect: str, most_tokens: int) -> bytes:
    """The call that asks a model, in a dialect.

    A body that says how long its answer may be keeps that; else it is `most_tokens`.
    """
    if question.body is not None:
        fields = {**question.body, "model": model}
        needs = dialect == "anthropic.messages" and "max_tokens" not in fields
        return encode({**fields, "max_tokens": most_tokens} if needs else fields)
    return encode(
        plain_call(dialect, model, question.prompt, question.system, most_tokens=most_tokens)
    )


def matches(answer: str, expected: str, how: Match) -> bool:
    """Whether an answer says what was expected.

    `exact`: nothing else, but for case, spaces and marks around it. `number`: its last number is
    that number. `contains`: somewhere, as whole words.
    """
    if how == "number":
        return _last_number(answer) == _last_number(expected) is not None
    mine, theirs = _plain(answer), _plain(expected)
    if how == "exact":
        return mine == theirs
    return re.search(rf"(?<!\w){re.escape(theirs)}(?!\w)", mine) is not None


def _question(record: Record, line: int, where: str, expect: str) -> Question:
    prompt, body = text_in(record, "prompt", where), None
    if "messages" in record:
        body = {name: value for name, value in record.items() if name not in (*_OURS, expect)}
        prompt = _last_text(body, where)
    elif not prompt.strip():
        raise InvalidRequest(f"{where}: has neither 'prompt' nor 'messages'")
    system = text_in(record, "system", where) if body is None else ""
    expected = record.get(expect) if expect else None
    if expect and expected in (None, ""):
        raise InvalidRequest(f"{where}: has no '{expect}', which --expect names")
    asked = {"prompt": prompt, "system": system} if body is None else body
    return Question(
        line=line,
        id=hashlib.sha256(msgspec.json.encode(asked, order="deterministic")).hexdigest()[:20],
        prompt=prompt,
        task=text_in(record, "task", where),
        system=system,
        body=body,
        expected=None if expected is None else _text(expected),
    )


_OURS = ("prompt", "task", "source", "models", "model", "stream", "stream_options", "id", "line")
"""Fields of a line that are none of the body's; a study reads whole replies."""


def _last_text(body: Mapping[str, Any], where: str) -> str:
    """What the user asked last. Raises InvalidRequest."""
    try:
        dialect = DIALECTS[dialect_of({**body, "model": "any"})]
        request = dialect.read_request(encode({**body, "model": "any", "max_tokens": 1}))
    except InvalidRequest as error:
        raise InvalidRequest(f"{where}: {error}") from error
    text = dialect.last_user_text(request)
    if not text.strip():
        raise InvalidRequest(f"{where}: its messages hold no text of a user")
    return text


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _plain(text: str) -> str:
    return _SPACES.sub(" ", text.casefold()).strip(_ENDS)


def _last_number(text: str) -> Decimal | None:
    found = _NUMBER.findall(text)
    try:
        return Decimal(found[-1].replace(",", "")) if found else None
    except DecimalException:
        return None
