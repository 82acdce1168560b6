"""Settling: what a call without usage probably cost, inside bounds that hold the truth."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.calls import FREE_COST, UNKNOWN_COST, Attempt, Call, Cost, Outcome, Target
from scrimp.dialects import DIALECTS
from scrimp.ledger.booking import Ending, booked, entry_of
from scrimp.money import line_nanousd
from scrimp.pipeline.settle import Settler
from scrimp.ports import Entry, Settlement
from scrimp.prices import PriceBook, PriceRow, load_book
from scrimp.prices.pricing import resolve
from scrimp.prices.rates import PER_REQUEST
from tests.support.core import (
    NOON,
    LetterEncoder,
    ListLedger,
    attempt_of,
    call_of,
    chat_fields,
    stream_events,
)

SEEN = b"".join(stream_events("Hi there", usage=False, done=False))


def unpriced(outcome: Outcome = "cut", **changes: Any) -> Attempt:
    """An attempt without usage."""
    return attempt_of(outcome=outcome, usage=None, cost=UNKNOWN_COST, **changes)


async def settled(
    call: Call, *attempts: Attempt, book: PriceBook | None = None, place: str = ""
) -> Entry:
    """The entry of a call with these attempts, settled; its endpoint keeps the work in a place."""
    ledger = ListLedger()
    places = {"openai": place} if place else {}
    known = book or load_book()
    settler = Settler(ledger, LetterEncoder(), DIALECTS, known, {"mine": "openai"}, places=places)
    call.trace.attempts.extend(attempts)
    call.trace.booked = booked(None, attempts, FREE_COST)
    entry = entry_of(call, Ending(None, None, 1.0), keep_content=False)
    await settler.settle(Settlement(call, entry))
    assert len(ledger.entries) == 1
    return ledger.entries[0]


def bounds_of(entry: Entry) -> tuple[int, int, int]:
    """Low, middle and high, all known and in order."""
    low, middle, high = entry.cost_low_nanousd, entry.cost_nanousd, entry.cost_high_nanousd
    assert low is not None
    assert middle is not None
    assert high is not None
    assert low <= middle <= high
    return low, middle, high


def output_price(model: str = "gpt-4o-mini") -> int:
    """Pico-dollars per output token."""
    rate = resolve(model, "openai", NOON, book=load_book()).of("output")
    assert isinstance(rate, int)
    return rate


async def test_a_cut_stream_is_estimated_between_what_was_seen_and_the_limit() -> None:
    """At least what arrived, at most what the call allowed."""
    entry = await settled(call_of(chat_fields(max_tokens=100)), unpriced(partial=SEEN))
    low, middle, high = bounds_of(entry)
    assert entry.cost_basis == "estimate"
    assert 0 < low < middle < high
    assert high >= line_nanousd(100, output_price())
    assert entry.attempts[0].partial == b""
    assert entry.attempts[0].cost.basis == "estimate"
    assert (entry.baseline_nanousd, entry.saved) == (middle, ())


async def test_several_choices_may_each_reach_the_limit() -> None:
    """`n` multiplies the most that can be billed."""
    one = bounds_of(await settled(call_of(chat_fields(max_tokens=100)), unpriced()))
    five = bounds_of(await settled(call_of(chat_fields(max_tokens=100, n=5)), unpriced()))
    assert five[2] - one[2] == line_nanousd(400, output_price())


async def test_without_a_limit_the_models_own_holds() -> None:
    """And without that, one that no model passes."""
    known = load_book().find("gpt-4o-mini", "openai")
    assert known is not None
    limit = known.max_output_tokens or 131_072
    assert bounds_of(await settled(call_of(), unpriced()))[2] >= line_nanousd(limit, output_price())


async def test_absurd_limits_are_no_absurd_bounds() -> None:
    """A bound must fit into a row of the ledger and into the sums of an hour, or it is lost."""
    call = call_of(chat_fields(max_tokens=10**15, n=10**9))
    assert bounds_of(await settled(call, unpriced()))[2] < 2**63 // 10_000


async def test_more_than_the_limit_was_seen() -> None:
    """What arrived is a fact, whatever the call allowed."""
    many = b"".join(stream_events("x" * 500, usage=False, done=False))
    entry = await settled(call_of(chat_fields(max_tokens=1)), unpriced(partial=many))
    assert bounds_of(entry)[2] >= line_nanousd(500, output_price())


@pytest.mark.parametrize("outcome", ["failed", "cancelled"])
async def test_who_never_answered_may_bill_nothing(outcome: Outcome) -> None:
    """A connection lost before any status: the provider may not even have begun."""
    low, middle, high = bounds_of(
        await settled(call_of(chat_fields(max_tokens=9)), unpriced(outcome, status=0))
    )
    assert low == 0 < middle < high


async def test_a_server_that_failed_probably_bills_nothing() -> None:
    """A 500 may come before or after the work, and no provider says which."""
    call = call_of(chat_fields(max_tokens=9))
    low, middle, high = bounds_of(await settled(call, unpriced("failed", status=500)))
    assert low == middle == 0 < high


async def test_who_answered_has_read_the_prompt() -> None:
    """With a status the input is billed for sure."""
    assert bounds_of(await settled(call_of(), unpriced("cancelled", status=200)))[0] > 0


async def test_a_page_in_place_of_an_answer_may_be_free() -> None:
    """A proxy's sign-in page has status 200, too: nobody may have read the prompt."""
    page = unpriced("ok", status=200, reported_model="", partial=b"<html>Sign in</html>")
    low, middle, _ = bounds_of(await settled(call_of(), page))
    assert (low, middle > 0) == (0, True)
    cut = unpriced("cut", status=200, reported_model="", partial=b"")
    assert bounds_of(await settled(call_of(), cut))[0] > 0


