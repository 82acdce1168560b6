"""Embed and embed_many: vectors in order, few requests, the provider's bill, budgets, progress."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

import scrimp
from scrimp.client.vectors import Progress
from scrimp.errors import BudgetExceeded, InvalidRequest, UnknownModel, UpstreamError
from scrimp.money import decimal_usd
from tests.support.library import Library


def texts(count: int) -> list[str]:
    """So many that differ."""
    return [f"Sentence number {number} of some." for number in range(count)]


def inputs(lib: Library) -> list[list[str]]:
    """What each request held."""
    return [json.loads(one.body)["input"] for one in lib.sim.requests]


def test_one_text_has_one_vector_and_its_cost(lib: Library) -> None:
    """The bill is the provider's; asked again it comes from memory, free of charge."""
    first = lib.scrimp.embed("A sentence.")
    again = lib.scrimp.embed("A sentence.")
    assert len(first.vector) == 1536
    assert first.vector == again.vector
    assert first.cost == Decimal(decimal_usd(lib.sim.bill.total_nanousd))
    assert (first.source, again.source, again.cost_nanousd) == ("upstream", "exact_cache", 0)
    assert (first.model, first.provider) == ("text-embedding-3-small", "openai")
    assert first.tokens > 0


def test_many_texts_take_few_requests_and_keep_their_order(lib: Library) -> None:
    """250 texts: three requests; each vector is that of its own text; costs add up."""
    given = texts(250)
    heard: list[Progress] = []
    found = lib.scrimp.embed_many(given, progress=heard.append, user="anna")
    alone = lib.scrimp.embed(given[137])
    entries = lib.entries()[:3]
    assert sorted(map(len, inputs(lib)[:3])) == [50, 100, 100]
    assert len(found) == 250
    assert found[137] == alone.vector
    assert len(set(found)) == 250
    bill = sum(entry.cost_nanousd or 0 for entry in entries)
    assert found.cost_nanousd == bill
    assert sum(row.billed_nanousd for row in lib.sim.bill.rows[:3]) == bill
    assert max(one.done for one in heard) == 250
    assert [one.total for one in heard] == [250] * 3
    assert heard[-1].cost_nanousd == found.cost_nanousd
    assert {entry.user for entry in entries} == {"anna"}
    assert {entry.task for entry in entries} == {"embedding"}


async def test_awaited_it_is_the_same(lib: Library) -> None:
    """`aembed_many` and `aembed` on the caller's own loop."""
    many = await lib.scrimp.aembed_many(texts(5), batch=2, dimensions=64)
    one = await lib.scrimp.aembed(texts(5)[4], dimensions=64)
    assert [len(vector) for vector in many] == [64] * 5
    assert one.vector == many[4]
    assert sorted(map(len, inputs(lib)[:3])) == [1, 2, 2]


async def test_single_texts_of_one_moment_share_a_request(lib: Library) -> None:
    """Thirty tasks: fewer requests than texts, each its own vector, the parts are the bill."""
    await lib.scrimp.aembed("to begin with")
    given = texts(30)
    found = await asyncio.gather(*(lib.scrimp.aembed(text) for text in given))
    many = await lib.scrimp.aembed_many(given, model="text-embedding-3-large")
    assert len(many) == 30
    requests = inputs(lib)[1:-1]
    assert len(requests) < 30
    assert sorted(text for one in requests for text in one) == sorted(given)
    assert len({one.vector for one in found}) == 30
    parts = sum(one.cost_nanousd or 0 for one in found)
    assert parts == sum(entry.cost_nanousd or 0 for entry in lib.entries()[1:-1])


def test_threads_share_requests_too(lib: Library) -> None:
    """Eight threads; no text waits for company that does not come."""
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lib.scrimp.embed, texts(8)))
    again = lib.scrimp.embed_many(texts(8), model="text-embedding-3-small")
    assert [one.vector for one in found] == list(again)


def test_users_and_budgets_never_share_a_request(lib: Library) -> None:
    """Each request is paid by those whose texts it holds."""
    with ThreadPoolExecutor(8) as pool:
        calls = [
            pool.submit(lib.scrimp.embed, f"{user}: {text}", user=user)
            for text in texts(4)
            for user in ("anna", "ben")
        ]
        assert all(call.result().vector for call in calls)
    for held in inputs(lib):
        assert len({text.partition(":")[0] for text in held}) == 1


def test_a_text_that_is_refused_sinks_no_other(lib: Library) -> None:
    """The provider takes no text of that length: its own caller has the error, and no other."""
    long = "word " * 9000
    with ThreadPoolExecutor(3) as pool:
        bad = pool.submit(lib.scrimp.embed, long)
        good = [pool.submit(lib.scrimp.embed, text) for text in texts(2)]
        assert all(call.result().vector for call in good)
        with pytest.raises(UpstreamError):
            bad.result()


def test_a_budget_holds_for_vectors(lib: Library) -> None:
    """What a block may spend holds for all requests in it."""
    with scrimp.budget(usd="0.0000001"), pytest.raises(BudgetExceeded):
        lib.scrimp.embed_many(texts(500))
    assert lib.sim.bill.total_nanousd == 0


def test_a_failed_run_pays_for_nothing_twice(lib: Library) -> None:
    """Asked again, requests that were answered come from memory."""
    given = texts(40)
    first = lib.scrimp.embed_many(given[:20], batch=10)
    again = lib.scrimp.embed_many(given, batch=10)
    assert again.vectors[:20] == first.vectors
    assert sum(map(len, inputs(lib))) == 40


def test_what_cannot_be_is_said_first(lib: Library) -> None:
    """Nothing was sent."""
    cases: list[tuple[Any, type[Exception], str]] = [
        (lambda: lib.scrimp.embed(""), InvalidRequest, "text 0 is empty"),
        (lambda: lib.scrimp.embed_many(["a", ""]), InvalidRequest, "text 1 is empty"),
        (lambda: lib.scrimp.embed_many(["a"], batch=0), InvalidRequest, "batch is 0"),
        (lambda: lib.scrimp.embed("a", dimensions=-1), InvalidRequest, "dimensions is -1"),
        (lambda: lib.scrimp.embed("a", model="nobody/knows"), UnknownModel, "nobody"),
    ]
    for call, kind, said in cases:
        with pytest.raises(kind, match=said):
            call()
    assert len(lib.scrimp.embed_many([])) == 0
    assert not lib.sim.requests


def test_a_progress_that_fails_ends_the_run(lib: Library) -> None:
    """Its error is the caller's, as it was raised."""

    def broken(progress: Progress) -> None:
        raise KeyError(progress.done)

    with pytest.raises(KeyError):
        lib.scrimp.embed_many(texts(3), progress=broken)
    assert lib.scrimp.embed("still here").vector
