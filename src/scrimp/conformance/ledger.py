"""What Scrimp's ledger should say of a case, beside what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import convert

from scrimp.calls import COUNTERS, Usage
from scrimp.conformance.compare import Got
from scrimp.conformance.corpus import Case
from scrimp.conformance.readers import facts_of
from scrimp.conformance.verdict import Check, check
from scrimp.errors import PriceUnknown
from scrimp.money import decimal_usd
from scrimp.prices.book import PriceBook
from scrimp.prices.pricing import price
from scrimp.terms import Terms

_COST_HEADER = "x-scrimp-cost-usd"


@dataclass(frozen=True, slots=True)
class EntryFound:
    """The checks of an entry, and the cost that it should have (None: between bounds)."""

    checks: tuple[Check, ...]
    expected_nanousd: int | None


def told_cost(entry: Mapping[str, Any]) -> int | None:
    """The cost that the entry tells."""
    cost = entry.get("cost_nanousd")
    return cost if type(cost) is int else None


def entry_checks(case: Case, entry: Mapping[str, Any], got: Got, book: PriceBook) -> EntryFound:
    """Usage by bucket, the basis of the cost, the cost at the time of the call, and the header."""
    if not entry:
        wrong = Check("ledger", "an entry of the call", "none", good=False)
        return EntryFound((wrong,), None)
    right = case.expected
    checks = [check("ledger: basis", right.basis, entry.get("cost_basis"))]
    if right.usage is not None:
        checks.append(check("ledger: usage", right.usage, _buckets(entry)))
        checks.append(_doubt(right.suspect, entry))
    expected = _expected_cost(case, entry, book)
    cost = told_cost(entry)
    if right.basis == "estimate":
        checks.append(_bounds(entry))
    else:
        checks.append(Check("ledger: cost", _usd(expected), _usd(cost), good=cost == expected))
    if (header := got.headers.get(_COST_HEADER)) not in (None, "unknown"):
        checks.append(
            Check("header: cost", _usd(cost), f"${header}", good=f"${header}" == _usd(cost))
        )
    return EntryFound(tuple(checks), expected)


def _buckets(entry: Mapping[str, Any]) -> Mapping[str, int]:
    usage = entry.get("usage")
    told = usage if isinstance(usage, dict) else {}
    return {name: told[name] for name in COUNTERS if told.get(name)}


def _doubt(numbers: list[str], entry: Mapping[str, Any]) -> Check:
    found = str((entry.get("usage") or {}).get("suspect", ""))
    good = all(number in found for number in numbers) and bool(found) == bool(numbers)
    return Check("ledger: doubt", ", ".join(numbers) or "none", found or "none", good=good)


def _expected_cost(case: Case, entry: Mapping[str, Any], book: PriceBook) -> int | None:
    """What the case's usage costs at the time of the call, which is not that of the case."""
    if case.expected.usage is None:
        return 0 if case.expected.basis == "free" else None
    facts = facts_of(case)
    usage = convert(case.expected.usage, Usage)
    if case.expected.basis == "reported":
        usage = Usage(terms=Terms(reported_nanousd=case.expected.cost_nanousd))
    try:
        at = datetime.fromisoformat(str(entry["at"]))
        tier = facts.service_tier
        return price(usage, case.model, case.provider, at, book=book, service_tier=tier).nanousd
    except (PriceUnknown, KeyError, ValueError):
        return None


def _bounds(entry: Mapping[str, Any]) -> Check:
    """An estimate lies between its bounds, and there is room between them."""
    low, cost, high = (
        entry.get(name) for name in ("cost_low_nanousd", "cost_nanousd", "cost_high_nanousd")
    )
    told = f"{_usd(low)} … {_usd(cost)} … {_usd(high)}"
    good = (
        isinstance(low, int)
        and isinstance(cost, int)
        and isinstance(high, int)
        and low <= cost <= high
        and low < high
    )
    return Check("ledger: bounds", "low ≤ estimate ≤ high", told, good=good)


def _usd(nanousd: object) -> str:
    return f"${decimal_usd(nanousd)}" if type(nanousd) is int else "unknown"
