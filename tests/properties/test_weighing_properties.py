"""What messages weigh: together what the whole has, and nothing fits that is too long."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrimp.encoders.counter import Run
from scrimp.encoders.memo import TextMemo
from scrimp.encoders.vocabulary import Ordinary
from scrimp.tokens import encoding_for
from scrimp.tokens.weighing import weigh_request
from tests.support.vocabularies import shared_encoder, shared_vocabulary

TEXT = st.text(max_size=60) | st.just("word " * 200) | st.just("né 漢字 " * 40)
SEARCH = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}


def chat(draw: st.DrawFn, text: str) -> Any:
    """A message of OpenAI's chats."""
    call = {"id": "c", "type": "function", "function": {"name": "search", "arguments": text}}
    kinds = [
        {"role": "system", "content": text},
        {"role": "user", "content": text},
        {"role": "user", "content": [{"type": "text", "text": text}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": text},
        {"role": "stranger", "content": text, "name": text},
    ]
    return draw(st.sampled_from([*kinds, "no message"]))


def responses(draw: st.DrawFn, text: str) -> Any:
    """An item of OpenAI's responses."""
    kinds = [
        {"role": "user", "content": text},
        {"type": "function_call", "call_id": "c", "name": "search", "arguments": text},
        {"type": "function_call_output", "call_id": "c", "output": text},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": text}]},
    ]
    return draw(st.sampled_from([*kinds, 7]))


def anthropic(draw: st.DrawFn, text: str) -> Any:
    """A message of Anthropic's."""
    kinds = [
        {"role": "user", "content": text},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": text}]},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t", "name": "search", "input": {"q": text}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": text}]},
    ]
    return draw(st.sampled_from([*kinds, None]))


OF = {
    "openai.chat": (chat, "messages", {"tools": [SEARCH]}),
    "openai.responses": (responses, "input", {"instructions": "Be brief."}),
    "anthropic.messages": (anthropic, "messages", {"system": "Be brief."}),
}


@pytest.mark.parametrize("dialect", OF)
@pytest.mark.parametrize("model", ["gpt-4o", "gpt-5", "claude-sonnet-5"])
@given(data=st.data())
async def test_what_messages_weigh_is_what_the_whole_has(
    dialect: str, model: str, data: st.DataObject
) -> None:
    """Without any of them there are so many tokens fewer, give or take a rounding for each."""
    make, name, beside = OF[dialect]
    texts = data.draw(st.lists(TEXT, max_size=6))
    items = [data.draw(st.composite(make)(text)) for text in texts]
    fields = {name: items, **data.draw(st.sampled_from([{}, beside]))}
    found = await shared_encoder().weigh(model, fields, dialect, enough=-(10**9))
    assert found is not None
    assert found.whole == await shared_encoder().count_request(model, fields, dialect)
    assert len(found.items) == len(items)
    rest = await shared_encoder().count_request(model, {**fields, name: []}, dialect)
    off = rest.high + sum(found.items) - found.whole.high
    assert -8 <= off <= 8 + 3 * len(items)


@pytest.mark.parametrize("dialect", OF)
@pytest.mark.parametrize("model", ["gpt-4o", "gpt-5", "claude-sonnet-5"])
@given(data=st.data())
async def test_what_is_left_without_some_is_told_as_counting_it_would(
    dialect: str, model: str, data: st.DataObject
) -> None:
    """To the token, in all three numbers, whatever went but instructions."""
    make, name, beside = OF[dialect]
    drawn = [data.draw(st.composite(make)(text)) for text in data.draw(st.lists(TEXT, max_size=6))]
    items = [one for one in drawn if isinstance(one, dict)]
    may_go = [at for at, one in enumerate(items) if one.get("role") != "system"]
    gone = data.draw(st.sets(st.sampled_from(may_go))) if may_go else set[int]()
    fields = {name: items, **data.draw(st.sampled_from([{}, beside]))}
    found = await shared_encoder().weigh(model, fields, dialect, enough=-(10**9))
    assert found is not None
    assert found.left is not None
    kept = [one for at, one in enumerate(items) if at not in gone]
    counted = await shared_encoder().count_request(model, {**fields, name: kept}, dialect)
    assert found.left([(at, at + 1) for at in sorted(gone)]) == counted


@given(st.lists(TEXT, min_size=1, max_size=6), st.integers(0, 900), st.booleans())
async def test_what_is_called_short_enough_is(
    texts: list[str],
    enough: int,
    counted: bool,  # noqa: FBT001 (drawn)
) -> None:
    """Whether its texts were counted before or not."""
    fields = {"messages": [{"role": "user", "content": text} for text in texts]}
    if counted:
        await shared_encoder().count_request("gpt-4o", fields, "openai.chat")
    found = await shared_encoder().weigh("gpt-4o", fields, "openai.chat", enough=enough)
    count = await shared_encoder().count_request("gpt-4o", fields, "openai.chat")
    assert found is not None or count.high <= enough


async def test_nothing_new_is_counted_where_bytes_prove_enough() -> None:
    """What was counted before counts for what it has, and only the rest for its bytes."""
    counted = 0

    class Seen(Run):
        """Counts how often a text is new."""

        def count_text(self, text: str) -> int:
            nonlocal counted
            counted += text == new
            return super().count_text(text)

    memo = TextMemo(100_000)
    run = Seen(Ordinary(shared_vocabulary("o200k_base")), memo, on_loop=True)
    old, new = "well known words " * 100, "brand new words " * 10
    fields = {"messages": [{"role": "user", "content": text} for text in (old, new)]}
    choice = encoding_for("gpt-4o")
    memo.keep(old, 301)
    for enough, fits in ((301 + len(new) + 20, True), (301 + len(new), False)):
        found = weigh_request(fields, "openai.chat", "gpt-4o", run, choice=choice, enough=enough)
        assert (found is None) == fits
        assert counted == (0 if fits else 1)
