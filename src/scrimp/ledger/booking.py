"""From a finished call to its ledger entry: costs, baseline and savings that add up.

Pure. `baseline - cost = sum(saved)` holds to the nano-dollar in every entry whose baseline is
known. What cannot be known stays None; it is never booked as $0.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from scrimp.calls import (
    COUNTERS,
    FREE_COST,
    NEVER_BILLED,
    UNKNOWN_COST,
    Attempt,
    Booked,
    Call,
    Cost,
    CostBasis,
    Reply,
    Trace,
    TraceLine,
    Usage,
    is_refusal,
)
from scrimp.errors import Rejected, UpstreamError
from scrimp.ledger.smaller import saved_by_less
from scrimp.ledger.steps import saved_by_moves, served_of, spent_in_vain
from scrimp.ledger.waited import saved_by_waiting, unwaited
from scrimp.ports import Entry
from scrimp.traits import Traits
from scrimp.values import Value

CLIENT_CLOSED = 499  # nginx's word for a client that left; no RFC has one
_BEGUN = 200  # the only status with which an answer that is shared begins to stream
_RETRY = "retry"
_DOUBT: tuple[CostBasis, ...] = ("estimate", "assumed", "usage", "reported")
_NOTHING = Usage()
_ASIDE = frozenset({"exact_cache", "coalesce", "rate_limit", "watch", "budget"})
"""Levers that send a call as it is, to where it is headed, or not at all."""


class Ending(Value, frozen=True):
    """How a call ended: with a reply, an error, or neither (the client left).

    `untouched` is what the attempt would have cost that a lever's answer stood in for.
    """

    reply: Reply | None
    error: BaseException | None
    latency_ms: float
    untouched: Cost = FREE_COST


def needs_estimate(attempt: Attempt, call: Call) -> bool:
    """True when the provider may have billed the attempt but did not say how much it used."""
    return (
        call.operation in ("chat", "embeddings")
        and attempt.usage is None
        and attempt.outcome not in NEVER_BILLED
        and attempt.cost.basis == "unknown"
    )


def is_plain(attempts: Sequence[Attempt], lines: Sequence[TraceLine]) -> bool:
    """True when one attempt at what was asked for is all there is: then it is the baseline, too."""
    return len(attempts) == 1 and _ASIDE.issuperset([line.lever for line in lines])


def total_cost(costs: Sequence[Cost]) -> Cost:
    """All attempts of a call together: unknown as soon as one is, else exact only if all are."""
    if not costs:
        return FREE_COST
    if len(costs) == 1:
        return costs[0]
    nano = low = high = 0
    for cost in costs:
        if cost.nanousd is None or cost.low_nanousd is None or cost.high_nanousd is None:
            return UNKNOWN_COST
        nano += cost.nanousd
        low += cost.low_nanousd
        high += cost.high_nanousd
    versions = {cost.price_version for cost in costs if cost.price_version}
    lines = tuple(line for cost in costs for line in cost.lines)
    return Cost(nano, low, high, _basis(costs), ",".join(sorted(versions)), lines)


def _basis(costs: Sequence[Cost]) -> CostBasis:
    """The least certain of them."""
    bases = {cost.basis for cost in costs}
    return next((basis for basis in _DOUBT if basis in bases), "free")


def booked(
    reply: Reply | None,
    attempts: Sequence[Attempt],
    untouched: Cost,
    lines: Sequence[TraceLine] = (),
) -> Booked:
    """What the call cost, what it would have cost untouched, and which lever made the difference.

    `untouched` is the price of the remembered usage when a lever answered; it is not read when
    the upstream did. `lines` say who sent the call to another model, which saves what the one that
    was asked for would have cost more, who sent less of it, and which attempts were made in vain: a
    negative saving of whose they were, of `retry` where no line says so.
    """
    cost = total_cost([attempt.cost for attempt in attempts])
    if reply is not None and reply.served_by != "upstream" and not attempts:
        if untouched.nanousd is None:
            return Booked(cost, None)
        return Booked(cost, untouched.nanousd, ((reply.served_by, untouched.nanousd),))
    if cost.nanousd is None or not attempts:
        return Booked(cost, cost.nanousd)
    if is_plain(attempts, lines):
        return Booked(cost, cost.nanousd)
    served = served_of(attempts, lines)
    moved = () if served is None else saved_by_moves(unwaited(served, lines).cost, lines)
    if moved is None:
        return Booked(cost, None)
    less = (*saved_by_less(lines), *saved_by_waiting(lines))
    saved = _added(_extra(attempts, lines), less, moved)
    return Booked(cost, cost.nanousd + sum(part for _, part in saved), saved)


def _extra(attempts: Sequence[Attempt], lines: Sequence[TraceLine]) -> list[tuple[str, int]]:
    """Attempts beside the one that answered, by the lever that made them: what they cost."""
    vain = spent_in_vain(lines)
    own = [number for number in range(len(attempts)) if number not in vain]
    extra = dict.fromkeys(own[:-1], _RETRY) | vain
    return [
        (lever, -(attempts[number].cost.nanousd or 0))
        for number, lever in sorted(extra.items())
        if number < len(attempts)
    ]


def _added(*parts: Sequence[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """Savings by lever; one that made no difference is named where it changed the model."""
    sums: dict[str, int] = {}
    for lever, nanousd in (pair for part in parts for pair in part):
        sums[lever] = sums.get(lever, 0) + nanousd
    return tuple(
        [(lever, nanousd) for lever, nanousd in sums.items() if nanousd or lever in dict(parts[-1])]
    )


def named(lever: str, result: Booked) -> Booked:
    """The same call, the lever named: what a shorter answer saved nobody can know, so it is 0."""
    if result.baseline_nanousd is None or lever in dict(result.saved):
        return result
    return replace(result, saved=(*result.saved, (lever, 0)))


def total_usage(attempts: Sequence[Attempt]) -> Usage:
    """Tokens that the call used upstream, over all attempts that reported them."""
    usages = [attempt.usage for attempt in attempts if attempt.usage is not None]
    if not usages:
        return _NOTHING
    if len(usages) == 1:
        return usages[0]
    sums = {name: sum(getattr(usage, name) for usage in usages) for name in COUNTERS}
    suspects = "; ".join(usage.suspect for usage in usages if usage.suspect)
    return Usage(**sums, suspect=suspects)


def entry_of(
    call: Call, ending: Ending, *, keep_content: bool, traits: Traits | None = None
) -> Entry:
    """The ledger entry of a call whose trace is booked."""
    trace, caller, cost_of = call.trace, call.caller, call.trace.booked
    cost = cost_of.cost if cost_of else UNKNOWN_COST
    status, outcome = _status(call, ending)
    reply, attempts = ending.reply, trace.attempts
    served = served_of(attempts, trace.lines)
    if served is None and attempts:
        served = attempts[-1]
    target = served.target if served else call.target
    return Entry(
        id=call.id,
        at=call.started_at,
        purpose=call.purpose,
        operation=call.operation,
        dialect=call.target.dialect,
        provider=target.provider,
        model_requested=call.request.model,
        model=target.model,
        status=status,
        outcome=outcome,
        served_by=reply.served_by if reply else trace.served_by if outcome == "ok" else "none",
        stream=call.request.stream,
        usage=total_usage(attempts),
        cost_basis=cost.basis,
        cost_nanousd=cost.nanousd,
        cost_low_nanousd=cost.low_nanousd,
        cost_high_nanousd=cost.high_nanousd,
        baseline_nanousd=cost_of.baseline_nanousd if cost_of else None,
        saved=cost_of.saved if cost_of else (),
        price_version=cost.price_version,
        latency_ms=ending.latency_ms,
        upstream_ms=_upstream_ms(trace, ending.latency_ms),
        ttft_ms=served.ttft_ms if served else None,
        tenant=caller.tenant,
        key=caller.key,
        team=caller.team,
        user=caller.user or caller.reported_user,
        task=call.task.name,
        task_source=call.task.source,
        tags=caller.tags,
        session=caller.session,
        trace=tuple(trace.lines),
        attempts=tuple(attempts),
        request_content=_text(call.request.body) if keep_content else None,
        reply_content=_text(reply.body) if keep_content and reply and reply.body else None,
        untouched=_untouched(call, ending),
        traits=traits,
    )


def _untouched(call: Call, ending: Ending) -> Attempt | None:
    """What a lever's answer stood in for: enough to price it again under another book."""
    reply, cost = ending.reply, ending.untouched
    if reply is None or reply.facts.usage is None or call.trace.attempts:
        return None
    if reply.served_by == "upstream":
        return None
    return Attempt(
        target=call.target,
        outcome="ok",
        status=reply.status,
        started_at=call.started_at,
        latency_ms=0.0,
        usage=reply.facts.usage,
        service_tier=reply.facts.service_tier,
        reported_model=reply.facts.model,
        cost=replace(cost, lines=()) if cost.lines else cost,
    )


