"""The outbox of alerts: each topic once, each delivery by one worker, nothing lost, all bounded."""

from __future__ import annotations

import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from scrimp.alerts.rules import alert_of
from scrimp.errors import StoreError
from scrimp.notices import Alert, Sent
from scrimp.stores import sqlite_alerts
from scrimp.stores.sqlite_alerts import SqliteAlerts
from tests.support.core import FakeClock

OK = Sent(ok=True)
BOTH = ("slack", "webhook")


@pytest.fixture
def box(tmp_path: Path, clock: FakeClock) -> SqliteAlerts:
    """An outbox without a file yet."""
    return SqliteAlerts(tmp_path / "state" / "alerts.sqlite", clock)


def alert(clock: FakeClock, topic: str = "t", **more: object) -> Alert:
    """An alert of now."""
    return alert_of("budget", "info", clock.now(), topic, f"title {topic}", text="text", **more)


def states(box: SqliteAlerts) -> list[tuple[str, str]]:
    """Notifier and state of every delivery, the newest alert first."""
    return [(one.notifier, one.state) for told in box.recent(100) for one in told.deliveries]


def test_looking_makes_no_file(box: SqliteAlerts, tmp_path: Path) -> None:
    """Nothing was told, nothing is due."""
    assert box.recent(10) == ()
    assert box.next_due("slack") is None
    assert box.claim("slack", "me", lease_s=60) is None
    assert list(tmp_path.iterdir()) == []


def test_a_topic_is_taken_once(box: SqliteAlerts, clock: FakeClock) -> None:
    """However often it is offered, and by whomever; what it covers is taken with it."""
    first = alert(clock, "100", covers=("budget|50", "budget|75"))
    assert box.offer([first], BOTH) == 1
    clock.pass_by(1)
    rest = [alert(clock, "100"), alert(clock, "50"), alert(clock, "75"), alert(clock, "90")]
    assert box.offer(rest, BOTH) == 1
    assert [told.alert.title for told in box.recent(10)] == ["title 90", "title 100"]
    assert box.recent(10)[1].alert == first


def test_each_notifier_is_told_once_whoever_has_it(box: SqliteAlerts, clock: FakeClock) -> None:
    """A program with a function of its own takes nothing from a gateway's Slack."""
    assert box.offer([alert(clock, "100", covers=("budget|50",))], ("callback",)) == 1
    clock.pass_by(1)
    assert box.offer([alert(clock, "100", covers=("budget|50",))], ("slack", "callback")) == 1
    clock.pass_by(1)
    assert box.offer([alert(clock, "100")], BOTH) == 1
    assert box.offer([alert(clock, "50")], ("slack", "callback")) == 0
    found = [[one.notifier for one in told.deliveries] for told in box.recent(9)]
    assert found == [["webhook"], ["slack"], ["callback"]]


def test_what_a_newer_scrimp_has_written_stops_nothing(
    box: SqliteAlerts, tmp_path: Path, clock: FakeClock
) -> None:
    """It is given up by this one, and the next alert is delivered."""
    box.offer([alert(clock, "new")], ("slack",))
    connection = sqlite3.connect(tmp_path / "state" / "alerts.sqlite")
    with connection:
        connection.execute("UPDATE alerts SET body = json_set(body, '$.kind', 'from the future')")
    connection.close()
    clock.pass_by(1)
    box.offer([alert(clock, "known")], ("slack",))
    due = box.claim("slack", "me", lease_s=60)
    assert due is not None
    assert due.alert.title == "title known"
    assert [told.alert.title for told in box.recent(9)] == ["title known"]


def test_a_topic_that_may_come_again_does_so_after_its_time(
    box: SqliteAlerts, clock: FakeClock
) -> None:
    """Rolling windows and models without a price; others never, though their row is forgotten."""
    until = clock.now() + timedelta(hours=1)
    assert box.offer([alert(clock, until=until, again=True)], ()) == 1
    clock.pass_by(3599)
    assert box.offer([alert(clock, until=until, again=True)], ()) == 0
    clock.pass_by(1)
    assert box.offer([alert(clock, until=clock.now() + timedelta(hours=1), again=True)], ()) == 1


def test_a_delivery_belongs_to_one_worker_for_the_time_of_its_lease(
    box: SqliteAlerts, clock: FakeClock
) -> None:
    """A worker that ended in the middle leaves it to the next one, when its lease is over."""
    box.offer([alert(clock)], BOTH)
    due = box.claim("slack", "one", lease_s=60)
    assert due is not None
    assert (due.notifier, due.tries) == ("slack", 0)
    assert box.claim("slack", "two", lease_s=60) is None
    assert box.claim("webhook", "two", lease_s=60) is not None
    clock.pass_by(60)
    assert box.claim("slack", "two", lease_s=60) == due


def test_a_failed_delivery_waits_and_a_delivered_one_is_over(
    box: SqliteAlerts, clock: FakeClock
) -> None:
    """What was said of it stands in the list."""
    box.offer([alert(clock)], ("slack",))
    due = box.claim("slack", "one", lease_s=60)
    assert due is not None
    at = clock.now() + timedelta(seconds=5)
    box.settle(due, "one", Sent(ok=False, said="it answered 503"), retry_at=at)
    (waiting,) = box.recent(1)[0].deliveries
    assert (waiting.state, waiting.tries, waiting.said) == ("waiting", 1, "it answered 503")
    assert waiting.next_at == at == box.next_due("slack")
    assert box.claim("slack", "two", lease_s=60) is None
    clock.pass_by(5)
    again = box.claim("slack", "two", lease_s=60)
    assert again is not None
    assert again.tries == 1
    box.settle(again, "two", OK, retry_at=None)
    (done,) = box.recent(1)[0].deliveries
    assert (done.state, done.tries, done.said) == ("delivered", 2, "")
    assert box.next_due("slack") is None


