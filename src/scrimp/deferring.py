"""How calls that may wait are put together: the lever that puts them off, the work behind jobs."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from msgspec.structs import replace

from scrimp.batches.tables import DeferSection, JobWebhook, seconds_of
from scrimp.budgets.resolve import NO_RULES, CurrentRules
from scrimp.calls import UNKNOWN_COST, Attempt, Call, Reply, ReplyFacts, Target, Trace, Usage
from scrimp.dialects import DIALECTS
from scrimp.errors import PriceUnknown
from scrimp.identity import ControlStore
from scrimp.jobs import AS_SET, BatchWork, JobDesk, JobNews, JobWork
from scrimp.ledger.waited import BATCH, DEFER, FLEX, PROMISED
from scrimp.levers.defer import Defer, DeferMeans, DeferSettings
from scrimp.levers.record import Record
from scrimp.lineup import Means, budget_for
from scrimp.notifiers.job_webhook import JobPosts
from scrimp.pipeline.batch_apis import BatchApi
from scrimp.pipeline.batch_steps import BatchSteps, StepMeans, StepRules
from scrimp.pipeline.chain import chain
from scrimp.pipeline.deferred_books import BookMeans, DeferredBooks, Recording
from scrimp.pipeline.deferring import Deferring, DeferringMeans, DeferringRules
from scrimp.pipeline.open_holds import open_holds, settle_open_holds
from scrimp.pipeline.putting import Putting
from scrimp.pipeline.telling import Telling, TellingMeans, TellingRules
from scrimp.pipeline.validity import Validity
from scrimp.pipeline.watched import WatchedLedger
from scrimp.ports import Clock, Ledger, Lever, Next, Upstream
from scrimp.settings import Loaded, Settings
from scrimp.stores.sqlite_jobs import SqliteJobs, jobs_file
from scrimp.stores.sqlite_jobs_batches import SqliteBatches
from scrimp.stores.sqlite_jobs_news import SqliteJobNews
from scrimp.stores.sqlite_jobs_rows import lane_text
from scrimp.stores.sqlite_jobs_work import SqliteJobWork
from scrimp.traits_reader import reader_of

_HELD_LONGER_S = 7200.0
"""How long after its time a job's hold may still be settled by its answer."""
_MILLION = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
_MOST_PAUSE_S, _LEAST_PAUSE_S = 10.0, 0.02
_MOST_UNTOLD_S = 5.0


@dataclass(frozen=True, slots=True)
class Jobs:
    """The file of jobs, as each of its ports shows it."""

    desk: JobDesk
    batches: BatchWork
    work: JobWork
    news: JobNews


@dataclass(frozen=True, slots=True)
class Around:
    """What else the work on jobs needs of an engine. `levers` are those that are built already."""

    means: Means
    levers: Mapping[str, Lever]
    end: Next
    upstream: Upstream
    control: ControlStore | None


def open_jobs(settings: Settings, clock: Clock) -> Jobs | None:
    """None where calls may not wait, and none is left from when they did."""
    if not settings.defer.enabled and not settings.jobs_path.exists():
        return None
    return jobs_of(settings, clock)


def jobs_of(settings: Settings, clock: Clock) -> Jobs:
    """The file of jobs, for shells that look at it, too. Nothing is opened yet."""
    file = jobs_file(settings.jobs_path)
    return Jobs(
        SqliteJobs(file, clock),
        SqliteBatches(file, clock),
        SqliteJobWork(file, clock),
        SqliteJobNews(file, clock),
    )


def job_posts(loaded: Loaded, clock: Clock) -> JobPosts:
    """Where news of jobs go, as the settings have it."""
    return JobPosts(loaded.settings.defer.webhook, loaded.alert_secrets, clock.now)


def why_untold(loaded: Loaded, clock: Clock) -> str:
    """Why the webhook of the settings cannot be told of jobs; nothing where it can."""
    if loaded.settings.defer.webhook is None:
        return ""
    return job_posts(loaded, clock).why_not(AS_SET)


def telling(
    loaded: Loaded, jobs: Jobs | None, control: ControlStore | None, clock: Clock
) -> Telling | None:
    """What tells webhooks that jobs are over; None where there are no jobs."""
    if jobs is None:
        return None
    section = loaded.settings.defer
    webhook = section.webhook or JobWebhook()
    posts = job_posts(loaded, clock)
    return Telling(
        TellingMeans(
            *(jobs.news, jobs.desk.outcome, posts, clock, random.random),
            _Holds(loaded.settings, control, clock),
        ),
        TellingRules(
            answers=webhook.answers,
            timeout_s=webhook.timeout_s,
            give_up_s=seconds_of(webhook.give_up),
            pause_s=max(min(section.poll_s / 2, _MOST_UNTOLD_S), _LEAST_PAUSE_S),
        ),
    )


