"""The part of `scrimp cache stats` on answers by meaning: hits, errors, savings net of judging."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from scrimp.cli.cache_view import share
from scrimp.cli.console import dim, heading, out
from scrimp.errors import ScrimpError
from scrimp.money import decimal_usd, format_usd

if TYPE_CHECKING:
    from scrimp.settings import Loaded

_DAYS = 30
Period = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class _Booked:
    """Judging that came to no verdict costs, too: the ledger has it, the log of verdicts not."""

    saved_nanousd: int
    judging_nanousd: int
    embedding_nanousd: int
    by_scope: Mapping[tuple[str, str], int]


def semantic_stats(
    loaded: Loaded,
    told: Mapping[str, Any],
    ask: Mapping[str, Any] | None,
    tenant: str | None,
    period: Period | None = None,
) -> dict[str, Any] | None:
    """What is known of answers by meaning; None where they are switched off.

    `told` is what the gateway said already, `ask` what it says when it is asked for this alone. A
    file tells what it knew when it was last saved, a server its counts alone. Money is of the
    `period`, else of the last thirty days.
    """
    if not loaded.settings.semantic_cache.enabled:
        return None
    found = told.get("semantic") or (ask or {}).get("semantic")
    if found is None and loaded.settings.semantic_cache.engine != "memory":
        from scrimp.by_meaning import semantic_standings
        from scrimp.gateway.semantic_view import shown

        found = shown(*asyncio.run(semantic_standings(loaded, tenant)))
    if found is None:
        return None
    until = datetime.now(UTC) + timedelta(hours=1)
    booked = _booked(loaded, tenant, period or (until - timedelta(days=_DAYS), until))
    net = None
    if booked is not None:
        net = booked.saved_nanousd - booked.judging_nanousd - booked.embedding_nanousd
    return {
        "scopes": [_with_money(one, booked) for one in found["scopes"]],
        "judges": found.get("judges", []),
        "days": None if period else _DAYS,
        "saved_nanousd": booked and booked.saved_nanousd,
        "judge_nanousd": booked and booked.judging_nanousd,
        "embedding_nanousd": booked and booked.embedding_nanousd,
        "net_nanousd": net,
        "net_usd": None if net is None else decimal_usd(net),
    }


def _with_money(one: Mapping[str, Any], booked: _Booked | None) -> dict[str, Any]:
    """What it saved and what its verdicts cost; None where no ledger says so."""
    if booked is None:
        return {**one, "saved_nanousd": None, "net_nanousd": None}
    saved = booked.by_scope.get((one["tenant"], one["task"]), 0)
    return {**one, "saved_nanousd": saved, "net_nanousd": saved - one["judge_nanousd"]}


def _booked(loaded: Loaded, tenant: str | None, period: Period) -> _Booked | None:
    """What the ledger says of it in that time; None where there is none to read.

    Embeddings are asked for many tenants at once, so they are in the sum over all of them alone.
    """
    from scrimp.app import open_ledger_reader
    from scrimp.judges.model import OWN_TAG
    from scrimp.pipeline.embedding_calls import TAG

    since, until = period
    try:
        reader = open_ledger_reader(loaded.settings)
        levers = reader.report(since, until, "lever", tenant=tenant).rows
        tags = reader.report(since, until, "tag", tenant=tenant).rows
        by_scope = reader.saved_by_answering("semantic_cache", since, until)
    except ScrimpError:
        return None
    cost = {row.value: row.cost_nanousd for row in tags}
    saved = sum(row.saved_nanousd for row in levers if row.value == "semantic_cache")
    return _Booked(saved, cost.get(OWN_TAG, 0), cost.get(TAG, 0), by_scope)


def show_semantic(told: Mapping[str, Any]) -> None:
    """Totals, then a line for each tenant and task type."""
    console = out()
    console.print()
    console.print(heading("Semantic cache"))
    console.print()
    if told["saved_nanousd"] is not None:
        saved, judged = told["saved_nanousd"], told["judge_nanousd"]
        cost = told["embedding_nanousd"]
        embedded = f", {format_usd(cost)} for embeddings" if cost else ""
        text = (
            f"{format_usd(told['net_nanousd'])} in "
            f"{'this time' if told['days'] is None else str(told['days']) + ' days'} "
            f"({format_usd(saved)} saved, {format_usd(judged)} for judging{embedded})"
        )
        console.print(Text.assemble((f"  {'net':<9}", "dim"), text))
        console.print()
    if told["judges"]:
        named = (f"{one['judge']} {one['error']:.1%}" for one in told["judges"])
        text = f"{', '.join(named)} wrong, as estimated"
        console.print(Text.assemble((f"  {'judges':<9}", "dim"), text))
        console.print()
    if not told["scopes"]:
        console.print(dim("Nothing was looked up yet."))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("tenant", overflow="fold")
    table.add_column("task type", overflow="fold")
    for title in ("answers", "hits", "hit %", "judged", "wrong %", "missing"):
        table.add_column(title, justify="right", no_wrap=True)
    for one in told["scopes"]:
        table.add_row(
            one["tenant"],
            one["task"],
            f"{one['answers']:,}",
            f"{one['hits']:,}",
            share(one),
            f"{one['judged']:,}",
            _wrong(one),
            _missing(one["missing"]),
        )
    console.print(table)
    console.print(_money_table(told["scopes"]))
    console.print(dim("wrong: of what is served, as judged, and its upper bound;"))
    console.print(dim("missing: about how many verdicts more before anything is served;"))
    console.print(dim("audits: of what would have been served, paid for and judged; judging: what"))
    console.print(dim("all verdicts have cost since the cache began; net: saved less judging."))


def _money_table(scopes: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("tenant", overflow="fold")
    table.add_column("task type", overflow="fold")
    for title in ("questions", "audits", "saved", "judging", "net"):
        table.add_column(title, justify="right", no_wrap=True)
    for one in scopes:
        money = (one["saved_nanousd"], one["judge_nanousd"], one["net_nanousd"])
        shown = ("–" if amount is None else format_usd(amount) for amount in money)  # noqa: RUF001 - a dash
        table.add_row(
            one["tenant"], one["task"], f"{one['questions']:,}", f"{one['audits']:,}", *shown
        )
    return table


def _wrong(one: Mapping[str, Any]) -> str:
    if one["wrong_share"] is None:
        return "–"  # noqa: RUF001 - a dash
    return f"{one['wrong_share']:.1%} (≤ {one['wrong_upper']:.1%})"


def _missing(count: int | None) -> str:
    return "?" if count is None else f"{count:,}" if count else "none"
