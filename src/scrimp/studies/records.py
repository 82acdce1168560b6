"""What a comparison has found out about one question, as a line of a labelled file. Pure.

`scrimp route train` reads the same lines: `prompt`, `task`, and `models` by name with `quality` and
`cost`. The rest lets a run that was broken off go on without paying twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec

from scrimp.errors import InvalidRequest
from scrimp.judges.preference import Winner
from scrimp.lines import Record as Line
from scrimp.lines import records
from scrimp.money import decimal_usd
from scrimp.routing.rows import nanousd_of
from scrimp.values import Value

Finish = Literal["complete", "truncated", "refused", "no_text", "failed"]
"""A whole answer · cut at its limit · declined · a call of a tool, or nothing · none came."""


class Answer(Value, frozen=True):
    """One model's answer. `cost_nanousd` None: nobody knows. `reported` is the provider's name."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"text"})

    finish: Finish
    text: str = ""
    cost_nanousd: int | None = 0
    latency_ms: float = 0.0
    reported: str = ""
    call: str = ""
    error: str = ""
    quality: float | None = None


class Verdict(Value, frozen=True):
    """What a judge said of two answers; `grades` and `winner` are None without a verdict."""

    one: str
    two: str
    judge: str
    winner: Winner | None = None
    grades: tuple[float, float] | None = None
    split: bool = False
    cost_nanousd: int | None = 0
    why: str = ""


class Record(Value, frozen=True):
    """One question, and what is known so far."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"prompt"})

    id: str
    line: int
    prompt: str
    task: str = ""
    answers: Mapping[str, Answer] = {}
    verdicts: tuple[Verdict, ...] = ()


def line_of(record: Record) -> bytes:
    """The record as one line of JSON, with its end."""
    fields: dict[str, Any] = {"id": record.id, "line": record.line, "prompt": record.prompt}
    if record.task:
        fields["task"] = record.task
    fields["models"] = {name: _answer(answer) for name, answer in record.answers.items()}
    if record.verdicts:
        fields["verdicts"] = [_verdict(verdict) for verdict in record.verdicts]
    return msgspec.json.encode(fields) + b"\n"


def read_lines(data: bytes, source: str) -> dict[str, Record]:
    """Records by id; of two lines of one id the later holds, and a torn last line is left out.

    Raises InvalidRequest for a file that no comparison wrote.
    """
    found: dict[str, Record] = {}
    for number, line in records(data, source, torn=True):
        where = f"{source}, line {number}"
        try:
            record = _record(line, where)
        except msgspec.ValidationError as error:
            raise InvalidRequest(
                f"{where}: scrimp compare did not write this ({error}); name another file with -o"
            ) from error
        found[record.id] = record
    return found


def _answer(answer: Answer) -> dict[str, Any]:
    fields: dict[str, Any] = {"quality": answer.quality, "cost": _usd(answer.cost_nanousd)}
    fields["finish"] = answer.finish
    told = {
        "answer": answer.text,
        "latency_ms": round(answer.latency_ms, 1),
        "reported": answer.reported,
        "call": answer.call,
        "error": answer.error,
    }
    return fields | {name: value for name, value in told.items() if value}


def _verdict(verdict: Verdict) -> dict[str, Any]:
    fields = msgspec.structs.asdict(verdict)
    fields["cost"] = _usd(fields.pop("cost_nanousd"))
    return fields


def _usd(nanousd: int | None) -> str | None:
    return None if nanousd is None else decimal_usd(nanousd)


class _Answer(msgspec.Struct):
    finish: Finish
    quality: float | None = None
    cost: str | float | None = None
    answer: str = ""
    latency_ms: float = 0.0
    reported: str = ""
    call: str = ""
    error: str = ""


class _Verdict(msgspec.Struct):
    one: str
    two: str
    judge: str
    winner: Winner | None = None
    grades: tuple[float, float] | None = None
    split: bool = False
    cost: str | float | None = None
    why: str = ""


class _Line(msgspec.Struct):
    id: str
    prompt: str
    models: dict[str, _Answer]
    line: int = 0
    task: str = ""
    verdicts: list[_Verdict] = []


def _record(line: Line, where: str) -> Record:
    told = msgspec.convert(line, _Line)
    answers = {
        name: Answer(
            finish=one.finish,
            text=one.answer,
            cost_nanousd=nanousd_of(one.cost, where),
            latency_ms=one.latency_ms,
            reported=one.reported,
            call=one.call,
            error=one.error,
            quality=one.quality,
        )
        for name, one in told.models.items()
    }
    verdicts = tuple(
        Verdict(
            *(one.one, one.two, one.judge, one.winner, one.grades, one.split),
            *(nanousd_of(one.cost, where), one.why),
        )
        for one in told.verdicts
    )
    return Record(told.id, told.line, told.prompt, told.task, answers, verdicts)
