"""Words and ports of calls that wait: jobs, the batches that they travel in, where both are kept.

A job is one call that its client need not have at once. Its state is written down before each step
that costs money, so that whoever takes over after a crash knows what may have been paid.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar, Literal, Protocol

from scrimp.calls import Attempt, Caller, Headers, Target, Task, TraceLine
from scrimp.choosing import NO_WISH, Wish
from scrimp.remembered import CacheControl
from scrimp.values import Value

JobState = Literal["waiting", "batched", "single", "asking", "done", "failed", "cancelled"]
"""waiting: for a batch to be filled · batched: in one · single: to be asked alone · asking: that
is being done · done: its answer is here · failed: it will have none · cancelled."""
OVER: tuple[JobState, ...] = ("done", "failed", "cancelled")
BatchState = Literal["forming", "sending", "sent", "over"]
"""forming: nothing that costs was sent · sending: it was, or is about to be, and nobody answered ·
sent: the provider has it · over: all of its jobs went on."""
Why = Literal["", "refused", "expired", "revoked", "interrupted", "unsendable"]
"""refused: the provider, or a budget, said no · expired: its time was over · revoked: its key holds
no more · interrupted: nobody knows whether it was answered · unsendable: no way to ask it."""


AS_SET = "settings"
"""In the place of an address: the one that the settings name."""


class Job(Value, frozen=True):
    """One call that waits, as its own client may see it.

    `lane` is what calls of one batch have in common. `ref` is the client's own name for it.
    `tries` counts batches that brought no answer. Costs are None until it is `booked`, and where
    nobody knows them; `told_at` is until a webhook took the news.
    """

    id: str
    tenant: str
    key: str
    lane: str
    provider: str
    model: str
    dialect: str
    at: datetime
    until: datetime
    state: JobState = "waiting"
    ref: str = ""
    batch: str = ""
    tries: int = 0
    status: int = 0
    why: Why = ""
    error: str = ""
    ended_at: datetime | None = None
    cost_nanousd: int | None = None
    saved_nanousd: int | None = None
    told_at: datetime | None = None
    booked: bool = False


class Deferred(Value, frozen=True):
    """What is kept of the call behind a job, so that it can be asked, and booked, later.

    `asked` and `sent` are the body as it came and as levers left it, `target` where it was headed,
    `to` where it goes. `lines` and `attempts` are its trace so far. `tell` is as in `Wait`.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"headers", "asked", "sent", "tell"})

    operation: Literal["chat", "embeddings"]
    path: str
    headers: Headers
    caller: Caller
    task: Task
    cache: CacheControl
    target: Target
    to: Target
    asked: bytes
    sent: bytes
    lines: tuple[TraceLine, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    over_soft: bool = False
    wish: Wish = NO_WISH
    tell: str = ""


class Outcome(Value, frozen=True):
    """How a job ended. `attempt` is the one that ended it, `body` the provider's reply or error.

    `booked` where it is in the ledger already.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"body"})

    state: JobState
    status: int = 0
    body: bytes = b""
    attempt: Attempt | None = None
    why: Why = ""
    error: str = ""
    booked: bool = False


class Ended(Value, frozen=True):
    """A job that ended, with all that is needed to book it."""

    job: Job
    deferred: Deferred
    outcome: Outcome


class Booking(Value, frozen=True):
    """What a job came to. None: unknown."""

    id: str
    cost_nanousd: int | None
    saved_nanousd: int | None


class Lane(Value, frozen=True):
    """What calls of one batch have in common: endpoint, model, and headers that change answers."""

    provider: str
    dialect: str
    path: str
    model: str
    headers: Headers = ()


class Batch(Value, frozen=True):
    """One batch. `remote` is the provider's id for it, `file` that of what was uploaded for it.

    `misses` counts looks at it that failed in a row.
    """

    id: str
    lane: Lane
    state: BatchState
    items: int
    made_at: datetime
    sent_at: datetime | None = None
    remote: str = ""
    file: str = ""
    misses: int = 0
    recalled: bool = False


class Gathering(Value, frozen=True):
    """When waiting jobs of a lane make a batch, and how large it becomes.

    It is full, or its oldest job waits since `older_than`, or one must be answered by `due_by`.
    """

    older_than: datetime
    due_by: datetime
    most_items: int
    most_bytes: int


class Standing(Value, frozen=True):
    """How all jobs stand. `oldest_at` is when the oldest came that is not over.

    `overdue` are not over though their time is. `untold` are over and their webhook does not know.
    """

    counts: dict[JobState, int]
    oldest_at: datetime | None = None
    overdue: int = 0
    untold: int = 0


class News(Value, frozen=True):
    """The end of a job, to be told to `address` (or `AS_SET`). `tries` counts this try, too."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"address"})

    job: Job
    address: str
    tries: int


class JobNews(Protocol):
    """Ends of jobs that webhooks wait for. Raises StoreError. May be asked from any thread."""

    def take(self, *, lease_s: float, each: int) -> Sequence[News]:
        """What is due, at most `each` of an address; nobody else gets it while the lease lasts."""
        ...

    def told(self, news: Sequence[News]) -> None:
        """They were delivered."""
        ...

    def later(self, news: Sequence[tuple[News, datetime | None]]) -> None:
        """They were not: they are due again then, or (None) never."""
        ...

    def given_up(self, *, limit: int) -> Sequence[Job]:
        """Jobs whose end nobody took, and nobody is told of any more; newest first."""
        ...


class JobDesk(Protocol):
    """Jobs as clients know them. Raises StoreError. May be asked from any thread."""

    def check(self) -> None:
        """Raises StoreError when there is a file that is none of ours, or damaged."""
        ...

    def put(self, jobs: Sequence[tuple[Job, Deferred]]) -> Sequence[Job]:
        """Keep them; all are on the disk when it returns.

        In the place of one whose tenant has a job with that `ref` already comes that job.
        """
        ...

    def find(self, job_id: str, tenant: str | None) -> Job | None:
        """One job; None, too, where it is another tenant's. Tenant None is the operator."""
        ...

    def named(self, tenant: str, refs: Sequence[str]) -> Sequence[Job]:
        """The jobs of a tenant with these names of its own; of a name without one there is none."""
        ...

    def outcome(self, job_id: str) -> Outcome | None:
        """How it ended; None while it has not."""
        ...

    def jobs(
        self, tenant: str | None, *, states: Sequence[JobState] = (), after: str = "", limit: int
    ) -> Sequence[Job]:
        """Newest first; `after` is the last id of the page before."""
        ...

    def cancel(self, job_id: str) -> bool:
        """Call it off while nothing was sent that may be paid. False when it is too late."""
        ...

    def counts(self) -> dict[JobState, int]:
        """How many jobs are in each state."""
        ...

    def standing(self) -> Standing:
        """How all of them stand now."""
        ...


class BatchWork(Protocol):
    """Batches as the one worker knows them who leads. Raises StoreError."""

    def lead(self, owner: str, *, lease_s: float) -> bool:
        """True for one owner at a time: who leads, leads on until the lease ends."""
        ...

    def gather(self, rule: Gathering, new_id: Iterable[str]) -> int:
        """Put waiting jobs into new batches; how many batches that made."""
        ...

    def batches(self) -> Sequence[Batch]:
        """Those that are not over, oldest first."""
        ...

    def lines(self, batch_id: str) -> Sequence[tuple[Job, bytes]]:
        """What a batch still holds: jobs and the bodies to send, in one order always."""
        ...

    def move(self, before: Batch, after: Batch) -> bool:
        """Change a batch, if it still is as it was before."""
        ...

    def remotes(self) -> frozenset[str]:
        """The provider's ids of all batches that were ever known here."""
        ...


class JobWork(Protocol):
    """Jobs as the one worker knows them who leads. Raises StoreError."""

    def finish(self, ends: Sequence[tuple[str, Outcome]], batch_id: str = "") -> int:
        """End jobs; how many had not ended before. With `batch_id` those of that batch only."""
        ...

    def go_on(self, job_ids: Sequence[str], state: JobState, *, tried: bool) -> None:
        """Take jobs out of their batch into another state."""
        ...

    def waiting(self, *, until: datetime, limit: int) -> Sequence[Job]:
        """Jobs not in a batch, nor being asked, that must be answered by then."""
        ...

    def take(self, job_id: str) -> Deferred | None:
        """Begin to ask a `single` job. None when it is not there to be taken."""
        ...

    def in_state(self, state: JobState, *, limit: int) -> Sequence[Job]:
        """The oldest jobs in a state."""
        ...

    def unbooked(self, *, limit: int) -> Sequence[Ended]:
        """Ended jobs that are not in the ledger yet."""
        ...

    def booked(self, bookings: Sequence[Booking]) -> None:
        """They are now. What was said in the calls is forgotten, the answers are kept."""
        ...

    def tidy(self, *, ended_before: datetime) -> int:
        """Forget jobs that ended before, with their answers; how many."""
        ...
