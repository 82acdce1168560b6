"""What pack reckons with: whether a call's instructions would be read from the prefix cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.calls import Call, Reply, ReplyFacts, Usage
from scrimp.choosing import NO_WISH
from scrimp.packing.tables import PackSection
from scrimp.packing_lever import packing
from scrimp.pipeline.background import Background
from scrimp.pipeline.holds import Holds
from scrimp.prefixes.tables import PrefixCacheSection
from scrimp.prefixing import prefix_cache
from scrimp.prices.book import PriceBook, load_book, read_book
from scrimp.settings import Settings
from scrimp.shrinking_levers import is_cached
from tests.support.books import book_json
from tests.support.core import FakeClock, LetterEncoder, call_of, flat_price, reply_of

RULES = "Sort what customers write into one of five kinds. " * 100
MARK = {"cache_control": {"type": "ephemeral"}}
HAIKU, SONNET, GPT = "claude-haiku-4-5", "claude-sonnet-5", "gpt-5.6-sol"


@dataclass(frozen=True)
class Parts:
    """What the lever needs of the outside."""

    clock: FakeClock = field(default_factory=FakeClock)
    encoder: LetterEncoder = field(default_factory=LetterEncoder)


@dataclass(frozen=True)
class Means:
    """What of an engine it works with."""

    book: PriceBook
    parts: Parts = field(default_factory=Parts)
    names: dict[str, str] = field(default_factory=dict)
    priced: Any = flat_price
    spawn: Background = field(default_factory=Background)
    holds: Holds | None = None


def chat(model: str) -> dict[str, Any]:
    """A question under a thousand tokens of rules, by an OpenAI client."""
    asked = [{"role": "system", "content": RULES}, {"role": "user", "content": "Late?"}]
    return {"model": model, "max_tokens": 9, "messages": asked}


def message(model: str, system: Any = RULES) -> dict[str, Any]:
    """The same by one of Anthropic's."""
    asked = [{"role": "user", "content": "Late?"}]
    return {"model": model, "max_tokens": 9, "system": system, "messages": asked}


def of(fields: dict[str, Any]) -> Call:
    """A call that asks for the company of one other, at the provider of its model."""
    dialect = "anthropic.messages" if "system" in fields else "openai.chat"
    call = call_of(fields, dialect=dialect)
    provider = "anthropic" if "claude" in fields["model"] else "openai"
    target = replace(call.target, provider=provider, model=fields["model"])
    return replace(call, target=target, wish=replace(NO_WISH, pack=2))


def spoken(provider: str, dialect: str) -> str:  # noqa: ARG001 (each provider has one)
    """Each provider speaks its own dialect alone."""
    return "anthropic.messages" if provider == "anthropic" else "openai.chat"


async def why(call: Call, cached: Callable[[Call], bool], book: PriceBook | None = None) -> object:
    """Why it was asked by itself: with one other it was not worth it, or nobody came."""
    means = Means(book or load_book())
    made = packing(PackSection(wait_s=0.001), means, lambda _: None, cached)
    assert made is not None

    async def below(call: Call) -> Reply:  # noqa: ARG001 (everybody gets the same)
        return reply_of()

    await made(call, below)
    (line,) = [one for one in call.trace.lines if one.lever == "pack"]
    return dict(line.numbers)["why"]


@pytest.mark.parametrize(
    ("fields", "read"),
    [
        (message(HAIKU), False),
        (message(HAIKU, [{"type": "text", "text": RULES, **MARK}]), True),
        (chat(HAIKU), False),  # it is a Claude that is asked: nothing is kept unless it is marked
        (chat(GPT), True),
        (message(GPT), True),  # and this is none, whatever the client speaks
    ],
)
async def test_rules_are_as_dear_as_the_provider_that_is_asked_makes_them(
    fields: dict[str, Any], *, read: bool
) -> None:
    """Where it reads them from its cache, sending them once more costs less than the marks."""
    assert await why(of(fields), is_cached(spoken, None)) == (
        "short_rules" if read else "no_company"
    )


async def test_what_the_prefix_cache_lever_had_written_counts_as_read() -> None:
    """It knows more than the look of a call tells: Claudes keep what the lever marks."""
    settings = Settings(prefix_cache=PrefixCacheSection(enabled=True))
    lever = prefix_cache(settings, load_book(), {}, spoken, FakeClock())
    cached = is_cached(spoken, lever)
    assert lever is not None
    call = of(message(SONNET))
    assert await why(of(message(SONNET)), cached) == "no_company"

    async def below(call: Call) -> Reply:
        written = Usage(input_tokens=9, cache_write_5m_tokens=1200, output_tokens=1)
        used = written if b"cache_control" in call.request.body else Usage(input_tokens=1209)
        return replace(reply_of(), facts=ReplyFacts(usage=used, complete=True))

    for _ in range(3):
        await lever(call, below)
    assert await why(of(message(SONNET)), cached) == "short_rules"


@pytest.mark.parametrize(("fee", "found"), [(0, "short_rules"), (10**9, "no_company")])
async def test_a_fee_for_each_request_is_worth_sharing(fee: int, found: str) -> None:
    """However short the rules are that are not sent again."""
    rates = {"input": 1_000_000, "output": 5_000_000}
    rows = {"rows": [{"rates": rates, "fees": {"request": fee} if fee else {}}]}
    book = read_book(book_json({"gpt-x": rows}), source="the test")
    short = [{"role": "system", "content": "Sort."}, {"role": "user", "content": "Late?"}]
    call = of({**chat("gpt-x"), "messages": short})
    assert await why(call, is_cached(spoken, None), book) == found
