"""OpenAI's prompt caching since GPT-5.6, by its rules, as the simulator bills it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from scrimp.simulator import blocks, openai_requests, responses_requests
from scrimp.simulator.bill import MODELS, Usage, exact_usd
from scrimp.simulator.clock import Clock
from scrimp.simulator.conversation import Refusal
from scrimp.simulator.prefix import PrefixCache

LONG = "The shop sends parcels on weekdays only. " * 200  # about 1,600 tokens
MARK = {"prompt_cache_breakpoint": {"mode": "explicit"}}
EXPLICIT: dict[str, Any] = {"prompt_cache_options": {"mode": "explicit"}}
MODEL = "gpt-5.6-sol"


def part(text: str, *, marked: bool = False) -> dict[str, Any]:
    """A text that may be marked."""
    return {"type": "text", "text": text} | (MARK if marked else {})


class Vendor:
    """A prompt cache with its clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self._cache = PrefixCache(self.clock)

    def chat(self, *contents: Any, model: str = MODEL, **more: Any) -> Usage:
        """A conversation: system, user, assistant, user ..."""
        roles = ["system", "user", "assistant"]
        messages = [
            {"role": roles[min(index, 1 + (index + 1) % 2)], "content": content}
            for index, content in enumerate(contents)
        ]
        body = {"model": model, "messages": messages} | more
        question = openai_requests.read(body)
        return self._cache.openai(question, body, blocks.of_chat(body), "a").usage

    def response(self, items: list[Any], **more: Any) -> Usage:
        """A response."""
        body = {"model": MODEL, "input": items} | more
        question = responses_requests.read(body)
        made = blocks.of_responses(body, items)
        return self._cache.openai(question, body, made, "a").usage


def test_untold_the_end_of_the_prompt_is_written_and_a_shared_beginning_is_not_read() -> None:
    """Another question makes another end, which is written anew at 1.25 of the price."""
    vendor = Vendor()
    first, second = vendor.chat(LONG, "One?"), vendor.chat(LONG, "Two?")
    assert first.cache_write_5m_tokens > 1500
    assert second.cache_read_tokens == 0
    assert second.cache_write_5m_tokens == first.cache_write_5m_tokens
    plain = Usage(input_tokens=first.total_input_tokens)
    price = MODELS[MODEL].price
    assert exact_usd(first, price) > exact_usd(plain, price) * Fraction(6, 5)


def test_untold_a_conversation_reads_what_it_ended_with() -> None:
    """To the token, and writes only what is new."""
    vendor = Vendor()
    first = vendor.chat(LONG, "One?")
    second = vendor.chat(LONG, "One?", "Answer.", "Two?")
    assert second.cache_read_tokens == first.cache_write_5m_tokens
    assert 0 < second.cache_write_5m_tokens < 30


def test_explicit_without_a_breakpoint_is_all_fresh() -> None:
    """Nothing is written and nothing read, whatever was there."""
    vendor = Vendor()
    vendor.chat(LONG, "One?")
    usage = vendor.chat(LONG, "One?", **EXPLICIT)
    assert (usage.cache_read_tokens, usage.cache_write_5m_tokens) == (0, 0)


def test_a_breakpoint_is_written_once_and_read_for_half_an_hour() -> None:
    """By whoever begins the same and marks it, with the same key, model and form of output."""
    vendor = Vendor()
    shared = [part(LONG, marked=True)]
    first = vendor.chat(shared, "One?", **EXPLICIT)
    second = vendor.chat(shared, "Two?", **EXPLICIT)
    assert first.cache_write_5m_tokens == second.cache_read_tokens > 1500
    assert second.cache_write_5m_tokens == 0
    for other in (
        {"prompt_cache_key": "k"},
        {"reasoning_effort": "low"},
        {"model": "gpt-5.6-luna"},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
    ):
        assert vendor.chat(shared, "Two?", **(EXPLICIT | other)).cache_read_tokens == 0
    vendor.clock.advance(1799)
    assert vendor.chat(shared, "Three?", **EXPLICIT).cache_read_tokens > 1500
    vendor.clock.advance(1801)
    assert vendor.chat(shared, "Four?", **EXPLICIT).cache_read_tokens == 0


def test_a_breakpoint_in_the_midst_of_a_message_ends_a_prefix_there() -> None:
    """What stands behind it in the message may differ."""
    vendor = Vendor()
    first = vendor.chat("Be short.", [part(LONG, marked=True), part("One?")], **EXPLICIT)
    second = vendor.chat("Be short.", [part(LONG, marked=True), part("Two?")], **EXPLICIT)
    assert second.cache_read_tokens == first.cache_write_5m_tokens > 1500


def test_responses_take_breakpoints_too() -> None:
    """In messages of any sender but the assistant, and in results of tools."""
    vendor = Vendor()
    text = {"type": "input_text", "text": LONG} | MARK
    items = [{"role": "developer", "content": [text]}, {"role": "user", "content": "Hi"}]
    first = vendor.response(items, **EXPLICIT)
    second = vendor.response([items[0], {"role": "user", "content": "Ho"}], **EXPLICIT)
    assert second.cache_read_tokens == first.cache_write_5m_tokens > 1500


@pytest.mark.parametrize(
    ("model", "more", "names"),
    [
        ("gpt-4o", EXPLICIT, "prompt_cache_options"),
        ("gpt-5", {"messages": [{"role": "user", "content": [part("Hi", marked=True)]}]}, "break"),
        (MODEL, {"prompt_cache_retention": "in_memory"}, "24h"),
        (MODEL, {"prompt_cache_options": {"mode": "off"}}, "mode"),
        (MODEL, {"prompt_cache_key": 5}, "prompt_cache_key"),
        (MODEL, {"messages": [{"role": "assistant", "content": [part("Hi", marked=True)]}]}, "out"),
    ],
)
def test_what_a_model_does_not_take_is_refused(
    model: str, more: dict[str, Any], names: str
) -> None:
    """By name, as OpenAI does it."""
    with pytest.raises(Refusal, match=names):
        Vendor().chat("Be short.", "Hi", model=model, **more)
