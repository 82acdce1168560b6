"""Odd conversations through trim, compact and the functions, in each of three dialects."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import scrimp
from scrimp.calls import Call, Reply
from scrimp.errors import InvalidRequest
from scrimp.levers.compact import Compact, CompactSettings
from scrimp.levers.trim import Trim, TrimSettings
from scrimp.shrinking.blocks import list_name
from scrimp.shrinking.compacting import LOSSY
from tests.support.core import call_of, numbers, reply_of, verdicts
from tests.support.vocabularies import shared_encoder

Items = list[dict[str, Any]]
DIALECTS = ("openai.chat", "openai.responses", "anthropic.messages")
ROWS = json.dumps([{"flight": f"HAT{n}", "seats": n, "origin": "JFK"} for n in range(30)], indent=2)
WORDS = "word " * 300


def said(role: str, text: str = WORDS) -> dict[str, Any]:
    """A message, the same in all three."""
    return {"role": role, "content": text}


def calls(dialect: str, *ids: str) -> Items:
    """An assistant calls tools, all at once."""
    if dialect == "openai.responses":
        return [
            {"type": "function_call", "call_id": one, "name": "search", "arguments": "{}"}
            for one in ids
        ]
    if dialect == "openai.chat":
        function = {"name": "search", "arguments": "{}"}
        called = [{"id": one, "type": "function", "function": function} for one in ids]
        return [{"role": "assistant", "content": None, "tool_calls": called}]
    used = [{"type": "tool_use", "id": one, "name": "search", "input": {}} for one in ids]
    return [{"role": "assistant", "content": used}]


def results(dialect: str, *ids: str, text: str = ROWS) -> Items:
    """Their results, in this order."""
    if dialect == "openai.responses":
        return [{"type": "function_call_output", "call_id": one, "output": text} for one in ids]
    if dialect == "openai.chat":
        return [{"role": "tool", "tool_call_id": one, "content": text} for one in ids]
    found = [{"type": "tool_result", "tool_use_id": one, "content": text} for one in ids]
    return [{"role": "user", "content": found}]


def picture(dialect: str) -> dict[str, Any]:
    """A message with a picture in it."""
    data = "iVBORw0KGgo" * 40
    part: dict[str, Any]
    if dialect == "openai.chat":
        part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    elif dialect == "openai.responses":
        part = {"type": "input_image", "image_url": f"data:image/png;base64,{data}"}
    else:
        source = {"type": "base64", "media_type": "image/png", "data": data}
        part = {"type": "image", "source": source}
    return {"role": "user", "content": [part]}


def signed(dialect: str) -> Items:
    """What a model thought, sealed; and a result with a signature of its own."""
    own = json.dumps({"rows": [1, 2, 3], "signature": "c2lnbmVk", "note": "in order to"}, indent=4)
    if dialect == "openai.responses":
        sealed = {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "x" * 400}
        return [sealed, *calls(dialect, "s"), *results(dialect, "s", text=own)]
    if dialect == "openai.chat":
        return [*calls(dialect, "s"), *results(dialect, "s", text=own)]
    thought = {"type": "thinking", "thinking": "In order to   think", "signature": "sig"}
    (called,) = calls(dialect, "s")
    called = {**called, "content": [thought, *called["content"]]}
    return [called, *results(dialect, "s", text=own)]


async def through(lever: Trim | Compact, dialect: str, items: Items) -> tuple[Call, Items]:
    """The call as it was asked, and the messages that the lever passes on."""
    passed: list[Call] = []

    async def below(call: Call) -> Reply:
        passed.append(call)
        return reply_of()

    fields = {"model": "gpt-4o-mini", "max_tokens": 100, list_name(dialect): items}
    if dialect == "openai.responses":
        del fields["max_tokens"]
    call = call_of(fields, dialect=dialect)
    before = json.dumps(items)
    await lever(call, below)
    assert json.dumps(items) == before, "the client's own is untouched"
    return call, list(passed[0].request.fields[list_name(dialect)])


def trim(window: int, **settings: Any) -> Trim:
    """A lever for a model of this window, a tenth of which is kept free."""
    set_up = TrimSettings(**{"reserve_output": 100, "step": 0, **settings})
    return Trim(shared_encoder(), lambda _: window, lambda *_: None, set_up)


def compact() -> Compact:
    """A lever that may do all that there is."""
    return Compact(CompactSettings(wording=LOSSY))


def ids(items: Sequence[Any]) -> tuple[set[str], set[str]]:
    """Which calls of tools stand there, and which results."""
    text = [json.dumps(one) for one in items]
    called = {one for one in "abcdef" if any(_calls(t, one) for t in text)}
    answered = {one for one in "abcdef" if any(_answers(t, one) for t in text)}
    return called, answered


def _calls(text: str, key: str) -> bool:
    if '"function_call"' in text:
        return f'"call_id": "{key}"' in text
    return f'"id": "{key}"' in text


def _answers(text: str, key: str) -> bool:
    if "function_call_output" in text:
        return f'"call_id": "{key}"' in text
    return f'"tool_call_id": "{key}"' in text or f'"tool_use_id": "{key}"' in text


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_conversation_may_begin_with_results(dialect: str) -> None:
    """They have no call: they go first, and nothing is compacted whose tool nobody knows."""
    items = [*results(dialect, "a"), said("assistant"), said("user"), said("assistant")]
    items += [said("user", "now")]
    _, left = await through(trim(900), dialect, items)
    assert left[-1] == items[-1]
    assert left[0]["role"] == "user"
    assert items[0] not in left
    _, left = await through(compact(), dialect, items)
    assert left[0] == items[0]


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_interleaved_parallel_tools_stay_together(dialect: str) -> None:
    """Two calls at once, answered the other way round, a third between: whole or not at all."""
    items = [said("user", "go"), *calls(dialect, "a", "b"), *results(dialect, "b", "a")]
    items += [said("user", "more"), *calls(dialect, "c", "d")]
    if dialect != "anthropic.messages":  # whose results stand in one message
        items += results(dialect, "d")
        items += calls(dialect, "e")
        items += [*results(dialect, "e"), *results(dialect, "c")]
    else:
        items += results(dialect, "d", "c")
    items += [said("user", "now")]
    for window in range(500, 3000, 250):
        _, left = await through(trim(window), dialect, items)
        called, answered = ids(left)
        assert called == answered
        assert left[-1] == items[-1]
    _, left = await through(compact(), dialect, items)
    assert ids(left) == ids(items)
    assert all(
        len(json.dumps(one)) <= len(json.dumps(two)) for one, two in zip(left, items, strict=True)
    )
    assert len(json.dumps(left)) < len(json.dumps(items)) * 0.8


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_pictures_count_and_stay_as_they_are(dialect: str) -> None:
    """An old one goes with its message, the newest stays, and none is written shorter."""
    items = [said("user"), picture(dialect), said("assistant"), picture(dialect)]
    _, left = await through(compact(), dialect, items)
    assert [one for one in left if one == picture(dialect)] == [picture(dialect)] * 2
    call, left = await through(trim(1500), dialect, items)
    assert left[-1] == items[-1]
    count = await shared_encoder().count_request("gpt-4o-mini", {list_name(dialect): left}, dialect)
    assert count.high <= 1400 or verdicts(call, "trim") == ["cannot_fit"]


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_huge_message_that_cannot_fit_says_both_numbers(dialect: str) -> None:
    """In the trace of the lever, in the error of the function."""
    items = [said("user"), said("assistant"), said("user", "huge " * 5000)]
    call, left = await through(trim(1100), dialect, items)
    assert left == items, "the provider has the last word"
    told = numbers(call, "trim")
    assert verdicts(call, "trim") == ["cannot_fit"]
    assert told["limit"] == 1000
    assert isinstance(told["tokens"], int)
    assert told["tokens"] >= 5000
    beside = results(dialect, "x", text="x")
    with pytest.raises(InvalidRequest, match=r"5,0\d\d tokens in \d messages, and 100 fit"):
        scrimp.fit([*items[:2], *calls(dialect, "x"), *beside, items[2]], 200, reserve_output=100)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_unknown_roles_and_items_stay(dialect: str) -> None:
    """What nobody knows is neither left out nor written shorter."""
    stranger = {"role": "oracle", "content": "In order to   see  \n\n\n\n" * 9, "sign": 1}
    items: list[Any] = [said("user"), stranger, said("assistant"), stranger, said("user", "now")]
    _, left = await through(trim(500), dialect, items)
    assert left == [stranger, stranger, items[-1]]
    _, left = await through(compact(), dialect, items)
    assert [one for one in left if one == stranger] == [stranger] * 2
    assert [one for one in scrimp.trim(items, 1) if one == stranger] == [stranger] * 2


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_signed_and_hashed_content_is_untouched(dialect: str) -> None:
    """Thoughts with signatures, sealed reasoning, and results that are signed."""
    items = [said("user", "go"), *signed(dialect), said("user", "now")]
    _, left = await through(compact(), dialect, items)
    assert left == items
    assert scrimp.compact(items, lossy=True).after == items
    many = [said("user"), *signed(dialect), said("user"), said("assistant"), said("user", "now")]
    _, left = await through(trim(700), dialect, many)
    kept = [one for one in left if one in signed(dialect)]
    assert kept in ([], signed(dialect)), "a thought stays with what it led to"
    assert left[-1] == many[-1]


@pytest.mark.parametrize("lever", [lambda: trim(300), lambda: trim(0, last=2), compact])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_what_is_no_message_breaks_nothing(
    dialect: str, lever: Callable[[], Trim | Compact]
) -> None:
    """Objects without fields, and with fields of the wrong kind; others are refused before."""
    items: list[Any] = [
        *({}, {"role": 7}, {"role": "user"}, {"content": None}, {"type": 7, "role": None}),
        {"role": "tool", "tool_call_id": 7, "content": 9},
        {"role": "assistant", "tool_calls": [None, {"id": [], "function": 3}]},
        {"role": "user", "content": [None, 7, {"type": "tool_result", "content": {"a": 1}}]},
        {"type": "function_call_output", "call_id": None, "output": {"x": WORDS}},
        said("user", WORDS * 4),
    ]
    _, left = await through(lever(), dialect, items)
    assert left[-1]["role"] == "user"
