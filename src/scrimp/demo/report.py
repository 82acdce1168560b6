"""The demo's report for people: what the day cost, what it would have cost, whose bill is right."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from scrimp.demo.broken import Broken
from scrimp.demo.findings import Findings
from scrimp.demo.guarded import ASKED, Guarded
from scrimp.demo.routed import DEAR, Routed
from scrimp.demo.stage import Stage
from scrimp.ledger.report import ReportRow
from scrimp.money import format_usd

_FAILURES_SHOWN = 5
_APPLICATIONS = {
    "support": "support assistant",
    "coding": "coding assistant",
    "classifier": "nightly classifier",
}


def report(findings: Findings) -> RenderableType:
    """All of it; fits in 80 columns."""
    parts = (_headline(findings), _figures(findings), _table(findings), _bill(findings))
    spaced = [part for one in parts for part in (one, Text())]
    return _indented(Group(Text(), *spaced[:-1]))


def _headline(findings: Findings) -> Text:
    played = findings.played
    return Text.assemble(
        ("A day of made-up traffic", "bold"),
        f", played in {played.played_s:.0f} s by the openai and anthropic SDKs",
    )


def _figures(findings: Findings) -> Table:
    total, played = findings.total, findings.played
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column()
    grid.add_row("calls", f"{total.calls:,}", f"{played.streamed:,} of them streamed")
    if findings.failed:
        grid.add_row("failed", Text(f"{findings.failed:,}", "bold red"), _failures(findings))
    bought = f"in, {total.output_tokens:,} out"
    grid.add_row("tokens bought", f"{total.input_tokens:,}", bought)
    grid.add_row("spend", Text(_usd(total.cost_nanousd), "bold"), "")
    grid.add_row("without Scrimp", _usd(total.baseline_nanousd), "")
    grid.add_row("saved", Text(_usd(total.saved_nanousd), "bold green"), _share(total))
    for row in findings.levers:
        grid.add_row(f"  {row.value}", _usd(row.saved_nanousd), _lever(row, findings))
    if findings.retried.calls and all(row.value != "retry" for row in findings.levers):
        grid.add_row("  retry", _usd(0), _retried(findings))
    added = findings.added
    waits = any(row.value == "pack" for row in findings.levers)
    late = f"median, {_ms(added.p95_ms)} at p95{' (tickets wait for company)' if waits else ''}"
    grid.add_row("latency added", _ms(added.p50_ms), late)
    grid.add_row("answered in", _ms(findings.times.hit_p50_ms), _answered(findings))
    return grid


def _share(row: ReportRow) -> str:
    share = row.saved_share
    return "" if share is None else f"{share:.1%} of what it would have cost"


def _lever(row: ReportRow, findings: Findings) -> str:
    if row.value == "retry":
        return _retried(findings)
    if row.value == "pack":
        return f"{row.calls:,} short calls asked several to a prompt"
    if row.value == "prefix_cache":
        return f"{row.calls:,} prompts marked for the provider's own cache"
    share = row.hits / findings.total.calls if findings.total.calls else 0.0
    if row.value == "coalesce":
        return f"{row.hits:,} calls ({share:.1%}) shared an answer in the air"
    return f"{row.hits:,} repeated calls ({share:.1%}) answered from memory"


def _retried(findings: Findings) -> str:
    met = ", ".join(f"{status}: {count}" for status, count in findings.retried.statuses)
    calls = findings.retried.calls
    who = f"{calls:,} call{'' if calls == 1 else 's'}"
    return f"{who} met a busy provider ({met}) and still succeeded"


def _answered(findings: Findings) -> str:
    times = findings.times
    first = times.upstream_ttft_p50_ms
    token = "" if first is None else f" (first token {_ms(first)})"
    return f"from memory, {_ms(times.upstream_p50_ms)}{token} by the provider; medians"


def _failures(findings: Findings) -> str:
    """Reasons and how often, and what the gateway's log says: its file may be gone by then."""
    played = findings.played
    found = Counter(played.failures).most_common()
    lines = [f"{count:,} × {why}" for why, count in found[:_FAILURES_SHOWN]]  # noqa: RUF001 - times
    if len(found) > _FAILURES_SHOWN:
        lines.append(f"and {len(found) - _FAILURES_SHOWN} other reasons")
    if played.gateway_log:
        lines.append(f"the gateway's log: {played.gateway_log}")
    return "\n".join(lines)


def _table(findings: Findings) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("model", no_wrap=True)
    names = ("calls", "hit %", "in", "out", "spend", "without", "saved")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    _add(table, ((row.value, row) for row in findings.models))
    table.add_row()
    table.add_row(*("application", *names), style="dim")
    _add(table, ((_APPLICATIONS.get(row.value, row.value), row) for row in findings.actors))
    return table


