"""What a call can cost at most is known before it is sent, with what had to be assumed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from scrimp.dialects import DIALECTS
from scrimp.errors import PriceUnknown
from scrimp.ports import Count
from scrimp.prices import PriceRow, load_book
from scrimp.prices.bound import (
    NO_LIMIT_TOKENS,
    NO_LIMIT_USES,
    NO_WINDOW_TOKENS,
    Ask,
    Bound,
    ask_of,
    upper_bound,
)

BOOK = load_book()
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
INPUTS = Count(1000, 900, 1100, "t")
ROUNDING = 12


def _ask(dialect: str = "openai.chat", **fields: Any) -> Ask:
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    if dialect == "openai.responses":
        body = {"model": "m", "input": "hi"}
    if dialect == "openai.embeddings":
        body = {"model": "m", "input": "hi"}
    raw = json.dumps(body | fields).encode()
    return ask_of(DIALECTS[dialect].read_request(raw), dialect, INPUTS)


def _most(ask: Ask, model: str, provider: str = "openai", at: datetime = AT) -> Bound:
    return upper_bound(ask, model, provider, at, book=BOOK)


def test_input_at_its_high_estimate_and_all_of_the_limit() -> None:
    """The plain case, to the nano-dollar."""
    bound = _most(_ask(max_tokens=500), "gpt-4o")
    assert bound.nanousd == 1100 * 2500 + 500 * 10_000 + ROUNDING
    assert bound.assumed == ()
    assert bound.price_version == BOOK.version


def test_every_choice_is_paid() -> None:
    """`n` multiplies the output, not the input."""
    bound = _most(_ask(max_tokens=500, n=3), "gpt-4o")
    assert bound.nanousd == 1100 * 2500 + 1500 * 10_000 + ROUNDING


def test_without_a_limit_the_model_s_own_holds() -> None:
    """The book knows what a model writes at most; where it does not, the assumption is stated."""
    assert _most(_ask(), "gpt-4o").lines[1].quantity == 16_384
    book = BOOK.with_overrides({"mine": PriceRow.usd({"input": "1", "output": "2"})})
    bound = upper_bound(_ask(), "mine", "openai", AT, book=book)
    assert bound.lines[1].quantity == NO_LIMIT_TOKENS
    assert bound.assumed == (f"an output of at most {NO_LIMIT_TOKENS:,} tokens",)


def test_cache_writes_where_they_may_be_charged() -> None:
    """Anthropic writes only when asked, for an hour only when asked; others write by themselves."""
    plain = _ask("anthropic.messages", max_tokens=1)
    control: dict[str, Any] = {"type": "ephemeral"}
    text: dict[str, Any] = {"type": "text", "text": "hi", "cache_control": control}
    short = _ask("anthropic.messages", max_tokens=1, system=[text])
    hour = {**text, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    long = _ask("anthropic.messages", max_tokens=1, system=[hour])
    rates = [_most(ask, "claude-opus-4-8", "anthropic").lines[0] for ask in (plain, short, long)]
    assert [line.pico_per_unit for line in rates] == [5_000_000, 6_250_000, 10_000_000]
    assert _most(_ask(max_tokens=1), "gpt-5.6-sol").lines[0].pico_per_unit == 5_000_000


def test_the_dearest_rate_that_the_prompt_may_reach() -> None:
    """A prompt that may be over the cliff is bounded at the rates beyond it, output too."""
    ask = Ask(Count(272_000, 260_000, 280_000, "t"), 10)
    bound = _most(ask, "gpt-5.4")
    assert bound.nanousd == 280_000 * 5000 + 10 * 22_500 + ROUNDING


@pytest.mark.parametrize(
    ("tier", "rate"),
    [
        ("", 1_250_000),
        ("default", 1_250_000),
        ("flex", 625_000),
        ("priority", 2_500_000),
        ("auto", 2_500_000),
    ],
)
def test_the_tier_that_was_asked(tier: str, rate: int) -> None:
    """`auto` may become priority; what may fall back to the standard tier is never below it."""
    fields = {"service_tier": tier} if tier else {}
    assert _most(_ask(max_tokens=1, **fields), "gpt-5").lines[0].pico_per_unit == rate


def test_residency_that_was_asked() -> None:
    """US-only inference is bounded at its own price."""
    ask = _ask("anthropic.messages", max_tokens=1, inference_geo="us")
    assert _most(ask, "claude-opus-4-8", "anthropic").lines[0].pico_per_unit == 5_500_000
    with pytest.raises(PriceUnknown, match="'moon'"):
        _most(Ask(INPUTS, 1, place="moon"), "claude-opus-4-8", "anthropic")


def test_hosted_tools_pay_their_fee_and_read_the_context_again() -> None:
    """Each search costs its fee, and what it finds is input: up to the context, each round."""
    tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
    bound = _most(
        _ask("anthropic.messages", max_tokens=1, tools=[tool]), "claude-opus-4-8", "anthropic"
    )
    found = BOOK.find("claude-opus-4-8", "anthropic")
    assert found is not None
    assert found.context_window is not None
    lines = {line.what: line for line in bound.lines}
    assert lines["input"].quantity == 3 * found.context_window
    assert lines["web_search"].nanousd == 20_000_000
    assert bound.assumed == ()


def test_hosted_tools_without_limits() -> None:
    """How often they run, what they read and what they cost is assumed, and said."""
    tools = [{"type": "file_search", "vector_store_ids": ["v"]}, {"type": "code_interpreter"}]
    bound = _most(_ask("openai.responses", tools=tools), "gpt-4.1")
    lines = {line.what: line for line in bound.lines}
    assert lines["file_search"].quantity == NO_LIMIT_USES
    said = " · ".join(bound.assumed)
    assert f"at most {NO_LIMIT_USES} calls of file_search" in said
    assert "no fee for code_interpreter" in said


def test_tools_of_the_client_cost_nothing_more() -> None:
    """A function runs where the client is."""
    tools = [{"type": "function", "function": {"name": "web_search"}}]
    assert _ask(max_tokens=1, tools=tools).uses == ()


def test_input_that_the_request_does_not_show() -> None:
    """A response that continues another one may read a whole context."""
    ask = _ask("openai.responses", previous_response_id="resp_1", max_output_tokens=1)
    assert _most(ask, "gpt-5").lines[0].quantity == 400_000
    book = BOOK.with_overrides({"mine": PriceRow.usd({"input": "1", "output": "2"})})
    bound = upper_bound(ask, "mine", "openai", AT, book=book)
    assert bound.lines[0].quantity == NO_WINDOW_TOKENS


def test_a_price_that_rises_before_the_call_begins() -> None:
    """Minutes before a peak hour the peak's price already bounds the call."""
    before = datetime(2026, 11, 18, 0, 45, tzinfo=UTC)
    long_before = datetime(2026, 11, 18, 0, 15, tzinfo=UTC)
    ask = _ask(max_tokens=1)
    assert _most(ask, "deepseek-v4-pro", "deepseek", before).lines[0].pico_per_unit == 1_320_000
    assert _most(ask, "deepseek-v4-pro", "deepseek", long_before).lines[0].pico_per_unit == 660_000


