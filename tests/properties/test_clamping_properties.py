"""Limits cut as few answers as they promise, parts make the whole, and the books add up."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp.calls import Attempt, Reply, ReplyFacts, Trace, Usage
from scrimp.clamping.continuing import cut_text, going_on, joined
from scrimp.clamping.limits import rounded
from scrimp.clamping.outputs import LEAST_CALLS, Lengths
from scrimp.clamping.placing import instructed
from scrimp.dialects import DIALECTS
from scrimp.dialects.json_body import encode
from scrimp.ledger.booking import booked
from scrimp.ledger.joined import part, savings_of_parts
from scrimp.ledger.smaller import SMALLER
from scrimp.ledger.steps import served_after_all, unserved
from tests.support.core import NOON, TARGET, answer_fields, flat_price, reply_of

TOKENS = st.integers(0, 200_000)


@given(st.lists(TOKENS, min_size=LEAST_CALLS, max_size=LEAST_CALLS + 200), st.integers(0, 5))
@settings(max_examples=40)
def test_a_limit_is_above_99_per_cent_and_close_to_what_was_seen(
    lengths: list[int], cut: int
) -> None:
    """Unknown where too many were cut, as nobody knows how long they would have been."""
    found = Lengths()
    for tokens in lengths:
        found.add(tokens)
    for _ in range(cut):
        found.add(1, cut=True)
    bound = found.bound()
    if cut:
        assert bound is None or bound >= sorted(lengths)[int(len(lengths) * 0.99) - 1]
    else:
        assert bound is not None
        assert sum(one > bound for one in lengths) <= len(lengths) * 0.01
        assert bound <= max(1, *lengths) * 1.1
        assert rounded(bound) >= bound


@given(st.lists(TOKENS, max_size=LEAST_CALLS - 1))
@settings(max_examples=20)
def test_few_answers_say_nothing(lengths: list[int]) -> None:
    """With fewer the largest may be below the percentile."""
    found = Lengths()
    for tokens in lengths:
        found.add(tokens)
    assert found.bound() is None


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=60)
SHAPES = st.sampled_from(["openai.chat", "anthropic.messages"])


def part_of(dialect: str, text: str, *, cut: bool) -> Reply:
    """A reply of 5 tokens in either dialect."""
    if dialect == "openai.chat":
        body = answer_fields(text, finish="length" if cut else "stop")
    else:
        ends = "max_tokens" if cut else "end_turn"
        fields = {"type": "message", "role": "assistant", "model": "m", "stop_reason": ends}
        content = [{"type": "text", "text": text}]
        usage = {"input_tokens": 9, "output_tokens": 5}
        body = encode({**fields, "stop_sequence": None, "content": content, "usage": usage})
    facts = ReplyFacts(
        usage=Usage(input_tokens=9, output_tokens=5),
        finish="truncated" if cut else "complete",
        complete=True,
    )
    return reply_of(body=body, facts=facts)


@given(SHAPES, WORDS, WORDS, st.booleans())
def test_the_parts_are_the_whole_text_and_nothing_else(
    name: str,
    first: str,
    rest: str,
    repeats: bool,  # noqa: FBT001 (a parameter of the test)
) -> None:
    """What was sent to be gone on with stands at the beginning; the usage is that of both."""
    repeats = repeats and name == "openai.chat"
    dialect, one = DIALECTS[name], part_of(name, first, cut=True)
    said = cut_text(one.body or b"", name)
    if said is None:
        assert not first.strip()
        return
    fields = {"model": "m", "messages": [{"role": "user", "content": "q"}], "max_tokens": 9}
    sent = going_on(fields, said, "prefix" if repeats else "prefill", 4)
    assert sent is not None
    given_text = sent["messages"][-1]["content"]
    assert given_text == first.rstrip()
    assert sent["max_tokens"] == 4
    answer = given_text + rest if repeats else rest
    whole = joined((one, part_of(name, answer, cut=False)), said, dialect, repeats=repeats)
    assert whole is not None
    assert not whole.cacheable
    assert dialect.reply_texts(whole.body or b"") == (given_text + rest,)
    facts = dialect.read_reply(whole.body or b"")
    assert (facts.finish, facts.complete) == ("complete", True)
    assert whole.facts.usage == Usage(input_tokens=18, output_tokens=10)
    usage = json.loads(whole.body or b"")["usage"]
    assert {"input_tokens": 18}.items() <= usage.items() or usage["prompt_tokens"] == 18


def attempt(usage: Usage) -> Attempt:
    """One that was paid."""
    cost = flat_price(usage, TARGET, NOON, "")
    return Attempt(TARGET, "ok", 200, NOON, 1.0, usage=usage, cost=cost)


USAGES = st.builds(Usage, input_tokens=st.integers(1, 999), output_tokens=st.integers(0, 999))


@given(st.lists(USAGES, min_size=1, max_size=5), st.booleans())
def test_an_answer_in_parts_is_booked_as_one_answer_and_what_its_parts_cost_beside(
    usages: list[Usage],
    failed: bool,  # noqa: FBT001 (a parameter of the test)
) -> None:
    """The baseline is the first input with all outputs, to the nano-dollar.

    So it is where the last part could not be had.
    """
    trace = Trace(attempts=[attempt(usage) for usage in usages])
    for number in range(len(usages) - 1):
        trace.note("clamp_output", "continued", part(number))
    if failed and len(usages) > 1:
        trace.note("clamp_output", "kept", served_after_all(len(usages) - 2, len(usages) - 1))
        trace.note("clamp_output", "not_continued", unserved(len(usages) - 1, len(usages)))
    for saving in savings_of_parts(trace, flat_price):
        trace.note("record", SMALLER, saving)
    reply = reply_of()
    found = booked(reply, trace.attempts, trace.attempts[0].cost, trace.lines)
    cost, kept = found.cost.nanousd, usages[:-1] if failed and len(usages) > 1 else usages
    assert cost is not None
    assert cost == sum(one.input_tokens + 2 * one.output_tokens for one in usages)
    assert found.baseline_nanousd == kept[0].input_tokens + 2 * sum(
        one.output_tokens for one in kept
    )
    assert found.baseline_nanousd - cost == sum(nanousd for _, nanousd in found.saved)


@given(
    SHAPES,
    st.lists(st.sampled_from(["system", "developer", "user", "assistant"]), min_size=1, max_size=6),
)
def test_a_line_leaves_the_beginning_as_it_was(name: str, roles: list[str]) -> None:
    """Every message stays, in its place, but one, whose text it follows."""
    messages: list[dict[str, Any]] = [{"role": role, "content": role} for role in roles]
    fields = {"model": "m", "system": "rules", "messages": messages}
    new = instructed(fields, name, "LINE")
    assert new is not None
    before, after = encode(fields).decode(), encode(new).decode()
    if name == "anthropic.messages":
        assert new["messages"] == messages
        assert new["system"] == "rules\n\nLINE"
    elif roles[0] in ("system", "developer"):
        changed = [one for one, old in zip(new["messages"], messages, strict=True) if one != old]
        assert [one["content"] for one in changed] == [f"{changed[0]['role']}\n\nLINE"]
        at = new["messages"].index(changed[0])
        assert all(role in ("system", "developer") for role in roles[: at + 1])
        common = before.index(encode(messages[at:]).decode()[1:])
        assert after[:common] == before[:common]
    else:
        assert new["messages"][1:] == messages
