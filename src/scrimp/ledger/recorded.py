"""Calls that were made elsewhere and are only told of: their usage in any known shape, their entry.

Pure. A provider's own usage is read as its replies are; numbers that cannot be counts are refused,
never guessed at. What such a call cost is not a saving, and nobody answered it for a provider.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from scrimp.calls import COUNTERS, Attempt, Caller, Cost, Target, Task, TraceLine, Usage
from scrimp.dialects.counts import MAX_COUNT
from scrimp.dialects.usage_shapes import read_usage
from scrimp.errors import InvalidRequest
from scrimp.ports import Entry

RECORDED = "recorded"
"""Operation of such a call, and what `served_by` says of it."""

_SHAPES = (
    "prompt_tokens and completion_tokens (OpenAI chat), input_tokens and output_tokens (OpenAI "
    "responses, Anthropic), promptTokenCount (Gemini), inputTokens (Bedrock), or Scrimp's own: "
    f"{', '.join(COUNTERS)}"
)
_OLDEST = datetime(2015, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(minutes=5)
_MAX_LABEL = 128
_MAX_TAGS = 16


@dataclass(frozen=True, slots=True)
class Made:
    """A call as its maker tells it. `at` is aware; `provider` is empty when the model says it."""

    model: str
    usage: Usage
    at: datetime
    provider: str = ""
    service_tier: str = ""
    latency_ms: float = 0.0
    stream: bool = False


def usage_of(given: Mapping[str, Any]) -> Usage:
    """Usage in a provider's own shape, or by the names of our buckets. Raises InvalidRequest."""
    return usage_and_tier(given)[0]


def usage_and_tier(given: Mapping[str, Any]) -> tuple[Usage, str]:
    """The same, and the service tier that some providers tell inside their usage (else empty)."""
    _check_counts(given, "usage")
    if given and set(given) <= set(COUNTERS):
        counts: dict[str, Any] = {name: value or 0 for name, value in given.items()}
        return Usage(**counts), ""
    whole = dict(given)
    if "prompt_tokens" in given or "completion_tokens" in given:
        whole = {"prompt_tokens": 0, "completion_tokens": 0, **given}
    told = read_usage(whole)
    if told.usage is None:
        shown = ", ".join(sorted(map(str, given)))[:200] or "nothing"
        raise InvalidRequest(f"'usage' holds {shown}: no usage that is known (give {_SHAPES})")
    return told.usage, told.service_tier


def _check_counts(given: Mapping[str, Any], where: str) -> None:
    """Raises InvalidRequest with the count at fault and the limit."""
    for name, value in given.items():
        place = f"{where}.{name}"[:120]
        if isinstance(value, dict):
            _check_counts(value, place)
        elif name.endswith(("_tokens", "_requests")) and value is not None:
            if type(value) is not int:
                raise InvalidRequest(f"'{place}' is {str(value)[:40]!r}, not a whole number")
            if not 0 <= value <= MAX_COUNT:
                raise InvalidRequest(f"'{place}' is {value}: a count is from 0 to {MAX_COUNT}")


def check_time(at: datetime, now: datetime) -> datetime:
    """An aware time that a call can have been made at. Raises InvalidRequest."""
    if at.tzinfo is None:
        raise InvalidRequest(f"'at' is {at.isoformat()}, without a zone (add Z for UTC)")
    if not _OLDEST <= at <= now + _AHEAD:
        told, limit = at.isoformat(), now.isoformat(timespec="seconds")
        raise InvalidRequest(f"'at' is {told}: a call was made from 2015 on, and before {limit}")
    return at.astimezone(UTC)


def check_label(name: str, text: str) -> str:
    """A label that reports can show. Raises InvalidRequest."""
    if not isinstance(text, str):
        raise InvalidRequest(f"'{name}' is a {type(text).__name__}: give a string")
    if len(text) > _MAX_LABEL:
        raise InvalidRequest(f"'{name}' has {len(text)} characters; at most {_MAX_LABEL}")
    if not text.isprintable():
        raise InvalidRequest(f"'{name}' holds control characters")
    return text


def check_tags(tags: Collection[str]) -> tuple[str, ...]:
    """Tags without doubles. Raises InvalidRequest; one text is no list of tags."""
    if isinstance(tags, str):
        raise InvalidRequest(f"'tags' is a {type(tags).__name__}: give a tuple")
    if len(tags) > _MAX_TAGS:
        raise InvalidRequest(f"'tags' holds {len(tags)} tags; at most {_MAX_TAGS}")
    return tuple(dict.fromkeys(check_label("tags", tag) for tag in tags if tag))


def entry_of(
    call_id: str, made: Made, target: Target, cost: Cost, whose: tuple[Caller, Task]
) -> Entry:
    """The ledger entry of a call that was made elsewhere."""
    caller, task = whose
    attempt = Attempt(
        target=target,
        outcome="ok",
        status=200,
        started_at=made.at,
        latency_ms=made.latency_ms,
        usage=made.usage,
        service_tier=made.service_tier,
        cost=cost,
    )
    return Entry(
        id=call_id,
        at=made.at,
        purpose="client",
        operation=RECORDED,
        dialect=target.dialect,
        provider=target.provider,
        model_requested=made.model,
        model=target.model,
        status=200,
        outcome="ok",
        served_by=RECORDED,
        stream=made.stream,
        usage=made.usage,
        cost_basis=cost.basis,
        cost_nanousd=cost.nanousd,
        cost_low_nanousd=cost.low_nanousd,
        cost_high_nanousd=cost.high_nanousd,
        baseline_nanousd=cost.nanousd,
        saved=(),
        price_version=cost.price_version,
        latency_ms=made.latency_ms,
        upstream_ms=made.latency_ms,
        ttft_ms=None,
        tenant=caller.tenant,
        key=caller.key,
        team=caller.team,
        user=caller.user or caller.reported_user,
        task=task.name,
        task_source=task.source,
        tags=caller.tags,
        session=caller.session,
        trace=(TraceLine("record", RECORDED),),
        attempts=(attempt,),
    )