def test_reasoning_beside_the_limit() -> None:
    """The limit of xAI does not hold for reasoning, so the model's own is added."""
    bound = _most(_ask(max_tokens=100), "grok-4.5", "xai")
    assert bound.lines[1].quantity == 100 + 500_000


def test_embeddings_have_no_output() -> None:
    """They are bounded by their input alone, and need no price of an output."""
    bound = _most(_ask("openai.embeddings"), "text-embedding-3-small")
    assert [line.what for line in bound.lines] == ["input", "rounding"]


def test_audio() -> None:
    """Spoken input and output are bounded at their own rates."""
    part = {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}
    ask = _ask(
        messages=[{"role": "user", "content": [part]}], modalities=["text", "audio"], max_tokens=5
    )
    bound = _most(ask, "gpt-4o-audio-preview")
    assert [line.pico_per_unit for line in bound.lines[:2]] == [40_000_000, 80_000_000]


def test_time_is_bounded() -> None:
    """A model priced by the second costs at most its longest time."""
    book = BOOK.with_overrides({"mine": PriceRow({"input": 0, "output": 0}, per_ms=1000)})
    bound = upper_bound(Ask(INPUTS, 1, longest_ms=60_000), "mine", "box", AT, book=book)
    assert bound.nanousd == 60_000 + ROUNDING


@pytest.mark.parametrize("model", ["unheard-of", "whisper-1"])
def test_an_unknown_price_has_no_bound(model: str) -> None:
    """Nobody holds $0 for it."""
    with pytest.raises(PriceUnknown):
        _most(_ask(max_tokens=1), model)
