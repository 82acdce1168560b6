"""Plays a case through Scrimp's own readers and price book, without any network."""

from __future__ import annotations

from scrimp.calls import ReplyFacts, Usage
from scrimp.conformance.corpus import Case, Expected
from scrimp.conformance.verdict import Check, Verdict, buckets, check, status_of
from scrimp.dialects.usage_readers import read_reply, read_stream
from scrimp.errors import PriceUnknown
from scrimp.prices.book import PriceBook
from scrimp.prices.pricing import price


def facts_of(case: Case) -> ReplyFacts:
    """What our reader makes of the provider's bytes."""
    if case.framing == "json":
        return read_reply(case.shape, case.body())
    return read_stream(case.shape, case.body())


def verify(case: Case, book: PriceBook) -> Verdict:
    """Usage by bucket, end, error, doubt, and the cost at the case's own time."""
    facts, right = facts_of(case), case.expected
    checks = [
        check("usage", right.usage, buckets(facts.usage)),
        check("finish", right.finish, facts.finish),
        check("complete", right.complete, facts.complete),
        _error(right, facts),
        _doubt(right, facts.usage),
    ]
    if right.tier is not None:
        checks.append(check("service tier", right.tier, facts.service_tier))
    cost, basis = _cost(case, facts, book)
    checks.append(check("basis", right.basis, basis))
    checks.append(check("cost", right.cost_nanousd, cost))
    return Verdict(
        case.id,
        case.provider,
        case.shape,
        "readers",
        status_of(tuple(checks)),
        tuple(checks),
        right.cost_nanousd,
        cost,
    )


def _cost(case: Case, facts: ReplyFacts, book: PriceBook) -> tuple[int | None, str]:
    if facts.usage is None:
        return None, "free" if case.reply.status >= 400 else "estimate"
    try:
        cost = price(
            facts.usage,
            case.model,
            case.provider,
            case.at,
            book=book,
            service_tier=facts.service_tier,
        )
    except PriceUnknown as error:
        return None, str(error)
    return cost.nanousd, cost.basis


def _error(right: Expected, facts: ReplyFacts) -> Check:
    found = facts.error
    return Check("error", right.error or "none", found or "none", good=_says(right.error, found))


def _says(expected: str, found: str) -> bool:
    return expected in found if expected else not found


def _doubt(right: Expected, usage: Usage | None) -> Check:
    """Marked exactly when it has to be, with the numbers."""
    found = usage.suspect if usage is not None else ""
    good = all(number in found for number in right.suspect) and bool(found) == bool(right.suspect)
    return Check("doubt", ", ".join(right.suspect) or "none", found or "none", good=good)
