"""The vendors' own prompt caching, by their rules, as the simulator bills it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from scrimp.simulator import anthropic_requests, blocks, openai_requests, responses_requests
from scrimp.simulator.bill import MODELS, Usage, exact_usd
from scrimp.simulator.clock import Clock
from scrimp.simulator.conversation import Refusal
from scrimp.simulator.prefix import PrefixCache

LONG = "The shop sends parcels on weekdays only. " * 200  # about 1,600 tokens
SHORT = "The shop sends parcels on weekdays only."
MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


class Vendor:
    """A prompt cache with its clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self._cache = PrefixCache(self.clock)

    def chat(self, *texts: str, owner: str = "a", **more: Any) -> Usage:
        """A conversation in OpenAI's shape."""
        roles = ["system", "user", "assistant"]
        messages = [
            {"role": roles[min(index, 1 + index % 2)], "content": text}
            for index, text in enumerate(texts)
        ]
        body = {"model": "gpt-4o", "messages": messages} | more
        question = openai_requests.read(body)
        return self._cache.openai(question, body, blocks.of_chat(body), owner).usage

    def responses(self, instructions: str, text: str, **more: Any) -> Usage:
        """The same as a response."""
        body = {"model": "gpt-4o", "instructions": instructions, "input": text} | more
        question = responses_requests.read(body)
        made = blocks.of_responses(body, responses_requests.items_of(body))
        return self._cache.openai(question, body, made, "a").usage

    def claude(self, messages: list[Any], owner: str = "a", **more: Any) -> Usage:
        """A messages request."""
        body = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": messages} | more
        question = anthropic_requests.read(body)
        return self._cache.claude(question, body, blocks.of_claude(body), owner).usage


def text(said: str, control: dict[str, Any] | None = None) -> dict[str, Any]:
    """A text block that may be marked."""
    block: dict[str, Any] = {"type": "text", "text": said}
    return block if control is None else block | {"cache_control": control}


def user(*parts: Any) -> dict[str, Any]:
    """A user message."""
    return {"role": "user", "content": list(parts)}


# -- OpenAI


def test_openai_discounts_a_long_beginning_that_it_has_seen() -> None:
    """First call fresh, second with the shared part read, from 1,024 on in steps of 128."""
    vendor = Vendor()
    first = vendor.chat(LONG, "Hello")
    second = vendor.chat(LONG, "Another question")
    assert first.cache_read_tokens == 0
    shared = (
        openai_requests.read(
            {"model": "gpt-4o", "messages": [{"role": "system", "content": LONG}]}
        ).usage.input_tokens
        - 3
    )
    assert second.cache_read_tokens == 1024 + (shared - 1024) // 128 * 128
    assert second.total_input_tokens > shared


def test_openai_reads_up_to_a_change_in_the_middle_of_a_message() -> None:
    """The prefix is one of tokens, not of whole messages."""
    vendor = Vendor()
    vendor.chat(LONG + " first ending", "Hello")
    read = vendor.chat(LONG + " second ending", "Hello").cache_read_tokens
    assert read >= 1024
    changed = vendor.chat(LONG[:4000] + "!" + LONG[4000:], "Hello").cache_read_tokens
    assert changed == 0  # 4,000 letters are fewer than 1,024 tokens


def test_openai_caches_only_what_is_long_enough_and_equal_from_the_start() -> None:
    """Short prompts, another model, tools, schema, key or cache key: all fresh."""
    vendor = Vendor()
    for _ in range(2):
        assert vendor.chat(SHORT, "Hello").cache_read_tokens == 0
    vendor.chat(LONG, "Hello")
    assert vendor.chat("!" + LONG, "Hello").cache_read_tokens == 0
    assert vendor.chat(LONG, "Hello", model="gpt-4.1").cache_read_tokens == 0
    assert vendor.chat(LONG, "Hello", owner="b").cache_read_tokens == 0
    assert vendor.chat(LONG, "Hello", prompt_cache_key="x").cache_read_tokens == 0
    shape = {"type": "json_object"}
    assert vendor.chat(LONG, "Hello", response_format=shape).cache_read_tokens == 0
    tool = {"type": "function", "function": {"name": "look", "parameters": {}}}
    assert vendor.chat(LONG, "Hello", tools=[tool]).cache_read_tokens == 0
    assert vendor.chat(LONG, "Hello").cache_read_tokens > 0
    assert vendor.chat(LONG, "Hello", prompt_cache_key="x").cache_read_tokens > 0


