"""The trim lever: what goes, when nothing does, what a cut is worth, and that it is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from scrimp.calls import Call, Reply
from scrimp.levers.trim import TRIMMED, Trim, TrimSettings
from scrimp.ports import Count
from scrimp.shrinking.worth import TokenPrices
from scrimp.weights import Weighed
from tests.support.core import call_of, numbers, reply_of, verdicts

SYSTEM = {"role": "system", "content": "rules " * 20}
FRESH = TokenPrices(100)
CACHED = TokenPrices(100, read=10, write=125)


class WordEncoder:
    """A token for each word of a message, three around it."""

    def __init__(self) -> None:
        self.counted = 0

    async def count_request(self, model: str, fields: Mapping[str, Any], dialect: str) -> Count:
        """As many below and above as there are."""
        assert model
        self.counted += 1
        items = fields["input" if dialect == "openai.responses" else "messages"]
        tokens = 5 + sum(3 + len(str(one.get("content") or "").split()) for one in items)
        return Count(tokens, tokens, tokens, "words")

    async def weigh(
        self, model: str, fields: Mapping[str, Any], dialect: str, *, enough: int
    ) -> Weighed | None:
        """Each message by itself."""
        whole = await self.count_request(model, fields, dialect)
        items = fields["input" if dialect == "openai.responses" else "messages"]
        each = [3 + len(str(one.get("content") or "").split()) for one in items]
        return None if whole.high <= enough else Weighed(whole, tuple(each))

    async def count(self, model: str, texts: tuple[str, ...]) -> Count:
        """Never asked."""
        raise AssertionError(model, texts)

    def ready(self, model: str) -> bool:
        """Always."""
        return bool(model)

    async def close(self) -> None:
        """Nothing is open."""


class Below:
    """What the lever passes on."""

    def __init__(self) -> None:
        self.call = call_of()

    async def __call__(self, call: Call) -> Reply:
        """Remember and answer."""
        self.call = call
        return reply_of()

    def said(self) -> list[str]:
        """The first words of the messages that are sent."""
        return [str(one["content"]).split()[0] for one in self.call.request.fields["messages"]]


def talk(turns: int, words: int = 100) -> list[dict[str, Any]]:
    """A conversation of so many questions with answers, and a last question."""
    items: list[dict[str, Any]] = [SYSTEM]
    for number in range(turns):
        items.append({"role": "user", "content": f"q{number} " * words})
        items.append({"role": "assistant", "content": f"a{number} " * words})
    return [*items, {"role": "user", "content": "now"}]


def asked(items: list[dict[str, Any]], **more: Any) -> Call:
    """A call with these messages."""
    return call_of({"model": "gpt-4o-mini", "messages": items, **more})


def trim(
    window: int | None = None, prices: TokenPrices | None = None, **settings: Any
) -> tuple[Trim, WordEncoder]:
    """A lever over a model of this window and these prices, and its encoder."""
    encoder = WordEncoder()
    set_up = TrimSettings(**{"reserve_output": 100, "step": 0, **settings})
    return Trim(encoder, lambda _: window, lambda *_: prices, set_up), encoder


async def test_old_turns_go_until_the_rest_fits() -> None:
    """With room for the answer; the trace and a header say how much."""
    (lever, _), below, call = trim(window=800), Below(), asked(talk(9))
    await lever(call, below)
    assert below.said() == ["rules", "q6", "a6", "q7", "a7", "q8", "a8", "now"]
    told = numbers(call, "trim")
    assert (told["messages"], told["limit"], told["window"]) == (12, 700, 800)
    assert told["less_tokens"] == 12 * 103
    assert call.trace.headers[TRIMMED] == "12 messages"
    assert len(call.request.fields["messages"]) == 20, "the client's own is untouched"


async def test_what_fits_by_its_size_is_not_even_counted() -> None:
    """No text has more tokens than bytes."""
    (lever, encoder), below, call = trim(window=100_000), Below(), asked(talk(3))
    await lever(call, below)
    assert below.call is call
    assert encoder.counted == 0
    assert call.trace.lines == []


async def test_what_fits_by_its_count_goes_on() -> None:
    """Byte for byte."""
    (lever, encoder), below, call = trim(window=1000), Below(), asked(talk(3))
    await lever(call, below)
    assert below.call is call
    assert encoder.counted == 1


async def test_the_calls_own_limit_is_what_is_reserved() -> None:
    """Instead of the settings'."""
    (lever, _), below = trim(window=800), Below()
    await lever(asked(talk(9), max_tokens=400), below)
    assert below.said() == ["rules", "q8", "a8", "now"]


