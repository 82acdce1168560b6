"""The words of advice: what was added up over calls, and a saving that was missed. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal

from scrimp.values import Value

Repeat = Literal["", "exact", "in_air", "later", "stamped", "loose"]
"""A call that was answered before, and how: word for word in time, while the first was in the air,
word for word but too late, but for stamps, but for white space and case."""

Effort = Literal["a setting", "a setting and a look", "a change in the client"]
DAY_US: Final = 86_400_000_000
MONTH_DAYS: Final = 30
LEAST_CALLS: Final = 30
"""Nothing is advised from less."""


class Cell(Value, frozen=True):
    """Paid calls that are alike in all that advice asks of them, added up. Money in nano-dollars.

    `system` numbers a group of calls with the same beginning, 0 for those of none that is listed.
    """

    provider: str
    model: str
    task: str
    key: str
    stream: bool
    capped: bool
    own_marks: bool
    repeat: Repeat
    system: int
    calls: int
    cost: int
    fresh: int
    read: int
    write: int
    output: int
    body_bytes: int
    result_bytes: int

    @property
    def input(self) -> int:
        """All tokens that went in."""
        return self.fresh + self.read + self.write


class System(Value, frozen=True):
    """Calls of one model that begin alike but for stamps: tokens of that beginning, added up.

    `forms` are its spellings (more than one: stamps in it). `same` would have been read from a
    prefix cache that keeps a beginning for five minutes as it was sent, `alike` if stamps had not
    been in it; both in tokens, as is `was_read`, what the provider did read, at most `tokens`.
    `example` is a call of it.
    """

    number: int
    provider: str
    model: str
    forms: int
    calls: int
    cost: int
    tokens: int
    was_read: int
    same: int
    alike: int
    own_marks: bool
    example: str
    digest: int


class Outputs(Value, frozen=True):
    """Outputs of calls without a cap: the 99th percentile, and what went beyond it, in tokens."""

    provider: str
    model: str
    task: str
    calls: int
    p99: int
    largest: int
    beyond: int


class Hours(Value, frozen=True):
    """Calls of a key to a model that nobody watched (no stream), by hour of day in UTC."""

    key: str
    provider: str
    model: str
    calls: tuple[int, ...]
    cost: tuple[int, ...]
    days: int


class Rates(Value, frozen=True):
    """Pico-dollars a token, and for one in the batch API; None where a price is not known.

    `write` is None where the provider caches by itself and bills writes as input. `least` tokens
    are kept from on.
    """

    input: int
    output: int
    read: int | None = None
    write: int | None = None
    batch_input: int | None = None
    batch_output: int | None = None
    least: int = 1024


class Setup(Value, frozen=True):
    """What the settings say now, as far as advice depends on it."""

    exact: bool = True
    engine: str = "memory"
    workers: int = 1
    coalesce: bool = True
    ttl_s: Mapping[str, int] = {}
    ignored: tuple[str, ...] = ()
    prefix: bool = False
    prefix_providers: tuple[str, ...] = ()
    compact: bool = False
    route: bool = False
    clamp: bool = False
    defer: bool = False
    deferred: tuple[str, ...] = ()
    cheaper: Mapping[str, str] = {}


class Facts(Value, frozen=True):
    """All that was added up, from `first_us` to `last_us` (microseconds since 1970).

    `calls` and `cost` are of all paid calls, `known` of those with traits, so that repeats and
    beginnings could be looked for. `longer` is what would have been answered if answers lived
    longer: by task and seconds, calls and cost. `breakers` are what the prefix cache lever saw
    break, with calls and what they lost.
    """

    first_us: int
    last_us: int
    calls: int
    cost: int
    known: int
    cells: tuple[Cell, ...] = ()
    systems: tuple[System, ...] = ()
    outputs: tuple[Outputs, ...] = ()
    hours: tuple[Hours, ...] = ()
    longer: Mapping[tuple[str, int], tuple[int, int]] = {}
    breakers: tuple[tuple[str, int, int], ...] = ()

    @property
    def days(self) -> float:
        """The time that was looked at."""
        return (self.last_us - self.first_us) / DAY_US


RatesOf = Callable[[str, str], Rates | None]
"""Prices of a provider's model."""


class Finding(Value, frozen=True):
    """A missed saving of the time that was looked at: nano-dollars, between `low` and `high`.

    `toml` is to be pasted into scrimp.toml, empty where no setting does it; `todo` says what to do
    in words. `cells` are numbers of cells with their part of it, so that what overlaps is seen.
    """

    kind: str
    title: str
    why: str
    risk: str
    toml: str = ""
    todo: str = ""
    effort: Effort = "a setting"
    nanousd: int = 0
    low: int = 0
    high: int = 0
    calls: int = 0
    cells: tuple[tuple[int, int], ...] = ()


def per_month(nanousd: int, facts: Facts) -> int:
    """What it would be in 30 days. Less than a day counts as one: an hour is no month."""
    return nanousd * MONTH_DAYS * DAY_US // max(facts.last_us - facts.first_us, DAY_US)


def picked(
    facts: Facts, wanted: Callable[[Cell], bool], worth: Callable[[Cell], int]
) -> tuple[tuple[int, int], ...]:
    """Numbers of the cells that are wanted with what each is worth, nothing below a nano-dollar."""
    return tuple(
        [
            (number, part)
            for number, cell in enumerate(facts.cells)
            if wanted(cell) and (part := min(worth(cell), cell.cost)) > 0
        ]
    )