def test_openai_forgets_after_five_minutes_without_use() -> None:
    """Use prolongs it; `24h` keeps it for a day."""
    vendor = Vendor()
    vendor.chat(LONG, "Hello")
    for _ in range(3):
        vendor.clock.advance(299)
        assert vendor.chat(LONG, "Hello").cache_read_tokens > 0
    vendor.clock.advance(301)
    assert vendor.chat(LONG, "Hello").cache_read_tokens == 0
    vendor.chat(LONG + "!", "Hello", prompt_cache_retention="24h", prompt_cache_key="d")
    vendor.clock.advance(80_000)
    assert vendor.chat(LONG + "!", "Hello", prompt_cache_key="d").cache_read_tokens > 0


def test_responses_share_the_rules() -> None:
    """Instructions are the beginning."""
    vendor = Vendor()
    assert vendor.responses(LONG, "Hello").cache_read_tokens == 0
    assert vendor.responses(LONG, "Goodbye").cache_read_tokens >= 1024
    assert vendor.responses(SHORT, "Goodbye").cache_read_tokens == 0


# -- Anthropic


@pytest.mark.parametrize(("life", "control"), [("5m", MARK), ("1h", HOUR)])
def test_claude_writes_what_is_marked_then_reads_it(life: str, control: dict[str, Any]) -> None:
    """Written once at the price of its life, read afterwards; the bill is by the multipliers."""
    vendor = Vendor()
    system = [text(LONG, control)]
    first = vendor.claude([user(text("Hello"))], system=system)
    second = vendor.claude([user(text("Good day"))], system=system)
    written = getattr(first, f"cache_write_{life}_tokens")
    assert written >= 1024
    assert (first.cache_read_tokens, second.cache_read_tokens) == (0, written)
    assert second.cache_write_5m_tokens == second.cache_write_1h_tokens == 0
    price = MODELS["claude-sonnet-4-5"].price
    times = {"5m": Fraction(5, 4), "1h": Fraction(2)}[life]
    fresh = exact_usd(Usage(input_tokens=first.input_tokens), price)
    base = exact_usd(Usage(input_tokens=written), price)
    assert exact_usd(first, price) == fresh + base * times
    fresh = exact_usd(Usage(input_tokens=second.input_tokens), price)
    assert exact_usd(second, price) == fresh + base / 10


def test_claude_caches_nothing_without_a_mark() -> None:
    """However long it is, and however often it comes."""
    vendor = Vendor()
    for _ in range(2):
        usage = vendor.claude([user(text("Hello"))], system=[text(LONG)])
        assert usage == Usage(input_tokens=usage.input_tokens)


@pytest.mark.parametrize(
    ("model", "words", "kept"),
    [
        ("claude-opus-5", 300, False),
        ("claude-opus-5", 600, True),
        ("claude-sonnet-4-5", 600, False),
        ("claude-sonnet-4-5", 1200, True),
        ("claude-haiku-4-5", 1200, False),
        ("claude-haiku-4-5", 4000, True),
    ],
)
def test_each_model_has_its_least_prefix(model: str, words: int, kept: bool) -> None:  # noqa: FBT001  # a table
    """Below it the mark is passed over without a word."""
    vendor = Vendor()
    usage = vendor.claude([user(text("a word" * words, MARK))], model=model)
    assert (usage.cache_write_5m_tokens > 0) is kept


def test_a_growing_talk_reads_what_the_last_turn_wrote() -> None:
    """Only the new part is written, at the new mark."""
    vendor = Vendor()
    talk = [user(text(LONG, MARK))]
    first = vendor.claude(talk)
    answered = {"role": "assistant", "content": [text("Yes.")]}
    talk = [user(text(LONG)), answered, user(text("And then?", MARK))]
    second = vendor.claude(talk)
    assert second.cache_read_tokens == first.cache_write_5m_tokens
    assert 0 < second.cache_write_5m_tokens < 40
    third = vendor.claude(talk)
    assert third.cache_read_tokens == second.cache_read_tokens + second.cache_write_5m_tokens


def test_claude_looks_back_twenty_blocks_and_no_further() -> None:
    """A turn of 19 more blocks finds the old mark; one of 20 does not."""
    for more, found in ((19, True), (20, False)):
        vendor = Vendor()
        vendor.claude([user(text(LONG, MARK))])
        added = [text(f"block {number}") for number in range(more)]
        added[-1] = added[-1] | {"cache_control": MARK}
        usage = vendor.claude([user(text(LONG), *added)])
        assert (usage.cache_read_tokens > 0) is found


