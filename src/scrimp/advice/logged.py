"""Calls out of a log: one JSON object a line, with what was asked and the usage that it took. Pure.

What was asked is the body of a call in `request` (or `body`), or the line itself is that body. The
usage is in `usage`, or in the reply (`response` or `reply`), in any shape that a provider has. The
service tier that a call was served at is told there, too, and its price is that tier's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec.structs import replace

from scrimp.calls import Call, Caller, Cost, HeldSink, Request, Target, Task, Trace, Usage
from scrimp.dialects.base import Dialect
from scrimp.dialects.detect import dialect_of
from scrimp.dialects.json_body import encode
from scrimp.errors import InvalidRequest
from scrimp.ledger.recorded import Made, check_label, entry_of, usage_and_tier
from scrimp.lines import Record, Row, text_in
from scrimp.ports import Entry
from scrimp.remembered import CacheControl
from scrimp.tasks import classify
from scrimp.traits import Traits

_OURS: Final = (
    *("usage", "response", "reply", "at", "timestamp", "created", "created_at", "key", "task"),
    *("provider", "latency_ms", "id", "prompt"),
)
"""Fields of a line that are no part of a body."""
_TIMES: Final = ("at", "timestamp", "created_at", "created", "ts")
_BODIES: Final = ("request", "body")
_SHOWN: Final = "the body of a call in 'request', its 'usage', and when it was made in 'at'"

Priced = Callable[[Usage, str, str, datetime, str], tuple[Cost, str]]
"""Cost and provider of usage of a model: by the provider that the line names, if it names one.

At the service tier that is named last.
"""


@dataclass(slots=True)
class Log:
    """What reads lines. `without_usage` counts those that could not be priced for want of it."""

    dialects: Mapping[str, Dialect]
    traits_of: Callable[[Call], Traits]
    priced: Priced
    source: str
    without_usage: int = 0
    lines: int = field(default=0)

    def entries(self, rows: Iterable[tuple[int, Record | InvalidRequest]]) -> Iterator[Entry]:
        """A call of each line that tells its usage. Raises InvalidRequest with the line."""
        for number, row in rows:
            if isinstance(row, InvalidRequest):
                raise row
            where = f"{self.source}, line {number}"
            if isinstance(row, Row):
                raise InvalidRequest(f"{where}: a log has JSON lines, not columns")
            self.lines += 1
            told = _usage(row, where)
            if told is None:
                self.without_usage += 1
                continue
            yield self._entry(row, told, number, where)

    def _entry(self, row: Record, used: tuple[Usage, str], number: int, where: str) -> Entry:
        usage, tier = used
        fields = _body(row)
        model = fields.get("model") or row.get("model")
        if not isinstance(model, str) or not model:
            raise InvalidRequest(f"{where}: names no 'model' (a line has {_SHOWN})")
        at = _time(row, where)
        cost, provider = self.priced(usage, model, text_in(row, "provider", where), at, tier)
        request, name = self._request(fields, model, where)
        told = text_in(row, "task", where)
        task = Task(told or self._task(request, name), "header" if told else "classifier")
        caller = Caller("local", key=text_in(row, "key", where))
        target = Target(provider, model, name)
        latency_ms = row.get("latency_ms")
        latency = float(latency_ms) if isinstance(latency_ms, int | float) else 0.0
        made = Made(
            model, usage, at, provider, tier, max(0.0, latency), fields.get("stream") is True
        )
        call_id = str(UUID(int=number))
        entry = entry_of(call_id, made, target, cost, (caller, task))
        if request is None:
            return entry
        call = Call(
            id=call_id,
            purpose="client",
            operation="embeddings" if name == "openai.embeddings" else "chat",
            method="POST",
            path="/",
            headers=(),
            request=request,
            target=target,
            caller=caller,
            task=task,
            cache=CacheControl(),
            started_at=at,
            sink=HeldSink(),
            trace=Trace(),
        )
        return replace(entry, traits=self.traits_of(call))

    def _request(
        self, fields: Mapping[str, Any], model: str, where: str
    ) -> tuple[Request | None, str]:
        """None for a line that tells usage only."""
        if not ("messages" in fields or "input" in fields):
            return None, ""
        try:
            name = dialect_of(fields)
            needs = name == "anthropic.messages" and "max_tokens" not in fields
            whole = {**fields, "model": model, **({"max_tokens": 4096} if needs else {})}
            return self.dialects[name].read_request(encode(whole)), name
        except InvalidRequest as error:
            raise InvalidRequest(f"{where}: {error}") from error

    def _task(self, request: Request | None, name: str) -> str:
        if name == "openai.embeddings":
            return "embedding"
        text = "" if request is None else self.dialects[name].last_user_text(request)
        return classify(text) if text else "general"


def _body(row: Record) -> Mapping[str, Any]:
    for name in _BODIES:
        if isinstance(found := row.get(name), dict):
            return found
    fields = {name: value for name, value in row.items() if name not in _OURS}
    if isinstance(prompt := row.get("prompt"), str) and "messages" not in fields:
        fields["messages"] = [{"role": "user", "content": prompt}]
    return fields


def _usage(row: Record, where: str) -> tuple[Usage, str] | None:
    """What it took, and at which service tier: as the usage tells it, else what it stands in."""
    for place in (row, row.get("response"), row.get("reply")):
        given = place.get("usage") if isinstance(place, Mapping) else None
        if isinstance(place, Mapping) and isinstance(given, Mapping):
            try:
                usage, tier = usage_and_tier(given)
                return usage, tier or check_label("service_tier", _tier(row, place))
            except InvalidRequest as error:
                raise InvalidRequest(f"{where}: {error}") from error
    return None


def _tier(row: Record, place: Mapping[str, Any]) -> str:
    """What a reply tells, or a line beside a call's body; in a body it is only what was asked."""
    beside = any(isinstance(row.get(name), Mapping) for name in _BODIES)
    for told in (row if beside else {}, {} if place is row else place, _reply(row)):
        tier = told.get("service_tier")
        if isinstance(tier, str) and tier:
            return tier
    return ""


def _reply(row: Record) -> Mapping[str, Any]:
    found = row.get("response") or row.get("reply")
    return found if isinstance(found, Mapping) else {}


def _time(row: Record, where: str) -> datetime:
    for name in _TIMES:
        if (given := row.get(name)) is None:
            continue
        try:
            if isinstance(given, str):
                found = msgspec.convert(given.replace(" ", "T", 1), datetime)
                return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
            if isinstance(given, int | float):
                return datetime.fromtimestamp(given / (1000 if given > 10**11 else 1), UTC)
        except (msgspec.ValidationError, ValueError, OverflowError, OSError):
            pass
        raise InvalidRequest(
            f"{where}: '{name}' is {str(given)[:40]!r}, no time (ISO 8601, or Unix)"
        )
    raise InvalidRequest(f"{where}: does not say when the call was made (a line has {_SHOWN})")
