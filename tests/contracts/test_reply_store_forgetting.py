"""What every store of remembered replies promises of names, tags, and what is to be forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from scrimp.errors import InvalidRequest
from scrimp.ports import CacheScope, ReplyStore, StoredReply
from scrimp.remembered import LOG_S, About, Chosen
from tests.support.core import NOON, FakeClock, answer_fields, reply_of
from tests.support.redis_server import RedisServer
from tests.support.reply_stores import open_store

SHARED = ("sqlite", "redis", "memory+sqlite", "memory+redis")
ENGINES = ("memory", *SHARED)
ANA = CacheScope("key:ana", "general")
BEN = CacheScope("key:ben", "code_review")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn."""
    name: str = request.param
    return name


@pytest.fixture
async def store(
    engine: str, clock: FakeClock, server: RedisServer, tmp_path: Path
) -> AsyncIterator[ReplyStore]:
    """An empty store."""
    async with AsyncExitStack() as stack:
        yield await open_store(stack, engine, clock, (tmp_path / "cache.sqlite", server.url))


def stored(
    clock: FakeClock,
    about: About,
    *,
    scope: CacheScope = ANA,
    text: str = "Certainly.",
    asked_at: datetime | None = None,
) -> StoredReply:
    """An answer of these words, for a week."""
    now = clock.now()
    reply = reply_of(body=answer_fields(text))
    return StoredReply(reply, now, now + timedelta(days=7), scope, about, asked_at)


async def fill(store: ReplyStore, clock: FakeClock) -> dict[str, StoredReply]:
    """Four answers; the last one is a day younger."""
    shelf = {
        "returns": stored(clock, About("faq/returns", ("shop", "policy"), "gpt-4o-mini")),
        "hours": stored(
            clock,
            About("faq/hours", ("shop",), "gpt-4o"),
            text="Open at nine, except [Sundays].",
        ),
        "ben": stored(clock, About("", ("policy",), "gpt-4o-mini"), scope=BEN),
    }
    for name, one in shelf.items():
        assert await store.put(name.encode(), one)
    clock.pass_by(24 * 3600)
    shelf["plain"] = stored(clock, About(model="gpt-4o"))
    assert await store.put(b"plain", shelf["plain"])
    return shelf


@pytest.mark.parametrize(
    ("chosen", "gone"),
    [
        (Chosen(key="faq/returns"), {"returns"}),
        (Chosen(key="faq"), set[str]()),
        (Chosen(tag="shop"), {"returns", "hours"}),
        (Chosen(tag="policy", tenant="key:ben"), {"ben"}),
        (Chosen(tag="policy", task="general"), {"returns"}),
        (Chosen(tag="shop", model="gpt-4o"), {"hours"}),
        (Chosen(tag="no such tag"), set[str]()),
        (Chosen(model="gpt-4o"), {"hours", "plain"}),
        (Chosen(tenant="key:ana"), {"returns", "hours", "plain"}),
        (Chosen(task="code_review"), {"ben"}),
        (Chosen(stored_before=NOON + timedelta(hours=1)), {"returns", "hours", "ben"}),
        (Chosen(stored_before=NOON), set[str]()),
        (Chosen(pattern="FAQ/*"), {"returns", "hours"}),
        (Chosen(pattern="poli?y"), {"returns", "ben"}),
        (Chosen(pattern="*at NINE*"), {"hours"}),
        (Chosen(pattern="*[[]sundays]*"), {"hours"}),
        (Chosen(pattern="faq/*", model="gpt-4o"), {"hours"}),
        (Chosen(pattern="*", tenant="key:nobody"), set[str]()),
    ],
)
async def test_what_is_chosen_is_forgotten(
    store: ReplyStore, clock: FakeClock, chosen: Chosen, gone: set[str]
) -> None:
    """All of it and nothing else; counting first says the same number and forgets nothing."""
    shelf = await fill(store, clock)
    assert await store.invalidate(chosen, dry_run=True) == len(gone)
    assert {name for name in shelf if await store.get(name.encode()) is None} == set()
    assert await store.invalidate(chosen) == len(gone)
    assert {name for name in shelf if await store.get(name.encode()) is None} == gone
    clock.pass_by(10)  # memory in front asks again what lies behind
    assert {name for name in shelf if await store.get(name.encode()) != shelf[name]} == gone