def test_only_what_was_written_is_found() -> None:
    """A prefix that is equal, but had no mark when it was sent, is not in the cache."""
    vendor = Vendor()
    vendor.claude([user(text(LONG), text("one", MARK))])
    usage = vendor.claude([user(text(LONG), text("two", MARK))])
    assert usage.cache_read_tokens == 0


def test_lives_end_and_are_prolonged_by_use() -> None:
    """Five minutes, or an hour."""
    for control, life_s in ((MARK, 300), (HOUR, 3600)):
        vendor = Vendor()
        vendor.claude([user(text(LONG, control))])
        for _ in range(2):
            vendor.clock.advance(life_s - 1)
            assert vendor.claude([user(text(LONG, control))]).cache_read_tokens > 0
        vendor.clock.advance(life_s + 1)
        assert vendor.claude([user(text(LONG, control))]).cache_read_tokens == 0


def test_both_lives_in_one_prompt() -> None:
    """Up to the hour's mark for an hour, the rest for five minutes; later only the rest again."""
    vendor = Vendor()
    messages, system = [user(text(LONG, MARK))], [text(LONG, HOUR)]
    first = vendor.claude(messages, system=system)
    assert first.cache_write_1h_tokens > 1024
    assert first.cache_write_5m_tokens > 1024
    vendor.clock.advance(1000)
    second = vendor.claude(messages, system=system)
    assert second.cache_read_tokens == first.cache_write_1h_tokens
    assert second.cache_write_5m_tokens == first.cache_write_5m_tokens


@pytest.mark.parametrize(
    ("more", "system_read"),
    [
        ({"tool_choice": {"type": "any"}}, True),
        ({"thinking": {"type": "adaptive"}}, True),
        ({"tools": [{"name": "other", "input_schema": {}}]}, False),
        ({"model": "claude-sonnet-4-6"}, False),
        ({"owner": "b"}, False),
    ],
)
def test_what_makes_another_beginning(more: dict[str, Any], system_read: bool) -> None:  # noqa: FBT001  # a table
    """A choice of tools or thinking changes the messages; tools, model or key change everything."""
    vendor = Vendor()
    usual: dict[str, Any] = {
        "system": [text(LONG, MARK)],
        "tools": [{"name": "look", "input_schema": {}}],
    }
    messages = [user(text(LONG, MARK))]
    first = vendor.claude(messages, **usual)
    assert vendor.claude(messages, **usual).cache_read_tokens == first.cache_write_5m_tokens
    read = vendor.claude(messages, **(usual | more)).cache_read_tokens
    assert (0 < read < first.cache_write_5m_tokens) if system_read else read == 0


def test_one_mark_for_the_whole_request() -> None:
    """It marks the last block, and moves on with the talk."""
    vendor = Vendor()
    first = vendor.claude([user(text(LONG))], cache_control=MARK)
    assert first.cache_write_5m_tokens > 1024
    answered = {"role": "assistant", "content": "Yes."}
    talk = [user(text(LONG)), answered, user(text("And then?"))]
    second = vendor.claude(talk, cache_control=MARK)
    assert second.cache_read_tokens == first.cache_write_5m_tokens


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([user(*(text(f"{n}", MARK) for n in range(5)))], "maximum of 4"),
        ([user(text("a", MARK), text("b", HOUR))], "must not come after"),
        ([user(text("a", {"type": "ephemeral", "ttl": "2h"}))], "ttl"),
        ([user(text("", MARK))], "empty text"),
    ],
)
def test_wrong_marks_are_refused(messages: list[Any], said: str) -> None:
    """As Anthropic refuses them."""
    with pytest.raises(Refusal, match=said) as refused:
        Vendor().claude(messages)
    assert refused.value.status == 400


def test_nothing_is_lost_or_billed_twice() -> None:
    """Read, written and fresh are always the whole input."""
    vendor = Vendor()
    for said in ("Hello", "Hello", "Good day"):
        usage = vendor.claude([user(text(LONG, MARK), text(said))])
        body = {"model": "claude-sonnet-4-5", "max_tokens": 9}
        plain = anthropic_requests.read(body | {"messages": [user(text(LONG), text(said))]})
        assert usage.total_input_tokens == plain.usage.input_tokens
