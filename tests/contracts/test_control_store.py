"""The control store: keys, members and rules, for every process that shares the file."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from scrimp.errors import Conflict
from scrimp.identity import KeyStore, Member, VirtualKey
from scrimp.limits import Allowance, Budget, Caps, Tier, Window
from scrimp.stores.joined_keys import JoinedKeys
from scrimp.stores.settings_keys import SettingsKeys
from scrimp.stores.sqlite_control import SqliteControl
from scrimp.stores.sqlite_control_rows import Snapshot
from tests.support.control import Desk, digest, record, secret
from tests.support.core import NOON

BY = "cli:ann"
DAY = Window("day", zone="Europe/Berlin")
FREE = Tier("free", (Allowance("tokens", 100_000, DAY, hard=False),), Caps(input_tokens=8000))
CI = Budget("ci", "team", "ci", (Allowance("usd", 5 * 10**9, DAY, burst=2, model="gpt-4o"),))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """Two stores on one file that is not there yet."""
    both = Desk(tmp_path / "state" / "control.sqlite")
    yield both
    await both.here.close()
    await both.there.close()


@pytest.fixture(params=["settings", "sqlite", "joined"])
async def keys(request: pytest.FixtureRequest, desk: Desk) -> AsyncIterator[KeyStore]:
    """Each key store with the keys `one` and `two`."""
    listed = SettingsKeys([VirtualKey("one", digest("k-one")), VirtualKey("two", digest("k-two"))])
    if request.param == "settings":
        yield listed
        return
    names = ("one", "two") if request.param == "sqlite" else ("two",)
    for name in names:
        await desk.here.add_key(record(name), secret(f"k-{name}"), by=BY)
    if request.param == "sqlite":
        yield desk.here
    else:
        first = SettingsKeys([VirtualKey("one", digest("k-one"))])
        yield JoinedKeys(first, ["one"], desk.here)


async def test_a_key_is_found_by_its_digest_alone(keys: KeyStore) -> None:
    """Not by its name, not by itself, not in another case, not by SQL."""
    found = await keys.find(digest("k-two"))
    assert found is not None
    assert (found.name, found.revoked, found.ends_at) == ("two", False, None)
    assert await keys.any()
    for odd in ("two", "k-two", digest("k-two").upper(), "", "' OR 1=1 --", "\x00"):
        assert await keys.find(odd) is None


async def test_without_a_key_there_is_none_and_no_file(desk: Desk) -> None:
    """Looking makes nothing."""
    assert not await desk.here.any()
    assert not await desk.here.any_admin()
    assert await desk.here.find(digest("x")) is None
    assert await desk.here.keys() == ()
    assert await desk.here.audit() == ()
    assert (await desk.here.rules()).budgets == ()
    assert not desk.here.path.exists()


async def test_what_one_process_changes_another_sees_within_a_second(desk: Desk) -> None:
    """Made, changed and revoked; in the process that writes it shows at once."""
    await desk.here.add_key(record("ci", models=("gpt-4o",)), secret("k"), by=BY)
    assert await desk.here.any()
    assert not await desk.there.any()  # no time has passed
    desk.later()
    found = await desk.there.find(digest("k"))
    assert found is not None
    assert found.models == ("gpt-4o",)
    assert await desk.here.revoke_key("ci", by=BY)
    desk.later()
    for store in (desk.here, desk.there):
        ended = await store.find(digest("k"))
        assert ended is not None
        assert ended.revoked
        assert await store.any()  # a revoked key does not open the gateway again


async def test_a_look_is_had_before_the_snapshot_is_too_old(desk: Desk) -> None:
    """After half a second a call starts the look and is not kept waiting by it."""
    await desk.here.add_key(record("ci"), secret("k"), by=BY)
    desk.later(0.5)
    await desk.there.any()
    looked = desk.there._looking
    assert looked is not None
    looked.result(5)
    assert await desk.there.any()


async def test_a_name_is_given_once(desk: Desk) -> None:
    """A name is a tenant: nobody inherits answers and budgets of a revoked key."""
    await desk.here.add_key(record("ci"), secret("k"), by=BY)
    with pytest.raises(Conflict, match="there already"):
        await desk.there.add_key(record("ci"), secret("k2"), by=BY)
    await desk.here.revoke_key("ci", by=BY)
    with pytest.raises(Conflict, match="revoked"):
        await desk.there.add_key(record("ci"), secret("k3"), by=BY)
    assert await desk.here.find(digest("k3")) is None


async def test_a_rotated_key_works_until_its_grace_ends(desk: Desk) -> None:
    """Both secrets are the same key; a third ends the first."""
    here = desk.here
    await here.add_key(record("ci", team="red"), secret("k-1"), by=BY)
    ends = NOON + timedelta(hours=1)
    told = await here.rotate_key("ci", secret("k-2"), old_ends_at=ends, by=BY)
    assert told is not None
    assert (told.suffix, told.old_ends_at) == ("k-2"[-4:], ends)
    old, new = await here.find(digest("k-1")), await here.find(digest("k-2"))
    assert old is not None
    assert new is not None
    assert (old.name, old.team, old.ends_at) == ("ci", "red", ends)
    assert (new.name, new.team, new.ends_at) == ("ci", "red", None)
    await here.rotate_key("ci", secret("k-3"), old_ends_at=ends, by=BY)
    first = await here.find(digest("k-1"))
    assert first is not None
    assert first.ends_at == NOON
    await here.revoke_key("ci", by=BY)
    for one in ("k-1", "k-2", "k-3"):
        found = await here.find(digest(one))
        assert found is not None
        assert found.revoked
    assert await here.rotate_key("ci", secret("k-4"), old_ends_at=ends, by=BY) is None


async def test_the_earlier_end_counts(desk: Desk) -> None:
    """Grace does not outlive the key's own expiry."""
    soon, late = NOON + timedelta(hours=1), NOON + timedelta(days=1)
    await desk.here.add_key(record("ci", expires_at=soon), secret("k-1"), by=BY)
    await desk.here.rotate_key("ci", secret("k-2"), old_ends_at=late, by=BY)
    for one in ("k-1", "k-2"):
        found = await desk.here.find(digest(one))
        assert found is not None
        assert found.ends_at == soon


