"""Remembered replies as bytes: whole or nothing, small, of a format that stays readable."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrimp.calls import ReplyFacts, Usage
from scrimp.ports import CacheScope, StoredReply
from scrimp.stores.reply_codec import pack, unpack
from tests.support.core import NOON, answer_fields, reply_of

SCOPE = CacheScope("key:ci", "general")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(0, 2**62)


def stored(body: bytes, scope: CacheScope = SCOPE) -> StoredReply:
    """A reply for an hour."""
    return StoredReply(reply_of(body=body), NOON, NOON + timedelta(hours=1), scope)


@given(st.binary(max_size=5000), TEXTS, TEXTS, NUMBERS, NUMBERS)
def test_a_reply_comes_back_whole(
    body: bytes, tenant: str, model: str, went_in: int, came_out: int
) -> None:
    """Every field of it, whatever they hold."""
    facts = ReplyFacts(Usage(went_in, output_tokens=came_out), model, "truncated", error=tenant)
    reply = reply_of(body=body, facts=facts, framing="sse", cacheable=False)
    given_one = StoredReply(reply, NOON, NOON + timedelta(seconds=1), CacheScope(tenant, "x"))
    assert unpack(pack(given_one)) == given_one


@given(st.data())
def test_damaged_bytes_are_nothing(data: st.DataObject) -> None:
    """One bit that flipped, or an end that is missing: never another answer, and no error."""
    given_one = stored(answer_fields("A word to the wise is enough."))
    good = bytearray(pack(given_one))
    place = data.draw(st.integers(0, len(good) - 1))
    if data.draw(st.booleans()):
        good[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del good[place:]
    assert unpack(bytes(good)) in (None, given_one)  # the last bits of all are padding


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    """What is no reply is None."""
    assert unpack(data) is None
    assert unpack(b"\x01" + data) is None


@pytest.mark.parametrize("length", [0, 200, 2000])
def test_replies_get_small(length: int) -> None:
    """A third of its size, envelope and all, for an answer of ordinary words."""
    words = "Open the order, choose return, print the label, and post it within thirty days. "
    body = answer_fields((words * 30)[:length])
    assert len(pack(stored(body))) < (len(body) + 510) / 3


def test_the_first_format_stays_readable() -> None:
    """Bytes that the first version wrote: who changes the dictionary makes a new format."""
    assert unpack(FIRST) == stored(b'{"id":"chatcmpl-1","object":"chat.completion"}')


FIRST = bytes.fromhex(
    "0154963b8cc3199f9308c4e7a43515ba50efe866a600534561bc21388e8fe8a1173a86c0a488b3d4"
    "a9c59d26fa50d20427951305d3604e1525a945b9c5072089633552114c7642398c48282b4a0b2079"
    "1e914aaefdcffcadeb8094564002d601d014b32c3bb5d22a3913966400"
)
