"""The assembly: the only file where adapters meet levers.

An `App` is one engine: targets, levers in their order, upstream, ledger, outbox. Shells open it,
give it calls, and close it; closing drains what is pending.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import uuid_utils

from scrimp.alerts.tables import give_up_s, is_on, rules_of
from scrimp.billing import book_of, places_of, price_names, pricer, trusts_of
from scrimp.by_choice import ByChoice, Known, certifying, judging_of, lever_of, open_by_choice
from scrimp.by_meaning import ByMeaning, Engine, JudgeFunction, join, open_by_meaning
from scrimp.cached_replies import cache_plan
from scrimp.calls import Call, Reply
from scrimp.cascading import UNAIDED, Judging
from scrimp.clamped_outputs import taught
from scrimp.clock import SystemClock
from scrimp.deferring import Around, Jobs, defer_lever, deferring, open_jobs, telling
from scrimp.dialects import DIALECTS
from scrimp.encoders.learning import Learner, Remembered
from scrimp.encoders.tiktoken_encoder import TiktokenEncoder
from scrimp.endpoints import endpoint_of, endpoints_of
from scrimp.errors import ConfigError, InvalidRequest, PriceUnknown
from scrimp.identity import ControlStore, KeyStore
from scrimp.levers.order import ORDER
from scrimp.levers.route import Route
from scrimp.limits import BudgetStore
from scrimp.lineup import Means, check_engine, current_rules, levers_of
from scrimp.notices import AlertBox, Notifier, OnAlert
from scrimp.notifiers.opened import notifiers_of
from scrimp.pipeline.again import Again
from scrimp.pipeline.alerting import Alerting, AlertMeans
from scrimp.pipeline.attempt import AttemptSettings, UpstreamAttempt
from scrimp.pipeline.background import Background, Closing, Helper
from scrimp.pipeline.batch_results import BatchResults
from scrimp.pipeline.chain import chain
from scrimp.pipeline.checking import CheckFunction
from scrimp.pipeline.delivering import Deliveries
from scrimp.pipeline.holds import Holds
from scrimp.pipeline.open_holds import settle_open_holds
from scrimp.pipeline.outbox import SettlementOutbox
from scrimp.pipeline.settle import Settler
from scrimp.pipeline.translating import Translating
from scrimp.pipeline.watched import WatchedLedger
from scrimp.ports import (
    Claims,
    Clock,
    Entry,
    Ledger,
    Lever,
    Next,
    ReplyStore,
    Upstream,
)
from scrimp.prices.book import PriceBook
from scrimp.prices.pricing import resolve
from scrimp.remembered import Forgets
from scrimp.served import targets_of, translator_of, virtual_key
from scrimp.settings import Loaded, ProviderSettings, Settings, with_alerts
from scrimp.stores.joined_keys import JoinedKeys
from scrimp.stores.opened_budgets import open_budgets, open_rates, program_budgets
from scrimp.stores.replies import open_cache
from scrimp.stores.settings_keys import SettingsKeys
from scrimp.stores.sqlite_alerts import SqliteAlerts
from scrimp.stores.sqlite_control import SqliteControl, was_ever_guarded
from scrimp.stores.sqlite_ledger import SqliteLedger
from scrimp.stores.sqlite_ledger_adjust import LedgerAdjuster
from scrimp.stores.sqlite_ledger_read import LedgerReader
from scrimp.stores.sqlite_ratios import SqliteRatios
from scrimp.upstreams.http import Endpoint, HttpUpstream
from scrimp.weights import Scales


@dataclass(frozen=True, slots=True)
class Parts:
    """The adapters of one engine. Tests and backtests bring their own."""

    clock: Clock
    upstream: Upstream
    ledger: Ledger
    replies: ReplyStore
    keys: KeyStore
    encoder: Scales
    control: ControlStore | None = None
    claims: Claims | None = None
    budgets: BudgetStore | None = None
    rates: BudgetStore | None = None
    reach: Callable[[str, Endpoint], None] = lambda name, endpoint: None  # noqa: ARG005 (none)
    around: Callable[[Next], Next] = lambda end: end
    meanings: ByMeaning | None = None
    choice: ByChoice | None = None
    judging: Judging = UNAIDED
    jobs: Jobs | None = None


class App:
    """One engine. Open it with `open_app`."""

    def __init__(self, settings: Settings, parts: Parts, book: PriceBook) -> None:
        self.settings = settings
        self.clock = parts.clock
        self.ledger = parts.ledger
        self.keys = parts.keys
        self.control = parts.control
        self.budgets = parts.budgets
        self.rates = parts.rates
        self.encoder = parts.encoder
        self.book = book
        self.dialects = DIALECTS
        self.targets = targets_of(settings, book)
        self.replies = parts.replies
        self._reach = parts.reach
        self._asked = {name for name, one in settings.providers.items() if one.ask_usage}
        self._names = names = price_names(settings)
        places = places_of(settings)
        ledger = parts.ledger
        holds = None if parts.budgets is None else Holds(parts.budgets)
        if holds is not None:
            ledger = WatchedLedger(ledger, partial(settle_open_holds, holds))
        settler = Settler(ledger, parts.encoder, DIALECTS, book, names, places=places)
        self.outbox = SettlementOutbox(settler.settle, ledger.append)
        self.priced = priced = pricer(book, names, places, trusts_of(settings))
        self._refuses_unpriced = settings.unpriced.policy == "refuse"
        end: Next = UpstreamAttempt(
            parts.upstream,
            DIALECTS,
            parts.clock,
            priced,
            AttemptSettings(ask_usage=self._asked, timed_models=book.timed_models()),
        )
        translator = translator_of(self.targets, book, names, self._asked)
        end = Translating(parts.around(end), translator)
        end = BatchResults(end, ledger, priced, parts.clock, DIALECTS)
        self.background = Background()
        self.again = Again(self.handle, parts.clock, self.new_id, self.background)
        self.caches: dict[str, Forgets] = {"exact_cache": parts.replies}
        self.rules = current_rules(settings, parts.control)
        means = Means(
            *(parts, self.outbox, book, names, priced, self.background),
            *(self.rules, self.targets, holds, self.again, translator, self._judging(parts)),
        )
        levers = levers_of(settings, means)
        self.choice = parts.choice
        levers |= self._routed(parts.choice)
        self.meanings = None
        if parts.meanings is not None:
            engine = Engine(self.handle, self.targets, self.clock, self.new_id, self.again)
            self.meanings, lever = join(settings, parts.meanings, engine)
            self.caches["semantic_cache"] = parts.meanings.store
            levers[lever.name] = lever
        levers |= self._put_off(Around(means, levers, end, parts.upstream, parts.control), parts)
        self.levers: Mapping[str, Lever] = levers
        self._full = chain([levers[place.name] for place in ORDER if place.name in levers], end)
        self._guards = chain(
            [levers[place.name] for place in ORDER if place.guard and place.name in levers], end
        )

    def _put_off(self, around: Around, parts: Parts) -> dict[str, Lever]:
        """The lever that puts calls off, where it is switched on; the work behind its jobs."""
        self.jobs, self.deferring = parts.jobs, None
        if parts.jobs is None:
            return {}
        self.deferring = deferring(self.settings, around, parts.jobs, self.new_id)
        lever = defer_lever(self.settings, around, parts.jobs, self.deferring.kept)
        return {} if lever is None else {lever.name: lever}

    def _known(self) -> Known:
        served = (self.targets, self.book, self._names, self.priced)
        return Known(*served, self.handle, self.clock, self.new_id)

    def _judging(self, parts: Parts) -> Judging:
        """What cascades judge by, with least scores that are proven where that is wanted."""
        return certifying(self.settings, self._known(), parts.choice, parts.judging)

    def _routed(self, choice: ByChoice | None) -> dict[str, Lever]:
        """The lever that chooses models, where it is switched on."""
        if not self.settings.route.enabled:
            return {}
        return {Route.name: lever_of(self.settings, self._known(), choice)}

    async def handle(self, call: Call) -> Reply:
        """The complete reply to a call; its live chunks have gone to `call.sink`.

        Calls that no client made take the guards only. Raises Rejected and UpstreamError.
        """
        if self._refuses_unpriced and call.operation in ("chat", "embeddings"):
            self._refuse_unpriced(call)
        return await self._way(call)(call)

    def reach(self, name: str, provider: ProviderSettings) -> None:
        """Serve a provider that the settings do not name. It brings no key of its own."""
        self._reach(name, endpoint_of(provider, ""))
        self._names[name] = provider.prices_as or name
        if provider.ask_usage:
            self._asked.add(name)

    def new_id(self) -> str:
        """A call id: UUIDv7 (RFC 9562), so that ids sort by time."""
        return str(uuid_utils.uuid7())

    def _refuse_unpriced(self, call: Call) -> None:
        """Raises InvalidRequest when nobody knows what the call would cost."""
        target = call.target
        provider = self._names.get(target.provider, target.provider)
        try:
            resolve(target.model, provider, call.started_at, book=self.book)
        except PriceUnknown as error:
            raise InvalidRequest(f"{error}; [unpriced] in scrimp.toml refuses such calls") from None

    def _way(self, call: Call) -> Next:
        return self._full if call.purpose == "client" else self._guards


@asynccontextmanager
async def open_app(
    loaded: Loaded,
    *,
    watch: Callable[[Entry], None] | None = None,
    on_alert: OnAlert | None = None,
    judge: JudgeFunction | None = None,
    checks: Mapping[str, CheckFunction] | None = None,
) -> AsyncIterator[App]:
    """An engine over the real adapters; drained and closed at the end. Raises ConfigError.

    `watch` is shown every entry on its way to the ledger, `on_alert` is called with alerts, `judge`
    compares answers for the semantic cache, `checks` are a program's own for cascades.
    """
    loaded = loaded if on_alert is None else with_alerts(loaded)
    settings, clock = loaded.settings, SystemClock()
    book, plan = book_of(settings), cache_plan(loaded)
    if not settings.exact_cache.enabled:
        plan = replace(plan, engine="memory")
    control = open_control(settings)
    check_engine(settings)
    cache, path = open_cache(plan, clock), settings.budget_path
    budgets: BudgetStore = open_budgets(settings.budget.engine, path, clock)
    rates = open_rates(settings.server.workers, path, clock)
    ledger: Ledger = SqliteLedger.open(settings.ledger_path)
    if watch is not None:
        ledger = WatchedLedger(ledger, watch)
    if (alerting := _alerting(loaded, budgets, on_alert)) is not None:
        budgets, ledger = alerting.budgets, WatchedLedger(ledger, alerting.entry)
    upstream, learner = HttpUpstream(endpoints_of(loaded)), Learner(_ratios(settings))
    parts = Parts(
        clock=clock,
        upstream=upstream,
        ledger=ledger,
        replies=cache.replies,
        claims=cache.claims,
        keys=_keys(settings, control),
        encoder=learner.encoder,
        control=control,
        budgets=budgets,
        rates=rates,
        jobs=open_jobs(settings, clock),
        reach=upstream.add,
        around=learner.around,
    )
    try:
        meanings = open_by_meaning(loaded, clock, judge)
        choice = await open_by_choice(settings, clock)
        judging = judging_of(settings, choice, checks or {})
        parts = replace(parts, meanings=meanings, choice=choice, judging=judging)
        app = App(settings, parts, book)
        beside = (app.outbox, learner, alerting, meanings, choice, *_on_jobs(app, loaded))
        async with _running(app, [one for one in beside if one is not None]):
            if cache.run is not None:
                app.background(cache.run())
            yield app
    finally:  # replies again: what opened them may have failed before
        closing: tuple[Closing, ...] = (upstream, parts.replies, parts.encoder, budgets, rates)
        for part in (*closing, control, ledger):
            await part.close()


@asynccontextmanager
async def _running(app: App, helpers: Sequence[Helper]) -> AsyncIterator[None]:
    """The work beside the calls, until nobody needs it any more."""
    async with asyncio.TaskGroup() as group:
        for one in helpers:
            group.create_task(one.run(), name=f"scrimp {type(one).__name__}")
        app.background.open(group)
        if app.settings.clamp_output.enabled:
            app.background(taught(app.levers, open_ledger_reader(app.settings).recent))
        try:
            yield
        finally:
            app.again.stop()
            for one in helpers:
                one.stop()
            await app.replies.close()


def _on_jobs(app: App, loaded: Loaded) -> tuple[Helper | None, ...]:
    return app.deferring, telling(loaded, app.jobs, app.control, app.clock)


def open_control(settings: Settings) -> SqliteControl:
    """Keys, members and rules that are no part of the settings. Raises StoreError."""
    return SqliteControl.open(settings.control_path, SystemClock())


def open_counters(settings: Settings) -> BudgetStore:
    """What budgets have used, in the file that a gateway shares. Raises ConfigError."""
    if settings.budget.engine == "memory":
        raise ConfigError(
            "what budgets have used is in the memory of the gateway: ask it "
            "(GET /v1/scrimp/admin/budgets/NAME/standing), or keep it in a file "
            '([budget] engine = "sqlite")'
        )
    return open_budgets(settings.budget.engine, settings.budget_path, SystemClock())


def open_program_budgets(path: Path | None) -> BudgetStore:
    """What budgets that a program sets have used: in a file, or (None) in its memory."""
    return program_budgets(path, SystemClock())


def open_alerts(settings: Settings) -> AlertBox:
    """The outbox of alerts. Nothing is opened yet."""
    path, most = settings.alerts_path, settings.alerts.most_per_hour
    return SqliteAlerts(path, SystemClock(), most_per_hour=most)


def open_notifiers(loaded: Loaded, on_alert: OnAlert | None = None) -> tuple[Notifier, ...]:
    """Who is told of alerts."""
    section, secrets = loaded.settings.alerts, loaded.alert_secrets
    return notifiers_of(section, secrets, SystemClock().now, on_alert)


def _alerting(loaded: Loaded, budgets: BudgetStore, on_alert: OnAlert | None) -> Alerting | None:
    """None where nobody wants to know."""
    settings, section, clock = loaded.settings, loaded.settings.alerts, SystemClock()
    if not is_on(section):
        return None
    box, owner, after_s = open_alerts(settings), str(uuid_utils.uuid7()), give_up_s(section)
    whom = open_notifiers(loaded, on_alert)
    deliveries = Deliveries(box, whom, clock, owner, random.random, give_up_s=after_s)
    means = AlertMeans(clock, box, deliveries, LedgerReader(settings.ledger_path).report)
    return Alerting(means, rules_of(section), budgets)


def system_clock() -> Clock:
    """The machine's own, for shells that work without an engine."""
    return SystemClock()


def stored_keys(settings: Settings) -> bool:
    """True when there was ever a key beside those of the settings. Raises StoreError."""
    return was_ever_guarded(settings.control_path)


def open_ledger_reader(settings: Settings) -> LedgerReader:
    """The ledger's read side, for shells that only look. Raises StoreError."""
    return LedgerReader(settings.ledger_path)


def open_ledger_adjuster(settings: Settings) -> LedgerAdjuster:
    """Corrections of the ledger, for shells that make them. Nothing is opened yet."""
    return LedgerAdjuster(settings.ledger_path)


def open_encoder(settings: Settings | None = None) -> TiktokenEncoder:
    """The tokenizers, for shells that count without an engine. Nothing is loaded yet.

    With settings they know what engines have learned of models from real usage.
    """
    return TiktokenEncoder(Remembered(_ratios(settings)) if settings is not None else None)


def _ratios(settings: Settings) -> SqliteRatios:
    return SqliteRatios(settings.state_path / "ratios.sqlite")


def _keys(settings: Settings, control: KeyStore) -> KeyStore:
    listed = [virtual_key(key) for key in settings.keys]
    return JoinedKeys(SettingsKeys(listed), [key.name for key in listed], control)
