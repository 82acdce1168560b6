"""The circuit breaker's state machine: what becomes of an upstream by what happens. Pure.

closed → open when too many of enough attempts failed → half_open with the first probe → closed
after enough good probes in a row, or open again, longer. What opens soon after it closed is open
for longer each time, and nothing that was counted before it opened counts afterwards: so an
upstream that flaps is tried less and less, and one good answer never brings all calls back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from scrimp.health import WELL, Circuit, Health, Healths, Tally
from scrimp.values import Value

_SLOTS = 6
"""In how many pieces the window moves on."""
_MOST_GROWN = 64


class Rules(Value, frozen=True):
    """When a circuit opens, for how long, and when it closes; as `routing.fallback_tables` has it.

    `probe_s` is how long a probe may take before another one may begin: its process may have ended.
    """

    failure_rate: float = 0.5
    least_calls: int = 10
    window_s: float = 60.0
    open_s: float = 5.0
    growth: float = 2.0
    longest_open_s: float = 300.0
    probes: int = 3
    probe_s: float = 60.0

    @property
    def slot_s(self) -> int:
        """How long attempts are counted together."""
        return max(1, int(self.window_s / _SLOTS))


class Ended(Value, frozen=True):
    """A probe that has ended: whether the upstream failed; None when nobody can tell."""

    upstream: str
    prober: str
    failed: bool | None


class Seen(Value, frozen=True):
    """What one process has seen and not yet told. `not_before_s` is what providers asked for."""

    tallies: Mapping[str, Sequence[Tally]] = {}
    ended: Sequence[Ended] = ()
    not_before_s: Mapping[str, float] = {}


def look(health: Health, now_s: float, rules: Rules) -> Circuit:
    """What a call meets now: `half_open` where one may probe that says so first.

    A time further away than any that is ever set is a clock's that was put back: it is over.
    """
    match health.circuit:
        case "closed":
            return "closed"
        case "open":
            until_s = max(health.until_s, health.not_before_s)
            return "open" if _ahead(until_s, now_s, rules.longest_open_s) else "half_open"
        case _:
            probing = health.prober and _ahead(health.probe_until_s, now_s, rules.probe_s)
            return "open" if probing else "half_open"


def _ahead(until_s: float, now_s: float, most_s: float) -> bool:
    return now_s < until_s <= now_s + most_s + 1.0


def after(known: Healths, seen: Seen, now_s: float, rules: Rules) -> Healths:
    """All that is known after this, too, without what says nothing any more."""
    new = dict(known)
    for upstream, asked_s in seen.not_before_s.items():
        health, until_s = new.get(upstream, WELL), min(asked_s, now_s + rules.longest_open_s)
        if until_s > health.not_before_s:
            new[upstream] = replace(health, not_before_s=until_s)
    for upstream, tallies in seen.tallies.items():
        new[upstream] = counted(new.get(upstream, WELL), tallies, now_s, rules)
    for one in seen.ended:
        if (found := new.get(one.upstream)) is not None:
            new[one.upstream] = probed(found, one, now_s, rules)
    return {
        upstream: health
        for upstream, health in new.items()
        if health.circuit != "closed" or _says_something(health, now_s, rules)
    }


def counted(health: Health, tallies: Iterable[Tally], now_s: float, rules: Rules) -> Health:
    """After these attempts; they count only where the circuit is closed."""
    if health.circuit != "closed":
        return health
    seen = _added(health.seen, tallies, now_s, rules)
    calls = sum(one.calls for one in seen)
    failures = sum(one.failures for one in seen)
    if not failures or calls < rules.least_calls or failures < calls * rules.failure_rate:
        return replace(health, seen=seen)
    recent = _ahead(health.closed_s + rules.longest_open_s, now_s, rules.longest_open_s)
    return opened(health, now_s, rules, openings=health.openings + 1 if recent else 1)


def opened(health: Health, now_s: float, rules: Rules, *, openings: int) -> Health:
    """The circuit opens, the `openings`-th time without having been well in between."""
    length_s = rules.open_s * rules.growth ** min(openings - 1, _MOST_GROWN)
    return Health(
        circuit="open",
        until_s=now_s + min(length_s, rules.longest_open_s),
        not_before_s=health.not_before_s,
        openings=openings,
        closed_s=health.closed_s,
    )


def claimed(
    known: Healths, upstreams: Sequence[str], prober: str, now_s: float, rules: Rules
) -> Healths:
    """A call probes all of these, or none where one of them does not let it."""
    found = [(upstream, known.get(upstream, WELL)) for upstream in upstreams]
    if any(look(health, now_s, rules) == "open" for _, health in found):
        return known
    probing = {
        upstream: replace(
            health, circuit="half_open", prober=prober, probe_until_s=now_s + rules.probe_s
        )
        for upstream, health in found
        if health.circuit != "closed"
    }
    return {**known, **probing}


def probed(health: Health, ended: Ended, now_s: float, rules: Rules) -> Health:
    """After a probe; one that is not waited for any more changes nothing."""
    if health.circuit != "half_open" or health.prober != ended.prober:
        return health
    if ended.failed:
        return opened(health, now_s, rules, openings=health.openings + 1)
    passed = health.passed if ended.failed is None else health.passed + 1
    if passed < rules.probes:
        return replace(health, prober="", probe_until_s=0.0, passed=passed)
    return Health(openings=health.openings, closed_s=now_s)


def troubled(known: Healths) -> bool:
    """True where a failure is known: then what goes well matters to all, too."""
    return any(
        health.circuit != "closed" or any(one.failures for one in health.seen)
        for health in known.values()
    )


def _added(
    seen: Iterable[Tally], more: Iterable[Tally], now_s: float, rules: Rules
) -> tuple[Tally, ...]:
    """Both, by slot, as far as they are within the window."""
    sums: dict[int, tuple[int, int]] = {}
    for one in (*seen, *more):
        if now_s - rules.window_s - rules.slot_s < one.at_s <= now_s + rules.slot_s:
            calls, failures = sums.get(one.at_s, (0, 0))
            sums[one.at_s] = (calls + one.calls, failures + one.failures)
    return tuple([Tally(at_s, *sums[at_s]) for at_s in sorted(sums)])


def _says_something(health: Health, now_s: float, rules: Rules) -> bool:
    """Whether a closed circuit is worth keeping: it failed of late, or was open of late."""
    if health.openings and _ahead(
        health.closed_s + rules.longest_open_s, now_s, rules.longest_open_s
    ):
        return True
    return any(one.failures for one in _added(health.seen, (), now_s, rules))