async def test_everything_it_says_comes_back(store: ReplyStore, clock: FakeClock) -> None:
    """Name, tags and model of an answer, and when it was asked for."""
    about = About("faq/ä", ("eins", "zwei"), "gpt-4o-mini")
    given = stored(clock, about, asked_at=clock.now() - timedelta(seconds=3))
    assert await store.put(b"a", given)
    await store.stats()
    clock.pass_by(10)
    assert await store.get(b"a") == given


async def test_many_long_tags_are_found_all_the_same(store: ReplyStore, clock: FakeClock) -> None:
    """Sixteen of 128 characters: the last one, too."""
    tags = tuple(f"{number:02}" + "é" * 126 for number in range(16))
    await store.put(b"a", stored(clock, About("name", tags, "gpt-4o")))
    await store.put(b"b", stored(clock, About("name", tags[:-1], "gpt-4o")))
    assert await store.invalidate(Chosen(tag=tags[-1])) == 1
    assert await store.get(b"a") is None
    assert await store.get(b"b") is not None


async def test_a_newer_answer_has_the_tags_of_its_own(store: ReplyStore, clock: FakeClock) -> None:
    """Those of the answer before are no longer its own."""
    await store.put(b"a", stored(clock, About("old", ("one", "both"))))
    await store.put(b"a", stored(clock, About("new", ("both", "two"))))
    await store.stats()
    assert await store.invalidate(Chosen(tag="one")) == 0
    assert await store.invalidate(Chosen(key="old")) == 0
    await store.put(b"a", stored(clock, About()))
    assert await store.invalidate(Chosen(tag="both")) == 0
    assert await store.get(b"a") is not None


async def test_nothing_chosen_is_refused(store: ReplyStore, clock: FakeClock) -> None:
    """Forgetting all has a name of its own: clear."""
    await store.put(b"a", stored(clock, About()))
    with pytest.raises(InvalidRequest, match="nothing says which answers"):
        await store.invalidate(Chosen())
    assert await store.get(b"a") is not None


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_pattern_that_may_mean_questions_is_refused(
    store: ReplyStore, clock: FakeClock, *, dry_run: bool
) -> None:
    """With how many it could have meant; the store goes on, and an answer in the air is kept."""
    asked_at = clock.now()
    await store.put(b"a", stored(clock, About("faq/returns")))
    await store.put(b"b", stored(clock, About(), scope=BEN))
    clock.pass_by(1)
    with pytest.raises(InvalidRequest, match=r"of 2 remembered replies.*questions are not kept"):
        await store.invalidate(Chosen(pattern="*bereavement*"), dry_run=dry_run)
    with pytest.raises(InvalidRequest, match="of 1 remembered replies"):
        await store.invalidate(Chosen(pattern="*x*y*z*", tenant="key:ben"), dry_run=dry_run)
    late = stored(clock, About("bereavement"), asked_at=asked_at)
    assert await store.put(b"c", late)
    assert await store.get(b"c") == late


async def test_an_answer_in_the_air_is_forgotten_too(store: ReplyStore, clock: FakeClock) -> None:
    """Asked for before, put after: not kept. Another one is, and one that was asked for after."""
    asked_at = clock.now()
    clock.pass_by(2)
    assert await store.invalidate(Chosen(tag="policy")) == 0
    clock.pass_by(2)
    old = stored(clock, About("", ("policy",)), asked_at=asked_at)
    other = stored(clock, About("", ("shop",)), asked_at=asked_at)
    assert not await store.put(b"old", old)
    assert await store.get(b"old") is None
    assert await store.put(b"other", other)
    clock.pass_by(2)
    new = stored(clock, About("", ("policy",)), asked_at=clock.now())
    assert await store.put(b"new", new)
    assert await store.get(b"other") == other