def _status(call: Call, ending: Ending) -> tuple[int, str]:
    """The HTTP status that the client saw (499: it left first) and the outcome in one word."""
    error, reply = ending.error, ending.reply
    if reply is not None:
        return reply.status, "cut" if reply.facts.error else "ok"
    last = call.trace.attempts[-1] if call.trace.attempts else None
    if isinstance(error, UpstreamError):
        if call.sink.begun:
            return last.status if last else _BEGUN, "cut"
        return error.status, "rejected" if _refused(call, error) else "failed"
    if isinstance(error, Exception):
        return (error.status, "refused") if isinstance(error, Rejected) else (500, "failed")
    heard_all = call.trace.heard_all
    if heard_all is None:
        heard_all = last is not None and last.outcome == "ok"
    if heard_all and call.sink.begun:
        return last.status if last else _BEGUN, "ok"  # it left with the whole answer
    return CLIENT_CLOSED, "cancelled"


def _refused(call: Call, error: UpstreamError) -> bool:
    """Whether the provider refused, also where the attempt is in another call's entry."""
    if call.trace.attempts:
        return call.trace.attempts[-1].outcome == "rejected"
    return call.trace.served_by != "upstream" and is_refusal(error.status)


def _upstream_ms(trace: Trace, latency_ms: float) -> float:
    """Time upstream: in the call's own attempts (those of a flight may be older than the call)."""
    own_ms = sum(attempt.latency_ms for attempt in trace.attempts) or trace.upstream_ms
    return min(own_ms, latency_ms)


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")
