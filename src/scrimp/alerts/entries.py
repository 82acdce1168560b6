"""What one ledger entry tells: a model without a price, a tier that was upgraded, a loop. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from scrimp.alerts.rules import alert_of, amount, plain
from scrimp.calls import NEVER_BILLED, TraceLine
from scrimp.notices import Alert
from scrimp.ports import Entry

WATCH = "watch"
LOOP, REFUSED, UPGRADED = "loop", "refused", "upgraded"
"""The watch lever and its verdicts."""

_READ = ("chat", "embeddings")
_WEEK, _DAY, _HOUR = timedelta(days=7), timedelta(days=1), timedelta(hours=1)


def of_entry(entry: Entry, now: datetime) -> Iterator[Alert]:
    """What is to be told of one call."""
    if entry.cost_basis in ("unknown", "assumed") and entry.operation in _READ:
        yield from _unpriced(entry, now)
    for line in entry.trace:
        if line.lever != WATCH:
            continue
        if line.verdict == UPGRADED:
            yield _upgraded(entry, line, now)
        elif line.verdict in (LOOP, REFUSED):
            yield _loop(entry, line, now)


def _unpriced(entry: Entry, now: datetime) -> Iterator[Alert]:
    """Only what a provider may have billed: a refused name of a model costs nothing."""
    for attempt in entry.attempts:
        basis = attempt.cost.basis
        if basis not in ("unknown", "assumed") or attempt.outcome in NEVER_BILLED:
            continue
        target = attempt.target
        name = f"{target.provider}/{target.model}"
        booked = "its cost is booked as unknown"
        if basis == "assumed":
            booked = "it is booked at the price that [unpriced] assumes"
        yield alert_of(
            "unpriced",
            "warning",
            now,
            name,
            f"no price is known for {plain(name)}",
            text=(
                f"Model {plain(name)} answered and has no price: {booked}, and no budget in "
                f'dollars counts what it really costs. State one: [prices."{plain(name)}"] in '
                "scrimp.toml, or scrimp prices update."
            ),
            facts=(
                *(("scope", f"model:{name}"), ("call", entry.id), ("provider", target.provider)),
                ("model", target.model),
            ),
            until=now + _WEEK,
            again=True,
        )


def _upgraded(entry: Entry, line: TraceLine, now: datetime) -> Alert:
    numbers = dict(line.numbers)
    asked, billed = plain(str(numbers.get("asked", ""))), plain(str(numbers.get("billed", "")))
    name = f"{entry.provider}/{entry.model}"
    cost = entry.cost_nanousd
    paid = "" if cost is None else f" This call cost {amount('usd', cost)}."
    return alert_of(
        "tier",
        "warning",
        now,
        f"{name}|{asked}|{billed}",
        f"{plain(name)} was billed in the {billed} tier",
        text=(
            f"A call to {plain(name)} asked for tier '{asked or 'default'}' and was billed as "
            f"'{billed}', which is dearer.{paid} Look at the project's settings at the provider, "
            f"or ask for the tier by name. Told once a day."
        ),
        facts=(
            *(("scope", f"model:{name}"), ("window", "day"), ("call", entry.id)),
            *(("asked", asked), ("billed", billed), ("unit", "nanousd"), ("spent", cost or 0)),
        ),
        until=now + _DAY,
        again=True,
    )


def _loop(entry: Entry, line: TraceLine, now: datetime) -> Alert:
    numbers = dict(line.numbers)
    times, within_s = int(numbers.get("times", 0)), float(numbers.get("within_s", 0))
    key = f"key:{entry.key}" if entry.key else "callers without a key"
    who = f"{key}, session {entry.session}" if entry.session else key
    refused = line.verdict == REFUSED
    done = "Further ones are refused." if refused else "They go on ([alerts.loop] can refuse them)."
    return alert_of(
        "loop",
        "critical" if refused else "warning",
        now,
        f"{entry.tenant}|{entry.key}|{entry.session}",
        f"the same call again and again ({plain(who)})",
        text=(
            f"{plain(who)}: the same call to {plain(entry.model_requested)} came {times} times "
            f"within {within_s:g} s. {done}"
        ),
        facts=(
            *(("scope", who), ("window", f"{within_s:g} s"), ("times", times)),
            *(("model", entry.model_requested), ("call", entry.id), ("refused", int(refused))),
        ),
        until=now + max(_HOUR, timedelta(seconds=within_s)),
        again=True,
    )
