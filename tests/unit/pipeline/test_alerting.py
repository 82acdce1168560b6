"""From what happens to the outbox, and from there to notifiers; the clock is set by hand."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from scrimp.alerts.rules import AlertRules
from scrimp.calls import UNKNOWN_COST, TraceLine
from scrimp.errors import StoreError
from scrimp.limits import Amounts, Limit, Scope, Window
from scrimp.notices import Alert, Due, Notifier, Sent, Told
from scrimp.pipeline.alerting import Alerting, AlertMeans
from scrimp.pipeline.delivering import Deliveries
from scrimp.ports import Entry
from scrimp.stores.memory_budgets import MemoryBudgets
from tests.support.core import NOON, FakeClock
from tests.support.ledger_entries import attempt, entry

LIMIT = Limit("ci", Scope("team", "red"), "usd", 1000, Window("day"))
QUIET = AlertRules(mute=("forecast",))


class ListBox:
    """An outbox in lists. Fails while `down`."""

    def __init__(self, clock: FakeClock) -> None:
        self.alerts: list[Alert] = []
        self.waiting: defaultdict[str, list[Due]] = defaultdict(list)
        self.settled: list[tuple[str, Sent, datetime | None]] = []
        self.topics: set[str] = set()
        self.down = False
        self.turns = 0
        self._clock = clock

    def offer(self, alerts: Sequence[Alert], notifiers: Sequence[str]) -> int:
        """Keep those whose topic is new."""
        self._check()
        new = [one for one in alerts if one.topic not in self.topics]
        for one in new:
            self.topics |= {one.topic, *one.covers}
            self.alerts.append(one)
            for name in notifiers:
                self.waiting[name].append(Due(one, name, 0))
        return len(new)

    def claim(self, notifier: str, owner: str, *, lease_s: float) -> Due | None:
        """The next one."""
        assert owner
        assert lease_s
        self._check()
        return self.waiting[notifier].pop(0) if self.waiting[notifier] else None

    def settle(self, due: Due, owner: str, sent: Sent, *, retry_at: datetime | None) -> None:
        """Remember how it ended."""
        assert owner
        self.settled.append((due.notifier, sent, retry_at))

    def next_due(self, notifier: str) -> datetime | None:
        """Now, if anything waits."""
        return self._clock.now() if self.waiting[notifier] else None

    def turn(self, topic: str, *, every_s: float) -> bool:
        """Always."""
        assert topic
        assert every_s
        self.turns += 1
        return True

    def recent(self, limit: int) -> tuple[Told, ...]:
        """The newest first."""
        return tuple(Told(one, ()) for one in reversed(self.alerts[-limit:]))

    def _check(self) -> None:
        if self.down:
            raise StoreError("the outbox is down")


class Scripted:
    """A notifier by script."""

    def __init__(self, name: str, *answers: Sent | Exception) -> None:
        self.name = name
        self.got: list[Alert] = []
        self.told = asyncio.Event()
        self._answers = list(answers) or [Sent(ok=True)]

    async def send(self, alert: Alert) -> Sent:
        """The next answer, the last one again and again."""
        self.got.append(alert)
        self.told.set()
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Stuck:
    """A notifier that never ends."""

    name = "stuck"

    async def send(self, alert: Alert) -> Sent:
        """Hang."""
        await asyncio.Event().wait()
        raise AssertionError(alert)


class Scene:
    """Alerting over a real store of budgets in memory."""

    def __init__(self, *notifiers: Notifier, rules: AlertRules = QUIET) -> None:
        self.clock = FakeClock()
        self.box = ListBox(self.clock)
        self.deliveries = Deliveries(
            self.box, notifiers, self.clock, "me", lambda: 1.0, give_up_s=3600
        )
        self.store = MemoryBudgets.open(self.clock)
        means = AlertMeans(self.clock, self.box, self.deliveries)
        self.alerting = Alerting(means, rules, self.store)
        self._calls = 0

    async def spend(self, amount: int, *, needs: int | None = None, limit: Limit = LIMIT) -> bool:
        """One attempt. False when it was refused, which its entry says."""
        self._calls += 1
        call_id, worst = f"call-{self._calls}", Amounts(needs or amount, 0, 1)
        verdict = await self.alerting.budgets.hold(f"{call_id}/0", (limit,), worst, lease_s=60)
        if verdict.denied_by is not None:
            trace = (TraceLine("budget", "denied"),)
            self.alerting.entry(replace(entry(), id=call_id, trace=trace))
            return False
        self.alerting.budgets.settle(f"{call_id}/0", Amounts(amount, 0, 1))
        return True

    async def told(self) -> list[str]:
        """Titles of what is new since this was asked last."""
        before = len(self.box.alerts)
        await self.alerting.look()
        return [one.title for one in self.box.alerts[before:]]


async def test_each_level_is_told_once_and_again_in_the_next_window() -> None:
    """Rising within a day; the next day begins anew."""
    scene = Scene()
    await scene.spend(499)
    assert await scene.told() == []
    await scene.spend(1)
    assert await scene.told() == ["50 % of budget 'ci' used (team:red, day)"]
    await scene.spend(1)
    assert await scene.told() == []
    await scene.spend(399)
    assert await scene.told() == ["90 % of budget 'ci' used (team:red, day)"]
    scene.clock.at = NOON + timedelta(days=1)
    await scene.spend(800)
    assert await scene.told() == ["75 % of budget 'ci' used (team:red, day)"]


async def test_a_jump_over_levels_is_told_once_and_the_lower_ones_never() -> None:
    """From nothing to all of it in one settlement."""
    scene = Scene()
    await scene.spend(1000)
    assert await scene.told() == ["100 % of budget 'ci' used (team:red, day)"]
    scene.alerting._known.clear()
    await scene.alerting.budgets.reset((LIMIT,))
    await scene.spend(600)
    assert await scene.told() == []


async def test_a_refused_call_is_told_when_its_entry_says_so() -> None:
    """A quick bound that did not fit is no refusal when the exact one does."""
    scene = Scene()
    await scene.spend(400)
    quick = await scene.alerting.budgets.hold("a/0", (LIMIT,), Amounts(700), lease_s=60)
    assert quick.denied_by is not None
    fits = await scene.alerting.budgets.hold("a/0", (LIMIT,), Amounts(500), lease_s=60)
    assert fits.denied_by is None
    scene.alerting.entry(replace(entry(), id="a", trace=(TraceLine("x", "denied"),)))
    assert await scene.told() == []
    assert not await scene.spend(200)
    assert await scene.told() == ["budget 'ci' refuses calls (team:red, day)"]
    assert not await scene.spend(200)
    assert await scene.told() == []


async def test_what_is_held_or_let_go_is_not_told() -> None:
    """Only what was spent counts."""
    scene = Scene()
    await scene.alerting.budgets.hold("a/0", (LIMIT,), Amounts(1000), lease_s=60)
    assert await scene.told() == []
    scene.alerting.budgets.release("a/0")
    assert await scene.told() == []


async def test_entries_that_say_nothing_are_not_even_kept() -> None:
    """Of a thousand usual calls none waits for a look; one without a price does."""
    scene = Scene()
    for _ in range(1000):
        scene.alerting.entry(entry())
    assert not scene.alerting._entries
    scene.alerting.entry(_unpriced())
    assert await scene.told() == ["no price is known for openai/gpt-4o-mini"]


async def test_muted_kinds_are_never_told() -> None:
    """Nor do they take a topic."""
    scene = Scene(rules=AlertRules(mute=("budget", "unpriced", "forecast")))
    scene.alerting.entry(_unpriced())
    await scene.spend(1000)
    assert await scene.told() == []
    assert not scene.box.topics


async def test_alerts_wait_in_memory_while_the_outbox_is_down() -> None:
    """Nothing breaks, nothing is lost, and it is told when the outbox is back."""
    scene = Scene()
    scene.box.down = True
    await scene.spend(600)
    assert await scene.told() == []
    scene.box.down = False
    assert await scene.told() == ["50 % of budget 'ci' used (team:red, day)"]


async def test_a_failed_delivery_is_told_when_to_come_again_and_a_raised_one_too() -> None:
    """What a notifier raises is named by its kind and place, not by its words."""
    failing = Scripted("slack", Sent(ok=False, said="it answered 503"), ValueError("a secret"))
    scene = Scene(failing)
    scene.box.offer([_alert("one"), _alert("two")], ("slack",))
    assert await scene.deliveries.once(failing) == 2
    (_, first, at), (_, second, _) = scene.box.settled
    assert first.said == "it answered 503"
    assert at == NOON + timedelta(seconds=5)
    assert second.said.startswith("it raised ValueError at test_alerting.py")
    assert "secret" not in second.said


async def test_a_notifier_that_hangs_keeps_no_other_waiting() -> None:
    """Each has a task of its own; the end waits for none of them for long."""
    good = Scripted("good")
    scene = Scene(Stuck(), good)
    scene.box.offer([_alert("one")], ("stuck", "good"))
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        running = group.create_task(scene.deliveries.run())
        await good.told.wait()
        assert not running.done()
        running.cancel()


async def test_the_end_looks_once_more_and_delivers() -> None:
    """What happened just before `stop` is told before `run` returns."""
    good = Scripted("good")
    scene = Scene(good)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(scene.alerting.run())
        await asyncio.sleep(0)
        await scene.spend(600)
        scene.alerting.stop()
    assert [one.title for one in good.got] == ["50 % of budget 'ci' used (team:red, day)"]


async def test_what_breaks_in_a_look_is_logged_and_ends_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An alert must never cost a call."""
    scene = Scene()

    async def broken() -> None:
        raise KeyError("a secret")

    monkeypatch.setattr(scene.alerting, "look", broken)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(scene.alerting.run())
        await asyncio.sleep(0)
        scene.alerting.stop()
    assert "alerts broke: KeyError" in caplog.text
    assert "secret" not in caplog.text


def _unpriced() -> Entry:
    one = replace(attempt(), cost=UNKNOWN_COST)
    return replace(entry(), attempts=(one,), cost_basis="unknown", cost_nanousd=None, trace=())


def _alert(topic: str) -> Alert:
    return Alert(topic, "budget", "info", NOON, topic, topic, "text")