async def test_what_cannot_fit_goes_on_whole_and_the_trace_has_both_numbers() -> None:
    """The provider has the last word, or another target with a larger window."""
    huge = [SYSTEM, {"role": "user", "content": "word " * 5000}]
    (lever, _), below, call = trim(window=800), Below(), asked(huge)
    await lever(call, below)
    assert below.call is call
    assert verdicts(call, "trim") == ["cannot_fit"]
    assert (numbers(call, "trim")["tokens"], numbers(call, "trim")["limit"]) == (5031, 700)
    assert TRIMMED not in call.trace.headers


class Unsure(WordEncoder):
    """The truth may be twice as much."""

    async def count_request(self, model: str, fields: Mapping[str, Any], dialect: str) -> Count:
        """At the high end twice the words."""
        found = await super().count_request(model, fields, dialect)
        return Count(found.tokens, found.tokens // 2, found.tokens * 2, "words, or so")


async def test_a_limit_of_output_as_large_as_the_window_is_told() -> None:
    """No conversation fits beside it; that nothing is trimmed is not silent."""
    (lever, _), below = trim(window=1000), Below()
    call = asked(talk(20), max_completion_tokens=1000)
    await lever(call, below)
    assert below.call is call
    assert verdicts(call, "trim") == ["cannot_fit"]
    assert numbers(call, "trim") == {"limit": 0, "window": 1000, "reserve": 1000}


@pytest.mark.parametrize(("auto", "said"), [(True, 5), (False, 1)])
async def test_of_a_small_models_window_half_is_for_the_conversation(
    auto: bool,  # noqa: FBT001 (a parameter of the test)
    said: int,
) -> None:
    """What the settings reserve is meant for large ones; their own window counts as it is."""
    settings = TrimSettings(reserve_output=900, step=0, auto=auto)
    lever, below = Trim(WordEncoder(), lambda _: 1000, lambda *_: FRESH, settings), Below()
    await lever(asked(talk(20)), below)
    assert below.said()[0] == "rules"
    assert len(below.said()) == 1 + said


async def test_what_most_likely_fits_is_sent_without_its_old_turns() -> None:
    """Only the high end of an estimate is too large for the newest turn; whole it fits less."""
    items = [*talk(9), {"role": "user", "content": "new " * 400}]
    lever = Trim(Unsure(), lambda _: 800, lambda *_: None, TrimSettings(reserve_output=100, step=0))
    below, call = Below(), asked(items)
    await lever(call, below)
    assert below.said() == ["rules", "new"]
    assert verdicts(call, "trim") == ["trimmed"]


async def test_an_estimate_that_fits_is_not_said_not_to() -> None:
    """There is nothing to take away, and by what is known it fits: nothing is said."""
    items = [SYSTEM, {"role": "user", "content": "new " * 400}]
    lever = Trim(Unsure(), lambda _: 800, lambda *_: None, TrimSettings(reserve_output=100, step=0))
    below, call = Below(), asked(items)
    await lever(call, below)
    assert below.call is call
    assert verdicts(call, "trim") == []


async def test_an_unknown_window_trims_nothing() -> None:
    """A model that the price book does not know."""
    (lever, _), below, call = trim(window=None), Below(), asked(talk(90))
    await lever(call, below)
    assert below.call is call


async def test_contents_of_old_results_go_first_where_asked() -> None:
    """And their messages stay."""
    items: list[dict[str, Any]] = [SYSTEM, {"role": "user", "content": "do"}]
    for number in range(6):
        called = [{"id": f"c{number}", "type": "function", "function": {"name": "find"}}]
        items.append({"role": "assistant", "content": "calling", "tool_calls": called})
        result = {"role": "tool", "tool_call_id": f"c{number}", "content": "row " * 300}
        items.append(result)
    (lever, _), below, call = trim(window=1400, first="tool_results"), Below(), asked(items)
    await lever(call, below)
    assert len(below.call.request.fields["messages"]) == len(items)
    assert numbers(call, "trim")["results"] == 3
    assert call.trace.headers[TRIMMED] == "3 tool results"
    assert below.said()[-1] == "row"


async def test_at_most_so_many_messages() -> None:
    """Where no price is known, or nothing is cached, nothing speaks against it."""
    for prices in (None, FRESH):
        (lever, _), below, call = trim(prices=prices, last=4), Below(), asked(talk(9))
        await lever(call, below)
        assert below.said() == ["rules", "q8", "a8", "now"]
        told = numbers(call, "trim")
        assert told["messages"] == 16
        assert list(told)[:2] == ["less_characters", "of_bytes"]


async def test_a_cut_that_costs_more_than_it_saves_is_refused() -> None:
    """A few dropped turns at the price of reading, against all the rest written anew."""
    (lever, _), below, call = trim(prices=CACHED, last=12), Below(), asked(talk(7))
    await lever(call, below)
    assert below.call is call
    assert verdicts(call, "trim") == ["refused_by_price"]
    worth = numbers(call, "trim")["worth_picousd"]
    assert isinstance(worth, int)
    assert worth < 0


async def test_a_cut_that_pays_is_made() -> None:
    """Many dropped turns, few left behind them."""
    (lever, _), below = trim(prices=CACHED, last=3, step=50), Below()
    await lever(asked(talk(60)), below)
    assert len(below.said()) == 4


async def test_a_cut_stands_still_while_a_conversation_grows() -> None:
    """So that what follows it is read from the provider's prefix cache."""
    (lever, _), below = trim(window=2000, step=25), Below()
    oldest = []
    for turns in range(10, 18):
        await lever(asked(talk(turns)), below)
        oldest.append(below.said()[1])
    assert len(set(oldest)) <= 4
    assert oldest == sorted(oldest, key=lambda word: int(word[1:]))


@pytest.mark.parametrize(
    "call",
    [
        call_of({"model": "m", "input": "words"}, dialect="openai.responses"),
        call_of({"model": "m", "input": "words"}, dialect="openai.embeddings"),
        asked(talk(50)),
    ],
)
async def test_other_calls_go_on(call: Call) -> None:
    """Embeddings, one text, paths that are not read."""
    lever, _ = trim(window=300)
    below, passed = Below(), call
    if isinstance(call.request.fields.get("messages"), list):
        passed = call_of(dict(call.request.fields), operation="passthrough")
    await lever(passed, below)
    assert below.call is passed


async def test_a_provider_edits_the_context_itself_where_asked() -> None:
    """Only what does not fit; what its API cannot do is done here."""
    fields = {"model": "gpt-5", "input": talk(9)[1:]}
    (lever, _), below = trim(window=800, native=True), Below()
    call = call_of(fields, dialect="openai.responses")
    await lever(call, below)
    assert below.call.request.fields == {**fields, "truncation": "auto"}
    assert verdicts(call, "trim") == ["native"]
    assert call.trace.headers[TRIMMED] == "by the provider"
    await lever(chat := asked(talk(9)), below)
    assert verdicts(chat, "trim") == ["trimmed"]
    await lever(
        short := call_of({**fields, "input": talk(1)[1:]}, dialect="openai.responses"), below
    )
    assert short.trace.lines == []


async def test_what_went_by_number_and_by_size_is_one_sum() -> None:
    """The last line of the lever holds all that was taken out."""
    (lever, _), below, call = trim(window=900, last=12), Below(), asked(talk(20))
    await lever(call, below)
    assert verdicts(call, "trim") == ["trimmed", "trimmed"]
    left = len(below.call.request.fields["messages"])
    assert numbers(call, "trim")["less_tokens"] == (42 - left) * 103