def _add(table: Table, rows: Iterable[tuple[str, ReportRow]]) -> None:
    for name, row in rows:
        table.add_row(
            name,
            f"{row.calls:,}",
            f"{row.hit_rate:.0%}",
            f"{row.input_tokens:,}",
            f"{row.output_tokens:,}",
            _usd(row.cost_nanousd),
            _usd(row.baseline_nanousd),
            _usd(row.saved_nanousd),
        )


def _bill(findings: Findings) -> Table:
    ours, theirs = findings.total.cost_nanousd, findings.provider_nanousd
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column()
    grid.add_row("Scrimp's ledger", _exact(ours), "")
    grid.add_row("the provider's bill", _exact(theirs), _verdict(findings))
    if findings.broken is not None:
        grid.add_row(
            "a stream cut on purpose",
            _exact(findings.broken.provider_nanousd),
            _cut(findings.broken),
        )
    if findings.guarded is not None:
        _add_guarded(grid, findings.guarded)
    if findings.routed is not None:
        _add_routed(grid, findings.routed)
    return grid


def _add_guarded(grid: Table, guarded: Guarded) -> None:
    style = "green" if guarded.good else "bold red"
    sent = "before it was sent" if not guarded.refused_billed_nanousd else "but it was BILLED"
    needs = f"it may cost up to ${guarded.needed_usd}"
    grid.add_row("over a hard budget", "refused", Text(f"{sent}: {needs}", style))
    saved = f"in the place of {ASKED}, saved {_exact(guarded.saved_nanousd)}"
    by = guarded.answered_by if guarded.rung else "NOT degraded"
    grid.add_row("over a soft budget", by, Text(saved, style))


def _add_routed(grid: Table, routed: Routed) -> None:
    style = "green" if routed.good else "bold red"
    saved = f"an easy question, saved {_exact(routed.easy_saved_nanousd)}; a hard one: "
    grid.add_row("scrimp/auto chose", routed.easy_by, Text(f"{saved}{routed.hard_by}", style))
    instead = f"{routed.instead_by} answered in the place of {DEAR}"
    grid.add_row("a provider that is down", "fallback", Text(instead, style))


def _cut(broken: Broken) -> Text:
    if broken.low_nanousd is None or broken.high_nanousd is None:
        return Text("billed, and the ledger has no bounds for it", "bold red")
    low, high = _exact(broken.low_nanousd), _exact(broken.high_nanousd)
    where = "between" if broken.inside else "NOT between"
    return Text(
        f"no usage came: booked {where} {low} and {high}", "green" if broken.inside else "bold red"
    )


def _verdict(findings: Findings) -> Text:
    if findings.bills_equal:
        return Text("equal to the nano-dollar", "bold green")
    if findings.total.unpriced_calls:
        return Text(f"{findings.total.unpriced_calls:,} calls could not be priced", "bold red")
    apart = findings.difference_nanousd
    if not apart:
        return Text("equal, but some amounts in the ledger are estimates", "bold red")
    more = "more" if apart > 0 else "less"
    return Text(f"NOT EQUAL: the ledger says {_exact(abs(apart))} {more}", "bold red")


def where_next(stage: Stage | None, hit_id: str, *, command: str = "scrimp") -> list[str | Text]:
    """What to do now, a line each: with a stage that stays up, what to paste; else how to begin.

    Not to be wrapped, so that it can be pasted.
    """
    steps = _begin(command) if stage is None else _stay(stage, hit_id or "last", command)
    width = max(len(why) for why, _ in steps)
    lines = [Text.assemble((f" {why:<{width}}", "dim"), f"  {step}") for why, step in steps]
    return ["", Text(" Where to look next", "bold"), *lines]


def _begin(command: str) -> tuple[tuple[str, str], ...]:
    return (
        ("play with these two servers", f"{command} demo --keep"),
        ("settings for your own providers", f"{command} init"),
        ("the gateway, and what to paste", f"{command} serve"),
        ("how each lever decides", "docs/levers/ in the repository"),
    )


def _stay(stage: Stage, call_id: str, command: str) -> tuple[tuple[str, str], ...]:
    return (
        ("an OpenAI client, any key", f"export OPENAI_BASE_URL={stage.gateway_url}/v1"),
        ("an Anthropic client, any key", f"export ANTHROPIC_BASE_URL={stage.gateway_url}"),
        ("the settings of these two", f"export SCRIMP_CONFIG={shlex.quote(str(stage.config))}"),
        ("the day again, by tag", f"{command} report --by tag"),
        ("an answer from memory", f"{command} explain {call_id}"),
        ("end both; the folder stays", "Ctrl-C"),
    )


def _indented(content: RenderableType) -> Padding:
    return Padding(content, (0, 0, 0, 1), expand=False)


def _usd(nanousd: int) -> str:
    return format_usd(nanousd, places=4)


def _exact(nanousd: int) -> str:
    """All nine decimals, so that two amounts stand under each other."""
    dollars, _, rest = format_usd(nanousd).partition(".")
    return f"{dollars}.{rest:0<9}"


def _ms(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "–"  # noqa: RUF001 - a dash for what there is none of
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:,.0f} ms"
