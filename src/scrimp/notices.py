"""Words and ports of alerts: what is told, to whom, and what became of it. Nothing here does I/O.

Amounts are integers: nano-dollars, tokens or calls. Times are aware UTC.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Literal, Protocol

from scrimp.values import Value

AlertKind = Literal[
    "budget", "refused", "forecast", "tag_spend", "hit_rate", "unpriced", "tier", "loop", "test"
]
"""budget: so much of a limit is used · refused: a hard limit turned a call away · forecast: a limit
will be used up before its window ends · tag_spend: a tag spends more than it used to · hit_rate:
fewer calls are answered from memory · unpriced: a model without a price was paid for · tier: a
dearer service tier was billed than was asked · loop: the same call again and again."""

Severity = Literal["info", "warning", "critical"]
DeliveryState = Literal["waiting", "delivered", "given_up", "held_back"]
"""held_back: too many of its kind within an hour; it is listed and not sent."""

Fact = str | int | float


class Alert(Value, frozen=True):
    """One thing that somebody should know, in words and in numbers.

    Two alerts with one `topic` are the same: the first is told, the other is not. With `again` that
    holds until `until`, else for ever (`until` then says when the topic may be forgotten; None:
    never). `covers` are topics that need not be told after this one.
    """

    id: str
    kind: AlertKind
    severity: Severity
    at: datetime
    topic: str
    title: str
    text: str
    facts: tuple[tuple[str, Fact], ...] = ()
    until: datetime | None = None
    again: bool = False
    covers: tuple[str, ...] = ()


OnAlert = Callable[[Alert], Awaitable[None] | None]
"""A program's own function, sync or async."""


class Sent(Value, frozen=True):
    """What became of one try to deliver: `said` is why not, `wait_s` how long to wait at least."""

    ok: bool
    said: str = ""
    wait_s: float = 0.0


class Notifier(Protocol):
    """One way to reach somebody. Its name is known to the outbox: it never changes."""

    @property
    def name(self) -> str:
        """`webhook`, `slack`, `email`, `callback`."""
        ...

    async def send(self, alert: Alert) -> Sent:
        """Try once, in bounded time. What goes wrong is said, without secrets, and not raised."""
        ...


class Due(Value, frozen=True):
    """A delivery that a worker has taken on. `tries` were made before."""

    alert: Alert
    notifier: str
    tries: int


class Delivery(Value, frozen=True):
    """How one delivery stands. `next_at` is for those that wait, `at` is the last try's time."""

    notifier: str
    state: DeliveryState
    tries: int = 0
    at: datetime | None = None
    next_at: datetime | None = None
    said: str = ""


class Told(Value, frozen=True):
    """An alert with its deliveries."""

    alert: Alert
    deliveries: tuple[Delivery, ...]


class AlertBox(Protocol):
    """The outbox that all processes share. Blocks: call it in a thread. Raises StoreError.

    What it has taken survives a restart. Each notifier is told of a topic once, each delivery is
    given to one worker at a time.
    """

    def offer(self, alerts: Sequence[Alert], notifiers: Sequence[str]) -> int:
        """Keep what is new to one of these notifiers, for those; how many alerts that is."""
        ...

    def claim(self, notifier: str, owner: str, *, lease_s: float) -> Due | None:
        """The delivery that is due longest; until its lease ends nobody else gets it."""
        ...

    def settle(self, due: Due, owner: str, sent: Sent, *, retry_at: datetime | None) -> None:
        """How a try ended. Without `retry_at` a failed one is given up."""
        ...

    def next_due(self, notifier: str) -> datetime | None:
        """When there is something to deliver again; None where nothing waits."""
        ...

    def turn(self, topic: str, *, every_s: float) -> bool:
        """True for one of all who ask, each `every_s`."""
        ...

    def recent(self, limit: int) -> tuple[Told, ...]:
        """The newest first; none where there is no file."""
        ...