def test_what_is_given_up_is_said(box: SqliteAlerts, clock: FakeClock) -> None:
    """It is not tried again, and it is not forgotten."""
    box.offer([alert(clock)], ("slack",))
    due = box.claim("slack", "one", lease_s=60)
    assert due is not None
    box.settle(due, "one", Sent(ok=False, said="it answered 404"), retry_at=None)
    clock.pass_by(1_000_000)
    assert box.claim("slack", "two", lease_s=60) is None
    assert states(box) == [("slack", "given_up")]


def test_a_late_failure_does_not_undo_what_another_worker_has_done(
    box: SqliteAlerts, clock: FakeClock
) -> None:
    """That it arrived counts always; that it did not, only from who still has it."""
    box.offer([alert(clock)], ("slack",))
    slow = box.claim("slack", "slow", lease_s=60)
    clock.pass_by(60)
    quick = box.claim("slack", "quick", lease_s=60)
    assert slow is not None
    assert quick is not None
    box.settle(slow, "slow", Sent(ok=False, said="no"), retry_at=None)
    assert states(box) == [("slack", "waiting")]
    box.settle(quick, "quick", OK, retry_at=None)
    box.settle(slow, "slow", Sent(ok=False, said="no"), retry_at=None)
    assert states(box) == [("slack", "delivered")]


def test_a_flood_of_one_kind_is_listed_and_not_sent(tmp_path: Path, clock: FakeClock) -> None:
    """Nobody reads a thousand messages; another kind is not kept back by them."""
    box = SqliteAlerts(tmp_path / "alerts.sqlite", clock, most_per_hour=3)
    flood = [alert(clock, str(number)) for number in range(5)]
    other = alert_of("loop", "info", clock.now(), "loop", "loop", text="text")
    assert box.offer([*flood, other], ("slack",)) == 6
    found = sorted(state for _, state in states(box))
    assert found == ["held_back"] * 2 + ["waiting"] * 4
    clock.pass_by(3600)
    box.offer([alert(clock, "later")], ("slack",))
    assert states(box)[0] == ("slack", "waiting")


def test_a_turn_is_given_to_one_in_its_time(box: SqliteAlerts, clock: FakeClock) -> None:
    """Of all workers one compares with the days before."""
    assert box.turn("habits", every_s=300)
    assert not box.turn("habits", every_s=300)
    assert box.turn("other", every_s=300)
    clock.pass_by(300)
    assert box.turn("habits", every_s=300)


def test_threads_that_offer_and_claim_at_once_share_without_doubles(
    box: SqliteAlerts, tmp_path: Path, clock: FakeClock
) -> None:
    """Every topic is taken once, every delivery claimed once."""
    path = tmp_path / "state" / "alerts.sqlite"
    offered = [alert(clock, str(number)) for number in range(20)]

    def work(number: int) -> tuple[int, int]:
        own = SqliteAlerts(path, clock)
        taken = sum(own.offer([one], ("slack",)) for one in offered)
        claimed = 0
        while own.claim("slack", f"worker {number}", lease_s=60) is not None:
            claimed += 1
        return taken, claimed

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(work, range(4)))
    assert sum(taken for taken, _ in done) == 20
    assert sum(claimed for _, claimed in done) == 20
    assert len(box.recent(100)) == 20


def test_the_outbox_is_bounded_and_its_owners_alone(
    box: SqliteAlerts, tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest alerts and the topics that are over go; 0600 in a folder of 0700."""
    monkeypatch.setattr(sqlite_alerts, "MOST_ALERTS", 3)
    monkeypatch.setattr(sqlite_alerts, "MOST_TOPICS", 4)
    for number in range(6):
        clock.pass_by(1)
        box.offer([alert(clock, str(number))], ("slack",))
    assert [told.alert.title for told in box.recent(9)] == ["title 5", "title 4", "title 3"]
    path = tmp_path / "state" / "alerts.sqlite"
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM said").fetchone() == (4,)
        assert connection.execute("SELECT count(*) FROM deliveries").fetchone() == (3,)
    connection.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_nobody_can_deliver_any_more_is_given_up_in_the_end(
    box: SqliteAlerts, clock: FakeClock
) -> None:
    """A notifier that was taken out of the settings leaves no work behind for ever."""
    box.offer([alert(clock, "old")], ("fax",))
    clock.pass_by(8 * 86400)
    box.offer([alert(clock, "new")], ("slack",))
    assert states(box) == [("slack", "waiting"), ("fax", "given_up")]


def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path, clock: FakeClock) -> None:
    """Its error says what it is not."""
    path = tmp_path / "alerts.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    box = SqliteAlerts(path, clock)
    with pytest.raises(StoreError, match="is not a file of alerts"):
        box.offer([alert(clock)], ())
    with pytest.raises(StoreError):
        box.recent(1)