async def test_clearing_reaches_the_air_too(store: ReplyStore, clock: FakeClock) -> None:
    """Of one tenant for that tenant alone, of all for all."""
    asked_at = clock.now()
    clock.pass_by(2)
    await store.clear("key:ana")
    clock.pass_by(2)
    assert not await store.put(b"a", stored(clock, About(), asked_at=asked_at))
    assert await store.put(b"b", stored(clock, About(), scope=BEN, asked_at=asked_at))
    await store.clear()
    assert not await store.put(b"b", stored(clock, About(), scope=BEN, asked_at=asked_at))
    assert await store.get(b"b") is None


async def test_what_was_asked_too_long_ago_is_not_kept(store: ReplyStore, clock: FakeClock) -> None:
    """Nobody knows any more what was forgotten since."""
    asked_at = clock.now()
    await store.clear()
    clock.pass_by(LOG_S + 1)
    await store.invalidate(Chosen(tag="another"))
    assert not await store.put(b"a", stored(clock, About(), asked_at=asked_at))


@pytest.mark.parametrize("engine", SHARED)
async def test_processes_forget_for_each_other(
    engine: str, clock: FakeClock, server: RedisServer, tmp_path: Path
) -> None:
    """What one forgets, another that waits for an answer does not put, not even in its memory."""
    async with AsyncExitStack() as stack:
        place = tmp_path / "cache.sqlite", server.url
        one, other = [
            await open_store(stack, engine, clock, place, name=f"forget-{engine}") for _ in range(2)
        ]
        given = stored(clock, About("", ("policy",)))
        await one.put(b"a", given)
        await one.stats()
        assert await other.get(b"a") == given
        asked_at = clock.now()
        clock.pass_by(1)
        assert await other.invalidate(Chosen(tag="policy")) == 1
        clock.pass_by(1)
        late = stored(clock, About("", ("policy",)), asked_at=asked_at)
        assert not await one.put(b"b", late)
        assert await one.get(b"b") is None
        clock.pass_by(5)
        assert await one.get(b"a") is None


@pytest.mark.parametrize("engine", ENGINES)
async def test_no_old_answer_survives_a_crowd(store: ReplyStore, clock: FakeClock) -> None:
    """Many who ask and put while another forgets: what was asked before is nowhere in the end."""
    about = About("", ("policy",))
    asked_at = clock.now()
    clock.pass_by(1)

    async def answer(number: int) -> None:
        for _ in range(number % 7):
            await asyncio.sleep(0)
        await store.put(b"%d" % number, stored(clock, about, asked_at=asked_at))

    async def forget() -> None:
        await asyncio.sleep(0)
        await store.invalidate(Chosen(tag="policy"))

    async with asyncio.TaskGroup() as group:
        for number in range(100):
            group.create_task(answer(number))
            if number == 50:
                group.create_task(forget())
    await store.stats()
    clock.pass_by(10)
    kept = [number for number in range(100) if await store.get(b"%d" % number) is not None]
    assert kept == []
    assert await store.invalidate(Chosen(tag="policy")) == 0


@pytest.mark.parametrize(
    "chosen",
    [
        Chosen(tag="\udce9"),
        Chosen(key="x\ud83d"),
        Chosen(pattern="\udfff*"),
        Chosen(tenant="\ud800"),
    ],
    ids=["tag", "key", "pattern", "tenant"],
)
async def test_words_that_are_no_text_are_refused_and_nothing_ends(
    store: ReplyStore, clock: FakeClock, chosen: Chosen
) -> None:
    """Half of a surrogate pair, as a terminal may send it: said at once, and all goes on."""
    kept = await fill(store, clock)
    with pytest.raises(InvalidRequest, match="no text"):
        await store.invalidate(chosen)
    with pytest.raises(InvalidRequest):
        await store.clear("\udce9")
    assert (await store.stats()).entries == len(kept)
