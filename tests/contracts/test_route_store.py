"""What routes learn is kept alike by every engine."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from scrimp.choosing import Lesson, Place, RouteStore
from scrimp.errors import StoreError
from scrimp.stores import memory_routes, sqlite_routes
from scrimp.stores.fair_shares import share
from scrimp.stores.memory_routes import MemoryRoutes
from scrimp.stores.sqlite_routes import SqliteRoutes
from tests.support.core import NOON

HERE = Place("key:ana", "general", "ab12")
LESSON = Lesson(HERE, NOON, "call-0", "small", 1.0, b"\x00\x01", "1", "shadow", loss=0.0)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RouteStore:
    """Every engine."""
    if request.param == "memory":
        return MemoryRoutes()
    return SqliteRoutes(tmp_path / "state" / "routes.sqlite")


async def test_nothing_is_known_at_first(store: RouteStore) -> None:
    """Looking finds nothing and fails nowhere."""
    assert await store.lessons() == []
    assert await store.load("x") is None
    assert await store.names() == ()


async def test_lessons_come_back_oldest_first_and_by_place(store: RouteStore) -> None:
    """Whole, to the last field."""
    elsewhere = replace(LESSON, place=Place("key:bea"), call="call-1")
    later = replace(LESSON, at=NOON + timedelta(minutes=1), call="call-2", cost_nanousd=12)
    await store.add((LESSON, elsewhere))
    await store.add((later,))
    assert await store.lessons() == [LESSON, elsewhere, later]
    assert await store.lessons(HERE) == [LESSON, later]
    assert await store.lessons(HERE, most=1) == [later]


async def test_a_state_is_written_over(store: RouteStore) -> None:
    """The last one holds."""
    await store.save("b", b"1")
    await store.save("a", b"2")
    await store.save("b", b"3")
    assert await store.names() == ("a", "b")
    assert await store.load("b") == b"3"


async def test_states_are_changed_and_looked_at_at_one_moment(store: RouteStore) -> None:
    """What was saved after a number, whoever saved it; a change sees what was there before."""
    assert await store.exchange({}, -1) == (0 if isinstance(store, MemoryRoutes) else -1, {})
    await store.save("a", b"1")
    first, states = await store.exchange({}, -1)
    assert states == {"a": b"1"}
    second, states = await store.exchange(
        {"a": lambda was: (was or b"") + b"2", "c:1": lambda was: repr(was).encode()}, first
    )
    assert states == {"a": b"12", "c:1": b"None"}
    assert second > first
    await store.save("b", b"3")
    third, states = await store.exchange({}, second)
    assert states == {"b": b"3"}
    assert await store.exchange({}, third) == (third, {})


async def test_states_of_an_older_file_are_all_seen(tmp_path: Path) -> None:
    """Nobody has written since Scrimp was renewed; the first to write brings it up to date."""
    path = tmp_path / "routes.sqlite"
    (script,) = (Path(sqlite_routes.__file__).parent / "migrations").glob("routes_0001_*.sql")
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script.read_text())
        connection.execute(f"PRAGMA application_id = {sqlite_routes.APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
        connection.execute("INSERT INTO states VALUES ('certificate:1', x'78')")
        connection.commit()
    assert await SqliteRoutes(path).exchange({}, -1) == (-1, {"certificate:1": b"x"})


async def test_the_file_is_its_owners_alone_and_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0600 in a folder of 0700; the oldest of a place make room, those of others stay."""
    monkeypatch.setattr(sqlite_routes, "MOST_OF_A_PLACE", 3)
    path = tmp_path / "state" / "routes.sqlite"
    store = SqliteRoutes(path)
    other = replace(LESSON, place=Place("key:bea"))
    await store.add((other,))
    await store.add(tuple(replace(LESSON, call=f"call-{n}") for n in range(5)))
    assert [one.call for one in await store.lessons(HERE)] == ["call-2", "call-3", "call-4"]
    assert len(await store.lessons(other.place)) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_no_tenant_pushes_out_what_others_have_taught(
    store: RouteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has most gives up its oldest, whoever came last; reading is shared alike."""
    for module in (sqlite_routes, memory_routes):
        monkeypatch.setattr(module, "MOST", 12)
    small = [replace(LESSON, place=Place("key:bea"), call=f"bea-{n}") for n in range(3)]
    middle = [replace(LESSON, place=Place("key:cid"), call=f"cid-{n}") for n in range(4)]
    await store.add((*small, *middle))
    for number in range(40):
        flood = replace(LESSON, place=Place("key:ana", "general", str(number)))
        await store.add((replace(flood, call=f"ana-{number}"),))
    kept = [one.call for one in await store.lessons()]
    assert kept == [one.call for one in (*small, *middle)] + [f"ana-{n}" for n in range(35, 40)]
    few = [one.call for one in await store.lessons(most=6)]
    assert few == ["bea-1", "bea-2", "cid-2", "cid-3", "ana-38", "ana-39"]


@given(st.dictionaries(st.text("abcdef", min_size=1), st.integers(1, 50)), st.integers(0, 120))
def test_a_share_is_as_large_as_room_allows(counts: dict[str, int], most: int) -> None:
    """All together fit; with one more each they would not, or nobody has more."""
    each = share(counts, most)
    assert sum(min(count, each) for count in counts.values()) <= most
    more = sum(min(count, each + 1) for count in counts.values())
    assert more > most or each >= max(counts.values(), default=0)


async def test_writers_lose_nothing_of_each_other(tmp_path: Path) -> None:
    """Every lesson of every writer is there."""
    stores = [SqliteRoutes(tmp_path / "routes.sqlite") for _ in range(4)]
    async with asyncio.TaskGroup() as group:
        for number, one in enumerate(stores * 5):
            group.create_task(one.add((replace(LESSON, call=f"call-{number}"),)))
    assert len({one.call for one in await stores[0].lessons()}) == 20


async def test_a_foreign_or_damaged_file_is_named(tmp_path: Path) -> None:
    """Nothing is overwritten."""
    path = tmp_path / "routes.sqlite"
    path.write_bytes(b"no database" * 500)
    with pytest.raises(StoreError, match=r"routes\.sqlite"):
        await SqliteRoutes(path).lessons()
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE other (x)")
    with pytest.raises(StoreError, match="is not a file of what routes have learned"):
        await SqliteRoutes(path).add((LESSON,))
