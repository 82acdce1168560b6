"""How long answers were, from the ledger: by task, provider, model and preset. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from scrimp.calls import Usage
from scrimp.clamping.limits import rounded
from scrimp.clamping.outputs import Key, Lengths, Outputs
from scrimp.ledger.steps import served_of
from scrimp.ports import Entry

_CLAMP = "clamp_output"


def lengths_of(entries: Iterable[Entry], tenant: str = "") -> dict[Key, Lengths]:
    """Of whole answers that a provider gave; the task with the most of them first.

    That an answer was cut is known where `[clamp_output]` was on: such a one counts as longer than
    all others. Tenants are taken together, or one alone.
    """
    found: dict[Key, Lengths] = {}
    for entry in entries:
        if (usage := _used(entry)) is None or (tenant and entry.tenant != tenant):
            continue
        brief, cut = _told(entry)
        key = Key(tenant, entry.task, entry.provider, entry.model, "", brief)
        lengths = found.setdefault(key, Lengths())
        lengths.add(usage.total_output_tokens, usage.reasoning_tokens, cut=cut)
    return dict(sorted(found.items(), key=lambda pair: -pair[1].calls))


def teach(outputs: Outputs, entries: Iterable[Entry]) -> int:
    """Add what is known of each tenant's answers; how many there were.

    Those with thoughts are left out: how much of them was asked for is not in the ledger.
    """
    taught = 0
    for entry in entries:
        usage = _used(entry)
        if usage is None or usage.reasoning_tokens:
            continue
        brief, cut = _told(entry)
        key = Key(entry.tenant, entry.task, entry.provider, entry.model, "", brief)
        outputs.take(key).add(usage.total_output_tokens, cut=cut)
        taught += 1
    return taught


def _used(entry: Entry) -> Usage | None:
    """What an answer took; None of what is no whole answer of a provider's to a client's chat."""
    if entry.operation != "chat" or entry.outcome != "ok" or entry.served_by != "upstream":
        return None
    served = served_of(entry.attempts, entry.trace) if entry.purpose == "client" else None
    return None if served is None else served.usage


def _told(entry: Entry) -> tuple[str, bool]:
    """The preset that was asked for, and whether the answer stayed cut."""
    brief, cut = "", False
    for line in entry.trace:
        if line.lever != _CLAMP:
            continue
        numbers = dict(line.numbers)
        if line.verdict == "brief":
            brief = str(numbers.get("brief", ""))
        elif line.verdict == "truncated":
            cut = True
        elif line.verdict in ("continued", "asked_again"):
            cut = False
    return brief, cut


def advised(lengths: Lengths, headroom: int = 25) -> int | None:
    """The limit that would do; None where too few are known, or too many were cut."""
    bound = lengths.bound()
    return None if bound is None else rounded(bound * (100 + headroom) // 100)