async def test_no_price_stays_unknown() -> None:
    """Never $0."""
    target = Target("openai", "nobody-knows-this", "openai.chat")
    entry = await settled(call_of(), unpriced(target=target))
    assert (entry.cost_basis, entry.cost_nanousd, entry.baseline_nanousd) == ("unknown", None, None)


async def test_an_unknown_tier_stays_unknown() -> None:
    """A tier without a price is not the standard one."""
    entry = await settled(call_of(), unpriced(service_tier="platinum"))
    assert entry.cost_nanousd is None


async def test_a_provider_charges_by_the_list_that_settings_name() -> None:
    """`prices_as` holds for estimates too."""
    target = Target("mine", "gpt-4o-mini", "openai.chat")
    ours = bounds_of(await settled(call_of(), unpriced(target=target)))
    assert ours == bounds_of(await settled(call_of(), unpriced()))


async def test_exact_attempts_keep_their_price() -> None:
    """An estimated first attempt and a billed second one: both count, the first as retrying."""
    exact = attempt_of(cost=Cost.exact(777, price_version="test", lines=()))
    entry = await settled(call_of(), unpriced(partial=SEEN), exact)
    first = entry.attempts[0].cost
    assert first.nanousd is not None
    assert entry.attempts[1] == exact
    assert entry.cost_nanousd == 777 + first.nanousd
    assert entry.baseline_nanousd == 777
    assert entry.saved == (("retry", -first.nanousd),)
    assert entry.cost_basis == "estimate"


async def test_only_costs_change() -> None:
    """Everything else of the entry stays as the record lever wrote it."""
    call = call_of()
    entry = await settled(call, unpriced(partial=SEEN))
    before = entry_of(call, Ending(None, None, 1.0), keep_content=False)
    money = {
        name: getattr(entry, name)
        for name in (
            *("attempts", "cost_basis", "cost_nanousd", "cost_low_nanousd", "cost_high_nanousd"),
            *("baseline_nanousd", "saved", "price_version"),
        )
    }
    assert replace(before, **money) == entry


async def test_a_place_with_its_own_price_moves_the_bounds() -> None:
    """Ten per cent more at a regional endpoint, broken or not; the entry says where it was."""
    target = Target("openai", "gpt-5.4", "openai.chat")
    call = call_of(chat_fields(max_tokens=1000))
    here = bounds_of(await settled(call, unpriced(target=target)))
    again = call_of(chat_fields(max_tokens=1000))
    entry = await settled(again, unpriced(target=target), place="eu")
    for plain, dear in zip(here, bounds_of(entry), strict=True):
        assert plain * 11 // 10 - 1 <= dear <= plain * 11 // 10 + 4
    assert entry.attempts[0].cost.place == "eu"


async def test_what_each_request_costs_is_in_the_bounds() -> None:
    """A fee is billed for a broken call as well."""
    plain = PriceRow.usd({"input": "1", "output": "2"})
    dear = PriceRow(plain.rates, fees={PER_REQUEST: 5_000_000})
    model = call_of().target.model
    books = [load_book().with_overrides({model: row}) for row in (plain, dear)]
    found = [bounds_of(await settled(call_of(), unpriced(), book=book)) for book in books]
    assert [b - a for a, b in zip(*found, strict=True)] == [5000, 5000, 5000]


async def test_a_tier_that_was_asked_for_and_not_told_may_be_the_dearer_one() -> None:
    """Who leaves before the tier is told is billed at the one that serves: the high end has it."""
    target = Target("openai", "gpt-4.1", "openai.chat")
    now = datetime(2026, 11, 20, tzinfo=UTC)

    async def high(*, asked: str = "", told: str = "") -> int:
        tier = {"service_tier": asked} if asked else {}
        call = call_of(chat_fields(model="gpt-4.1", max_tokens=100, **tier))
        attempt = replace(unpriced("cut", target=target, service_tier=told), started_at=now)
        return bounds_of(await settled(call, attempt))[2]

    plain = await high()
    assert await high(asked="priority") > 1.5 * plain
    assert await high(asked="auto", told="auto") > 1.5 * plain
    assert await high(asked="priority", told="default") == plain


async def test_sound_in_the_prompt_may_cost_what_sound_costs() -> None:
    """Its rate is many times that of text."""
    content = [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]
    fields = chat_fields(
        model="gpt-4o-audio-preview",
        max_tokens=1,
        messages=[{"role": "user", "content": content}],
    )
    call = call_of(fields)
    heard = unpriced("cancelled", target=Target("openai", "gpt-4o-audio-preview", "openai.chat"))
    high = bounds_of(await settled(call, heard))[2]
    rates = resolve("gpt-4o-audio-preview", "openai", NOON, book=load_book())
    audio, text = rates.of("input_audio"), rates.of("input")
    assert isinstance(audio, int)
    assert isinstance(text, int)
    assert audio > 2 * text
    count = await LetterEncoder().count_request("gpt-4o-audio-preview", fields, "openai.chat")
    assert high >= line_nanousd(count.high, audio)


async def test_what_its_tokens_do_not_explain_is_not_priced_again_from_them() -> None:
    """Searches have a fee, and what they find is input: the high end holds both."""
    plain = await settled(call_of(chat_fields(max_tokens=100)), unpriced(partial=SEEN))
    searching = call_of(chat_fields(max_tokens=100, web_search_options={}))
    entry = await settled(searching, unpriced(partial=SEEN))
    assert bounds_of(entry)[2] > bounds_of(plain)[2]
    assert (entry.attempts[0].cost.counted == (), plain.attempts[0].cost.counted == ()) == (
        True,
        False,
    )