async def test_an_admin_key_makes_no_calls(desk: Desk) -> None:
    """It is found as an admin key only, and does not make every call need a key."""
    await desk.here.add_key(record("ops", admin=True), secret("k"), by=BY)
    assert await desk.here.find(digest("k")) is None
    assert not await desk.here.any()
    found = await desk.here.find_admin(digest("k"))
    assert found is not None
    assert found.name == "ops"
    assert await desk.here.any_admin()


async def test_what_a_key_does_not_say_its_user_and_team_say(desk: Desk) -> None:
    """A user's team, a team's organisation; the key's own word wins."""
    here = desk.here
    for member in (
        Member("org", "acme"),
        Member("team", "red", org="acme"),
        Member("user", "ann", team="red"),
    ):
        assert await here.put_member(member, by=BY, new=True)
    await here.add_key(record("a", user="ann"), secret("a"), by=BY)
    await here.add_key(record("b", user="ann", team="blue", org="other"), secret("b"), by=BY)
    a, b = await here.find(digest("a")), await here.find(digest("b"))
    assert a is not None
    assert b is not None
    assert (a.org, a.team, a.user) == ("acme", "red", "ann")
    assert (b.org, b.team, b.user) == ("other", "blue", "ann")


async def test_members_are_listed_by_name_in_pages(desk: Desk) -> None:
    """Each once, whatever the page."""
    for name in ("c", "a", "b"):
        await desk.here.put_member(Member("team", name), by=BY, new=True)
    await desk.here.put_member(Member("user", "a"), by=BY, new=True)
    first = await desk.here.members("team", limit=2)
    rest = await desk.here.members("team", after=first[-1].name, limit=2)
    assert [one.name for one in (*first, *rest)] == ["a", "b", "c"]
    with pytest.raises(Conflict, match="there already"):
        await desk.there.put_member(Member("team", "a"), by=BY, new=True)
    assert not await desk.here.put_member(Member("team", "z"), by=BY, new=False)


async def test_what_is_in_use_is_not_taken_away(desk: Desk) -> None:
    """The refusal names what is in the way; a revoked key is not."""
    here = desk.here
    await here.put_member(Member("org", "acme"), by=BY, new=True)
    await here.put_member(Member("team", "ci", org="acme"), by=BY, new=True)
    await here.add_key(record("k", team="ci"), secret("k"), by=BY)
    with pytest.raises(Conflict, match="team 'ci'"):
        await here.delete_member("org", "acme", by=BY)
    with pytest.raises(Conflict, match="key 'k'"):
        await here.delete_member("team", "ci", by=BY)
    await here.revoke_key("k", by=BY)
    await here.put_budget(CI, by=BY)
    with pytest.raises(Conflict, match="budget 'ci'"):
        await here.delete_member("team", "ci", by=BY)
    assert await here.delete_budget("ci", by=BY)
    assert await here.delete_member("team", "ci", by=BY)
    assert await here.delete_member("org", "acme", by=BY)
    assert not await here.delete_member("org", "acme", by=BY)


