"""No text breaks counting, and what is said of it is what plain tiktoken says of its pieces."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from unittest import mock

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp.encoders import TiktokenEncoder
from scrimp.encoders import pieces as module
from scrimp.encoders.pieces import MAX_PIECE, count_tokens, pieces, whole_characters
from scrimp.encoders.vocabulary import Ordinary
from scrimp.tokens.encodings import CL100K, O200K
from tests.support.hostile import HOSTILE
from tests.support.vocabularies import shared_encoder, shared_vocabulary

KINDS = sorted(HOSTILE)
MODEL_OF = {CL100K: "gpt-4", O200K: "gpt-4o"}


def _plain(name: str, text: str) -> int:
    return len(shared_vocabulary(name).encode_ordinary(text))


def _plain_pieces(name: str, text: str) -> Iterator[int]:
    return (_plain(name, piece) for piece, _ in pieces(text))


@pytest.mark.parametrize("name", [CL100K, O200K])
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_texts_count_as_plain_tiktoken_counts_them(kind: str, name: str) -> None:
    """Exactly, while they are no longer than one piece."""
    text = HOSTILE[kind](20_000)
    count = shared_encoder().count_now(MODEL_OF[name], text)
    assert count.low == count.tokens == count.high == _plain(name, text)


@pytest.mark.parametrize("kind", KINDS)
def test_long_hostile_texts_count_as_their_pieces(kind: str) -> None:
    """The sum over pieces, with a doubt of a few tokens for each cut that was forced."""
    text = HOSTILE[kind](MAX_PIECE + 60_000)
    tokens, doubt = count_tokens(Ordinary(shared_vocabulary(O200K)), text)
    assert tokens == sum(_plain_pieces(O200K, text))
    assert doubt == 16 * sum(forced for _, forced in pieces(text))


@pytest.mark.parametrize("kind", ["random letters", "a", "mixed newlines", "joined emoji"])
def test_a_forced_cut_is_within_its_doubt(kind: str) -> None:
    """Plain tiktoken, which can take these whole, is inside the range."""
    text = HOSTILE[kind](MAX_PIECE + 60_000)
    count = shared_encoder().count_now("gpt-4o", text)
    assert count.low <= _plain(O200K, text) <= count.high
    assert count.high - count.low <= 64


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(KINDS), st.integers(1, 40)) | st.text(max_size=20), max_size=12
    )
)
def test_any_mixture_counts_exactly(parts: list[tuple[str, int] | str]) -> None:
    """Hostile kinds among each other and among words."""
    text = "".join(one if isinstance(one, str) else HOSTILE[one[0]](one[1]) for one in parts)
    count = shared_encoder().count_now("gpt-4o", text)
    assert count.low == count.tokens == count.high == _plain(O200K, text)


async def test_many_long_texts_at_once_take_few_threads() -> None:
    """They wait for each other; the loop turns meanwhile, and all get the right count."""
    encoder = TiktokenEncoder()
    await encoder.count("gpt-4o", ("Hi",))
    texts = [f"{number} {HOSTILE['random letters'](40_000)}" for number in range(6)]
    turns, done = 0, asyncio.Event()
    before, threads = set(threading.enumerate()), set[threading.Thread]()

    async def turn() -> None:
        nonlocal turns
        while not done.is_set():
            turns += 1
            threads.update(
                one
                for one in set(threading.enumerate()) - before
                if one.name.startswith("scrimp count")
            )
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(turn())
        fields = [{"messages": [{"role": "user", "content": text}]} for text in texts]
        counts = await asyncio.gather(
            *(encoder.count_request("gpt-4o", one, "openai.chat") for one in fields)
        )
        done.set()
    assert [count.tokens for count in counts] == [_plain(O200K, text) + 7 for text in texts]
    assert 1 <= len(threads) <= 2
    assert turns > len(texts)
    await encoder.close()
    assert not [one for one in threads if one.is_alive()]


async def test_whoever_leaves_takes_its_place_in_the_queue_along() -> None:
    """Counts that nobody waits for any more are not begun."""
    encoder = TiktokenEncoder()
    await encoder.count("gpt-4o", ("Hi",))
    text, memo = HOSTILE["random letters"](400_000), encoder._loaded[O200K].memo
    known = len(memo)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(encoder.count("gpt-4o", (f"{number}{text}",))) for number in range(40)
        ]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
    await encoder.close()
    assert all(task.cancelled() for task in tasks)
    assert len(memo) - known <= 2


@given(st.text(st.sampled_from("\ud83d\ude00\ud800\udfffa \u4e2d\U0001f600"), max_size=60))
def test_halves_of_characters_are_mended_as_tiktoken_mends_them(text: str) -> None:
    """Also when a pair stands where the text is worked on in parts."""
    expected = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    for size in (1, 2, 3, 64):
        with mock.patch.object(module, "_CHUNK", size):
            assert whole_characters(text) == expected


@settings(max_examples=60)
@given(st.text(min_size=1, max_size=30), st.sampled_from(KINDS))
def test_ids_that_are_only_counted_are_as_many(text: str, kind: str) -> None:
    """Whichever way of tiktoken's is taken, for short texts and long ones."""
    plain = shared_vocabulary(O200K)
    long = text + HOSTILE[kind](1000) + text
    whole = whole_characters(long)
    assert Ordinary(plain).count(whole) == len(plain.encode_ordinary(long))
    with mock.patch.object(Ordinary, "__init__", _without_buffer):
        assert Ordinary(plain).count(whole) == len(plain.encode_ordinary(long))


def _without_buffer(ordinary: Ordinary, encoding: tiktoken.Encoding) -> None:
    ordinary._to_list, ordinary._to_buffer = encoding.encode_ordinary, None
