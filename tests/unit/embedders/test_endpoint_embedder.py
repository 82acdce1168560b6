"""An embeddings endpoint in every mood: whose vector is whose; one failure sinks nobody else."""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import msgspec
import pytest

from scrimp.embedders.batching import BatchLimits
from scrimp.embedders.endpoint import EndpointEmbedder, EndpointOptions, Spent
from scrimp.errors import StoreError, UpstreamError
from tests.support.embedding import (
    DIMS,
    Said,
    ScriptedUpstream,
    item,
    numbers_of,
    running,
    said,
    well,
)

OPTIONS = EndpointOptions(
    "p", "m", DIMS, limits=BatchLimits(window_s=0, timeout_s=10, pauses_s=(3600.0,))
)
TEXTS = ("one", "two", "three", "four", "five")


def unit(text: str) -> bytes:
    """The vector that a right answer gives this text."""
    numbers = numbers_of(text)
    length = math.sqrt(sum(one * one for one in numbers))
    return struct.pack("<4f", *(one / length for one in numbers))


async def embedded(upstream: ScriptedUpstream, *texts: str) -> tuple[bytes, ...]:
    """The vectors by an embedder of its own."""
    embedder = EndpointEmbedder(upstream, OPTIONS)
    async with running(embedder):
        return await embedder.embed(texts)


async def each(upstream: ScriptedUpstream, *texts: str) -> list[bytes | str]:
    """One caller per text, at once, in one batch: vector or error of each."""
    embedder = EndpointEmbedder(upstream, OPTIONS)

    async def one(text: str) -> bytes | str:
        try:
            return (await embedder.embed((text,)))[0]
        except StoreError as error:
            return str(error)

    async with running(embedder), asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(text)) for text in texts]
    return [task.result() for task in tasks]


def same(found: bytes, expected: bytes) -> bool:
    """Within a float32's last digit."""
    pairs = zip(struct.unpack("<4f", found), struct.unpack("<4f", expected), strict=True)
    return all(math.isclose(a, b, abs_tol=1e-6) for a, b in pairs)


async def test_vectors_are_at_length_one_in_the_order_of_the_texts() -> None:
    """Whatever order the answer has, as base64 or as lists, with or without an index."""
    orders: list[Callable[[list[str]], Said]] = [
        well,
        lambda texts: said([item(i, numbers_of(t)) for i, t in reversed([*enumerate(texts)])]),
        lambda texts: said(
            [{"index": i, "embedding": numbers_of(t)} for i, t in enumerate(texts)], None
        ),
        lambda texts: said([{"embedding": numbers_of(t)} for t in texts]),
    ]
    for script in orders:
        upstream = ScriptedUpstream(script)
        found = await embedded(upstream, *TEXTS)
        assert all(same(*pair) for pair in zip(found, map(unit, TEXTS), strict=True))
        assert upstream.ends == ["released"]


async def test_the_request_is_the_wire_shape() -> None:
    """Model, texts, base64; a length only where the model has several."""
    upstream = ScriptedUpstream()
    await embedded(upstream, "a")
    assert upstream.fields == [{"model": "m", "input": ["a"], "encoding_format": "base64"}]
    embedder = EndpointEmbedder(upstream, replace(OPTIONS, send_dims=True))
    async with running(embedder):
        await embedder.embed(("a",))
    assert upstream.fields[1]["dimensions"] == DIMS
    assert (embedder.id, embedder.dims) == ("p:m/4/1", DIMS)


async def test_texts_are_made_fit() -> None:
    """No endpoint takes an empty text, half a character, or a book."""
    upstream = ScriptedUpstream()
    await embedded(upstream, "", "\ud800x", "y" * 100_000)
    assert upstream.asked == [[" ", "?x", "y" * 16_000]]


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_one_refused_text_does_not_sink_the_batch(status: int) -> None:
    """The batch is halved until it stands alone; each other text has its vector."""

    def script(texts: list[str]) -> Said:
        return Said(status=status) if "bad" in texts else well(texts)

    texts = [f"t{number}" for number in range(99)]
    texts.insert(60, "bad")
    upstream = ScriptedUpstream(script)
    found = await each(upstream, *texts)
    for text, one in zip(texts, found, strict=True):
        if text == "bad":
            assert (
                one == f"embedder 'p:m/4/1' answered with status {status}: it does not take a text"
            )
        else:
            assert isinstance(one, bytes)
            assert same(one, unit(text))
    assert len(upstream.asked) <= 1 + 2 * 7


async def test_when_all_are_refused_there_is_an_end() -> None:
    """No more than some dozens of requests, whatever is refused."""
    upstream = ScriptedUpstream(lambda _texts: Said(status=400))
    found = await each(upstream, *(f"t{number}" for number in range(100)))
    assert all(isinstance(one, str) for one in found)
    assert len(upstream.asked) <= 34


async def test_a_text_that_breaks_the_server_is_found_too() -> None:
    """A 500 that stays with one half of the texts is theirs, not the server's."""

    def script(texts: list[str]) -> Said:
        return Said(status=500) if "bad" in texts else well(texts)

    found = await each(ScriptedUpstream(script), "a", "b", "bad", "c", "d")
    assert [isinstance(one, bytes) for one in found] == [True, True, False, True, True]