async def test_rules_come_back_as_they_were_put(desk: Desk) -> None:
    """Every field; the version changes with them and with nothing else."""
    here = desk.here
    before = (await here.rules()).version
    await here.put_tier(FREE, by=BY)
    await here.put_budget(CI, by=BY)
    mine = Budget("ann", "end_user", "Änne O'Neil", tier="free")
    await here.put_budget(mine, by=BY)
    desk.later()
    rules = await desk.there.rules()
    assert (rules.budgets, rules.tiers) == ((mine, CI), (FREE,))
    assert rules.version != before
    await here.add_key(record("k"), secret("k"), by=BY)
    assert (await here.rules()).version == rules.version
    await here.put_budget(replace(CI, scope="cd"), by=BY)
    assert (await here.rules()).version != rules.version
    with pytest.raises(Conflict, match="budget 'ann'"):
        await here.delete_tier("free", by=BY)
    assert await here.delete_budget("ann", by=BY)
    assert await here.delete_tier("free", by=BY)
    assert not await here.delete_tier("free", by=BY)
    assert not await here.delete_budget("ann", by=BY)


async def test_every_change_is_in_the_audit_log_and_no_secret_is(desk: Desk) -> None:
    """Who, when, what, before and after; what changed nothing is not in it."""
    here = desk.here
    await here.add_key(record("ci"), secret("sk-scrimp-abcd"), by=BY)
    await here.change_key(record("ci", team="red"), by="api:ops")
    await here.change_key(record("ci", team="red"), by="api:ops")
    await here.rotate_key("ci", secret("sk-scrimp-efgh"), old_ends_at=NOON, by=BY)
    await here.revoke_key("ci", by=BY)
    await here.revoke_key("ci", by=BY)
    lines = await here.audit()
    assert [one.action for one in lines] == ["revoke", "rotate", "change", "create"]
    assert {one.at for one in lines} == {NOON}
    assert lines[2].by == "api:ops"
    assert '"team":"red"' in lines[2].after
    assert '"team":""' in lines[2].before
    text = "".join(f"{one.before}{one.after}" for one in lines)
    for hidden in ("sk-scrimp", digest("sk-scrimp-abcd"), digest("sk-scrimp-efgh")):
        assert hidden not in text
    older = await here.audit(before=lines[1].id, limit=1)
    assert older == (lines[2],)


async def test_the_audit_log_is_only_added_to(desk: Desk) -> None:
    """Not even by somebody with the file and SQL, short of taking the guard away."""
    await desk.here.add_key(record("ci"), secret("k"), by=BY)
    with sqlite3.connect(desk.here.path) as other:
        for statement in ("UPDATE audit SET by = 'x'", "DELETE FROM audit"):
            with pytest.raises(sqlite3.IntegrityError, match="audit log"):
                other.execute(statement)
    other.close()


async def test_the_file_is_private_and_holds_no_key(desk: Desk) -> None:
    """0600, its helpers too, and neither a key nor more of it than four characters."""
    await desk.here.add_key(record("ci"), secret("sk-scrimp-0123456789abcd"), by=BY)
    files = list(desk.here.path.parent.iterdir())
    assert {stat.S_IMODE(one.stat().st_mode) for one in files} == {0o600}
    assert stat.S_IMODE(desk.here.path.parent.stat().st_mode) == 0o700
    kept = b"".join(one.read_bytes() for one in files)
    assert b"sk-scrimp" not in kept
    assert b"9abcd" not in kept


async def test_two_who_want_the_same_name_at_once(desk: Desk) -> None:
    """One of them gets it, in any process."""

    async def add(store: SqliteControl, number: int) -> bool:
        try:
            await store.add_key(record("ci"), secret(f"k-{number}"), by=BY)
        except Conflict:
            return False
        return True

    stores = [desk.here, desk.there] * 8
    won = await asyncio.gather(*(add(store, number) for number, store in enumerate(stores)))
    assert won.count(True) == 1
    assert len(await desk.here.keys()) == 1


async def test_two_hundred_keys_made_from_two_processes_are_all_there(desk: Desk) -> None:
    """Writers wait for each other; none is lost, and each opens its own name."""

    async def add(store: SqliteControl, number: int) -> None:
        await store.add_key(record(f"k{number:03}"), secret(f"s{number}"), by=BY)

    stores = (desk.here, desk.there)
    for start in range(0, 200, 20):
        await asyncio.gather(*(add(stores[n % 2], n) for n in range(start, start + 20)))
    desk.later()
    for number in range(200):
        found = await desk.there.find(digest(f"s{number}"))
        assert found is not None
        assert found.name == f"k{number:03}"


async def test_a_look_up_does_no_work_on_the_loop(desk: Desk) -> None:
    """Between looks the file is not touched; the look itself is on another thread."""
    await desk.here.add_key(record("ci"), secret("k"), by=BY)
    seen: list[str] = []
    look = desk.here._file.look

    def watched() -> Snapshot:
        seen.append(threading.current_thread().name)
        return look()

    desk.here._file.look = watched  # type: ignore[method-assign]  # a spy
    for _ in range(1000):
        await desk.here.find(digest("k"))
    assert seen == []
    desk.later()
    await asyncio.gather(*(desk.here.find(digest("k")) for _ in range(100)))
    assert len(seen) == 1
    assert seen[0].startswith("scrimp-control")