def defer_lever(
    settings: Settings, around: Around, jobs: Jobs, kept: Callable[[], None]
) -> Lever | None:
    """What puts calls off; None where it is off, though jobs are still worked on.

    `kept` is told of each job.
    """
    section, means, release = settings.defer, around.means, _release(around.means)
    if not section.enabled:
        return None

    async def promised(call: Call) -> Reply:
        """The end of the way of a call that is put off: its attempt is still to come."""
        at = means.parts.clock.now()
        call.trace.attempts.append(Attempt(call.target, "ok", PROMISED, at, 0.0, cost=UNKNOWN_COST))
        return Reply(PROMISED, (), None, "json", ReplyFacts(), cacheable=False, served_by=DEFER)

    unruled = dataclasses.replace(means, rules=CurrentRules(NO_RULES, None))

    async def held(call: Call, means: Means) -> Reply:
        lever = budget_for(settings, means, held_s=call.wait.seconds + _HELD_LONGER_S)
        return await (chain([lever], promised) if lever is not None else promised)(call)

    async def hold(call: Call) -> Reply:
        """By the rules under an id that any process may settle; in purses, which are this one's."""
        if not call.caller.purses:
            return await held(call, means)
        own = replace(call, id=f"{call.id}/own", trace=Trace())
        await held(own, unruled)
        try:
            return await held(replace(call, caller=replace(call.caller, purses=())), means)
        except BaseException:
            for hold_id in open_holds(own.trace.lines):
                release(hold_id)
            raise

    found = DeferMeans(
        hold=hold,
        release=release,
        keep=Putting(jobs.desk, means.spawn, kept),
        lane_text=lane_text,
        tiers=_Tiers(section, means),
        dialects=dict(DIALECTS),
        clock=means.parts.clock,
    )
    return Defer(found, DeferSettings(seconds_of(section.least), seconds_of(section.flex)))


class _Tiers:
    """Which discounted tiers a target has, and whether they are cheaper today."""

    def __init__(self, section: DeferSection, means: Means) -> None:
        self._providers = frozenset(section.providers)
        self._means = means

    def __call__(self, target: Target) -> frozenset[str]:
        """Of `batch` and `flex`."""
        means = self._means
        if target.provider not in self._providers:
            return frozenset()
        if means.targets.spoken(target.provider, target.dialect) != target.dialect:
            return frozenset()
        plain = self._price(target, "")
        tiers = (BATCH, FLEX) if target.dialect.startswith("openai.") else (BATCH,)
        prices = {tier: self._price(target, tier) for tier in tiers}
        return frozenset(
            tier
            for tier, price in prices.items()
            if plain is not None and price is not None and price < plain
        )

    def _price(self, target: Target, tier: str) -> int | None:
        usage = _MILLION
        if target.dialect == "openai.embeddings":
            usage = Usage(input_tokens=1_000_000)
        try:
            return self._means.priced(usage, target, self._means.parts.clock.now(), tier).nanousd
        except PriceUnknown:
            return None


def deferring(
    settings: Settings, around: Around, jobs: Jobs, new_id: Callable[[], str]
) -> Deferring:
    """The work behind jobs, beside the calls. Ids name batches, and this process."""
    section, means = settings.defer, around.means
    clock = means.parts.clock
    ledger: Ledger = means.parts.ledger
    if means.holds is not None:
        ledger = WatchedLedger(ledger, partial(settle_open_holds, means.holds))
    books = DeferredBooks(
        BookMeans(
            recording=_recording(settings, around, ledger),
            live=chain([around.levers[one] for one in _LIVE if one in around.levers], around.end),
            release=_release(means),
            pricer=means.priced,
            clock=clock,
            dialects=DIALECTS,
        )
    )
    validity = Validity(_Holds(settings, around.control, clock))
    steps = BatchSteps(
        StepMeans(
            batches=jobs.batches,
            jobs=jobs.work,
            api=BatchApi(around.upstream),
            books=books,
            validity=validity,
            clock=clock,
            dice=random.random,
        ),
        StepRules(
            poll_s=section.poll_s,
            alone=timedelta(seconds=section.alone_s),
            lost=timedelta(seconds=section.lost_s),
            least=timedelta(seconds=seconds_of(section.least)),
            tries=section.tries,
        ),
    )
    return Deferring(
        DeferringMeans(
            batches=jobs.batches,
            jobs=jobs.work,
            desk=jobs.desk,
            steps=steps,
            books=books,
            validity=validity,
            ledger=ledger,
            clock=clock,
            owner=new_id(),
            new_id=new_id,
        ),
        _rules(section),
    )


_LIVE = ("retry", "budget")
"""The way of a call that is asked by itself: like the end of the full one, below `defer`."""


def _recording(settings: Settings, around: Around, ledger: Ledger) -> Recording:
    means, keep_content = around.means, settings.ledger.keep_content
    traits_of = reader_of(settings)
    remembers = [around.levers[one] for one in ("exact_cache",) if one in around.levers]

    def recording(clock: Clock, end: Next) -> Next:
        record = Record(
            *(ledger, means.outbox, clock, means.priced),
            keep_content=keep_content,
            traits_of=traits_of,
        )
        return chain([record, *remembers], end)

    return recording


def _rules(section: DeferSection) -> DeferringRules:
    pause_s = min(section.poll_s, section.gather_s, _MOST_PAUSE_S * 2) / 2
    return DeferringRules(
        gather=timedelta(seconds=section.gather_s),
        alone=timedelta(seconds=section.alone_s),
        keep=timedelta(seconds=seconds_of(section.keep)),
        pause_s=max(pause_s, _LEAST_PAUSE_S),
        most_items=section.most_items,
        most_bytes=section.most_bytes,
    )


def _release(means: Means) -> Callable[[str], None]:
    holds = means.holds
    return (lambda _: None) if holds is None else holds.release


class _Holds:
    """Whether a key holds now, by its name: of the settings, or made while the gateway runs."""

    def __init__(self, settings: Settings, control: ControlStore | None, clock: Clock) -> None:
        self._listed = {one.name: one for one in settings.keys}
        self._control = control
        self._clock = clock

    async def __call__(self, name: str) -> bool:
        """Raises StoreError."""
        now = self._clock.now()
        if (listed := self._listed.get(name)) is not None:
            return listed.expires is None or now < listed.expires
        found = None if self._control is None else await self._control.key(name)
        if found is None or found.revoked_at is not None:
            return False
        return found.expires_at is None or now < found.expires_at