Once = Callable[[list[str]], Said | UpstreamError]
PASSING: dict[str, Once] = {
    "429": lambda _texts: Said(status=429),
    "500": lambda _texts: Said(status=500),
    "no connection": lambda _texts: UpstreamError("cannot be reached", status=502, sent=False),
    "cut": lambda texts: replace(well(texts), broken=True),
    "half a body": lambda texts: replace(well(texts), body=well(texts).body[:40]),
    "not JSON": lambda _texts: Said(b"<html>"),
    "too many": lambda texts: said([item(i, numbers_of("x")) for i in range(len(texts) + 1)]),
    "twice": lambda texts: said([item(0, numbers_of(t)) for t in (*texts, "x")]),
    "endless": lambda _texts: Said(b" " * (2 << 20)),
}


@pytest.mark.parametrize("kind", PASSING)
async def test_what_passes_is_tried_once_more(kind: str) -> None:
    """The second answer counts, and the caller sees nothing of the first."""
    seen: list[int] = []

    def script(texts: list[str]) -> Said | UpstreamError:
        seen.append(1)
        return PASSING[kind](texts) if len(seen) == 1 else well(texts)

    found = await embedded(ScriptedUpstream(script), "a", "b")
    assert [same(one, unit(text)) for one, text in zip(found, "ab", strict=True)] == [True, True]
    assert len(seen) == 2


@pytest.mark.parametrize("kind", PASSING)
async def test_what_does_not_pass_is_an_error_and_the_server_is_left_alone(kind: str) -> None:
    """Four requests at most; then nobody asks for a while, and is told so."""
    upstream = ScriptedUpstream(PASSING[kind])
    embedder = EndpointEmbedder(upstream, OPTIONS)
    async with running(embedder):
        with pytest.raises(StoreError, match="embedder 'p:m/4/1'"):
            await embedder.embed(("a", "b"))
        asked = len(upstream.asked)
        assert asked <= 4
        with pytest.raises(StoreError, match="it is asked again in"):
            await embedder.embed(("c",))
        assert len(upstream.asked) == asked


async def test_a_long_retry_after_is_believed_and_not_waited_for() -> None:
    """One request, an error, a pause."""
    upstream = ScriptedUpstream(lambda _texts: Said(status=429, headers=(("retry-after", "20"),)))
    embedder = EndpointEmbedder(upstream, replace(OPTIONS, limits=BatchLimits(window_s=0)))
    async with running(embedder):
        for _ in range(2):
            with pytest.raises(StoreError, match="429"):
                await embedder.embed(("a", "b"))
    assert len(upstream.asked) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 301])
async def test_a_wrong_key_or_address_is_not_tried_again(status: int) -> None:
    """It says where to look."""
    upstream = ScriptedUpstream(lambda _texts: Said(b"secret body", status=status))
    with pytest.raises(StoreError, match=f"status {status} .look at its address, model and key"):
        await embedded(upstream, "a", "b")
    assert len(upstream.asked) == 1


BROKEN = {
    "wrong length": ([1.0, 2.0], "has 2 numbers, 4 are expected"),
    "zero": ([0.0] * 4, "no direction"),
    "not a number": ([math.nan, 1.0, 1.0, 1.0], "no direction"),
    "infinite": ([math.inf, 1.0, 1.0, 1.0], "no direction"),
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_broken_vector_is_its_own_texts_trouble(kind: str) -> None:
    """Nothing wrong is stored, and the others of the batch have theirs."""
    vector, why = BROKEN[kind]

    def script(texts: list[str]) -> Said:
        return said([item(i, vector if t == "bad" else numbers_of(t)) for i, t in enumerate(texts)])

    good, bad, also = await each(ScriptedUpstream(script), "good", "bad", "also")
    assert isinstance(good, bytes)
    assert isinstance(also, bytes)
    assert isinstance(bad, str)
    assert why in bad


async def test_a_text_without_a_vector_is_told() -> None:
    """An answer that leaves one out is used for the others."""

    def script(texts: list[str]) -> Said:
        return said([item(i, numbers_of(t)) for i, t in enumerate(texts) if t != "lost"])

    found = await each(ScriptedUpstream(script), "a", "lost", "b")
    assert [isinstance(one, bytes) for one in found] == [True, False, True]
    assert "no vector came" in str(found[1])


async def test_every_answered_request_is_told_to_be_booked() -> None:
    """With the tokens that it says, also when its vectors cannot be used; refusals cost nothing."""
    spent: list[Spent] = []
    answers = iter([Said(status=500), said([], 7)])

    def script(texts: list[str]) -> Said:
        return next(answers, None) or said(
            [item(i, numbers_of(t)) for i, t in enumerate(texts)], None
        )

    embedder = EndpointEmbedder(ScriptedUpstream(script), OPTIONS, spent.append)
    async with running(embedder):
        with pytest.raises(StoreError, match="no vector came"):
            await embedder.embed(("a", "b"))
        await embedder.embed(("a",))
    assert spent == [Spent("p", "m", 2, 7), Spent("p", "m", 1, None)]


async def test_no_error_holds_a_text() -> None:
    """Errors are logged and shown: a prompt in one would be a leak."""
    secret = "my account number is 4711"
    body = msgspec.json.encode({"error": {"message": f"cannot take: {secret}"}})
    for status in (400, 401, 429, 500, 200):
        answer = Said(body, status=status)
        with pytest.raises(StoreError) as caught:
            await embedded(ScriptedUpstream(partial(_always, answer)), secret)
        assert "4711" not in str(caught.value)
        assert "4711" not in repr(caught.value.__cause__)


def _always(answer: Said, _texts: list[str]) -> Said:
    return answer
