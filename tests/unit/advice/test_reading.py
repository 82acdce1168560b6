"""What a paid call is known by: equal for what is equal, and no word of it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.advice.reading import MOST_BEGINNING_BYTES, MOST_BYTES, Reader
from scrimp.calls import Call, Caller
from scrimp.dialects import DIALECTS
from scrimp.levers.record import Record
from scrimp.remembered import CacheControl
from scrimp.traits import Traits
from tests.support.core import (
    FakeClock,
    ListLedger,
    ListOutbox,
    attempt_of,
    call_of,
    chat_fields,
    flat_price,
    reply_of,
)

READ = Reader(DIALECTS, b"a secret of this folder")
STAMP = "2026-11-23T03:11:{:02d}Z"


def asked(text: str, system: str = "You are terse.", **more: Any) -> Call:
    """A chat with a system prompt."""
    turns = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    return call_of(chat_fields(**{**more, "messages": turns}))


def test_equal_calls_are_known_by_equal_digests() -> None:
    """Whoever asks, streamed or not."""
    one, other = READ(asked("hi")), READ(asked("hi", stream=True))
    assert one.prompt == other.prompt
    assert replace(one, body_bytes=0) == replace(other, body_bytes=0)
    assert READ(asked("ho")).prompt != one.prompt
    assert READ(asked("ho")).system == one.system


def test_a_stamp_makes_another_prompt_and_the_same_without_it() -> None:
    """Only texts with stamps have the second digest at all."""
    one, other = READ(asked(STAMP.format(1))), READ(asked(STAMP.format(2)))
    assert one.prompt != other.prompt
    assert one.stamped == other.stamped is not None
    assert READ(asked("no stamp")).stamped is None
    assert READ(asked("Say  HI")).loose == READ(asked("say hi")).loose


def test_a_stamp_in_the_instructions_is_seen() -> None:
    """It breaks the provider's prefix cache."""
    one, other = (READ(asked("x", system=f"Now: {STAMP.format(s)}.")) for s in (1, 2))
    assert one.system != other.system
    assert one.system_stamped == other.system_stamped is not None


def test_what_was_read_before_is_read_as_at_first() -> None:
    """With a stamp and without one."""
    rules = "Answer by the handbook. " * 20
    calls = [
        asked(text, system=system)
        for system in (rules, rules + STAMP.format(1), rules + STAMP.format(2), rules + "\0")
        for text in ("x", STAMP.format(3), rules)
    ]
    reader = Reader(DIALECTS, b"another secret")
    first = [reader(call) for call in calls]
    assert [reader(call) for call in calls] == first
    assert [Reader(DIALECTS, b"another secret")(call) for call in calls] == first
    assert first[3].system_stamped == first[6].system_stamped is not None


def test_a_stamp_in_long_instructions_is_seen_too() -> None:
    """They cost the most when their prefix breaks, though such a body is compared with no other."""
    rules = "Answer by the handbook. " * (2 * MOST_BYTES // 24)
    one, other = (READ(asked("x", system=f"Now: {STAMP.format(s)}. {rules}")) for s in (1, 2))
    assert one.system != other.system
    assert one.system_stamped == other.system_stamped is not None
    assert one.stamped is None
    assert READ(asked("x", system=rules)).system_stamped is None
    endless = rules * (MOST_BEGINNING_BYTES // len(rules) + 1)
    assert READ(asked("x", system=f"{STAMP.format(1)} {endless}")).system_stamped is None


def test_tenants_and_folders_have_nothing_in_common() -> None:
    """The same words have other digests for another tenant, and under another secret."""
    call = asked("hi")
    theirs = READ(replace(call, caller=Caller("other")))
    elsewhere = Reader(DIALECTS, b"another secret")(call)
    mine = READ(call)
    for name in ("prompt", "loose", "system"):
        assert len({getattr(one, name) for one in (mine, theirs, elsewhere)}) == 3


@pytest.mark.parametrize(
    "more", [{"n": 2}, {"temperature": 1.5}, {"web_search_options": {}}, {"store": True}]
)
def test_what_is_never_answered_from_memory_has_no_digest_of_its_prompt(
    more: dict[str, Any],
) -> None:
    """Such calls are no missed hits."""
    assert READ(asked("hi", **more)).prompt is None
    assert READ(asked("hi", **more)).system is not None


def test_who_wants_a_new_answer_misses_none() -> None:
    """x-scrimp-cache: refresh and no-store."""
    for cache in (CacheControl("refresh"), CacheControl("no-store"), CacheControl(ttl_s=0)):
        assert READ(replace(asked("hi"), cache=cache)).prompt is None


def test_sizes_are_those_of_the_call() -> None:
    """The results of tools, the cap, and marks of the client's own."""
    turns = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f"}}]},
        {"role": "tool", "tool_call_id": "a", "content": "x" * 100},
        {"role": "user", "content": [{"type": "text", "text": "y", "cache_control": {}}]},
    ]
    found = READ(call_of(chat_fields(messages=turns, max_tokens=7)))
    assert (found.result_bytes, found.max_output_tokens, found.own_marks) == (100, 7, True)
    assert (found.system, found.system_bytes) == (None, 0)


def test_a_long_conversation_is_not_searched_for_stamps() -> None:
    """It does not come again; its own digest is still there."""
    found = READ(asked(STAMP.format(1) + "x" * MOST_BYTES))
    assert found.prompt is not None
    assert (found.stamped, found.loose) == (None, None)


async def test_only_what_was_paid_for_is_read() -> None:
    """A hit, a shadow or an odd body costs nothing and fails nothing."""
    read: list[Call] = []

    def of(call: Call) -> Traits:
        read.append(call)
        raise ValueError

    ledger = ListLedger()
    record = Record(ledger, ListOutbox(), FakeClock(), flat_price, keep_content=False, traits_of=of)

    async def below(call: Call) -> Any:
        call.trace.attempts.extend([attempt_of()] if call.caller.tenant == "paid" else [])
        return reply_of()

    await record(call_of(), below)
    await record(replace(call_of(caller=Caller("paid")), purpose="shadow"), below)
    assert read == []
    await record(call_of(caller=Caller("paid")), below)
    assert (len(read), [entry.traits for entry in ledger.entries]) == (1, [None] * 3)
