"""The demo's traffic: what the texts promise, what a planned day promises, what the SDKs get."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest

from scrimp.demo.traffic import (
    PlannedCall,
    Say,
    Subject,
    ToolResult,
    Turn,
    day,
    facts,
    load_coding,
    load_labels,
    load_support,
    request_fields,
    scrimp_headers,
)
from scrimp.demo.traffic.corpus import LABELS
from scrimp.demo.traffic.facts import opened_with, repeated
from scrimp.demo.traffic.plan import BANNER

SUBJECTS = {subject.id: subject for subject in load_support().subjects}
NEAR_PAIRS = sorted({tuple(sorted((s.id, n))) for s in SUBJECTS.values() for n in s.near})
SEEDS = (1, 2, 3, 7, 42)


def folded(text: str) -> str:
    """A text without the differences that nobody hears: case, spaces, punctuation at the end."""
    return " ".join(text.casefold().split()).rstrip(" ?.!")


def words(text: str) -> set[str]:
    """The words of a text."""
    return set(re.findall(r"\w+", text.casefold()))


def likeness(one: Subject, other: Subject) -> float:
    """Shared words over all words of the two most alike wordings of two subjects."""
    return max(
        len(words(a.text) & words(b.text)) / len(words(a.text) | words(b.text))
        for a in one.wordings
        for b in other.wordings
    )


def conversations(calls: Iterable[PlannedCall]) -> Iterator[list[PlannedCall]]:
    """The calls of each conversation, in order."""
    talks: dict[str, list[PlannedCall]] = {}
    for call in calls:
        talks.setdefault(call.conversation, []).append(call)
    yield from talks.values()


def past_of(talk: list[PlannedCall], turn: int) -> list[Turn]:
    """The turns before `turn`, each answered by a short text."""
    return [Turn(call.step, f"Reply {call.turn}.") for call in talk[: turn - 1]]


def test_there_are_enough_subjects_and_wordings() -> None:
    """At least 55 subjects, and their own question is asked in 5 to 10 ways."""
    ways = {s.id: sum(w.intent == s.id for w in s.wordings) for s in SUBJECTS.values()}
    assert len(SUBJECTS) >= 55
    assert len(SUBJECTS) == len(load_support().subjects)
    assert [(name, count) for name, count in ways.items() if not 5 <= count <= 10] == []


def test_people_write_in_several_languages() -> None:
    """English mostly; German, Spanish and French at least a dozen times each."""
    langs = Counter(w.lang for s in SUBJECTS.values() for w in s.wordings)
    assert langs["en"] > sum(langs.values()) * 0.8
    assert min(langs["de"], langs["es"], langs["fr"]) >= 12


def test_no_wording_stands_twice() -> None:
    """Case, spaces and closing punctuation apart, no text belongs to two questions."""
    seen = Counter(folded(w.text) for s in SUBJECTS.values() for w in s.wordings)
    assert [text for text, count in seen.items() if count > 1] == []
    assert len(seen) >= 300


def test_texts_are_clean() -> None:
    """No stray white space, control characters or replacement characters."""
    texts = [w.text for s in SUBJECTS.values() for w in s.wordings]
    texts += [ticket.text for ticket in load_labels().tickets]
    assert [t for t in texts if t != " ".join(t.split()) or not t.isprintable()] == []
    assert [t for t in texts if "\N{REPLACEMENT CHARACTER}" in t] == []


@pytest.mark.parametrize(("one", "other"), NEAR_PAIRS)
def test_a_near_miss_sounds_alike_and_means_something_else(one: str, other: str) -> None:
    """Near subjects know each other, share words, and share no answer."""
    a, b = SUBJECTS[one], SUBJECTS[other]
    assert a.id != b.id
    assert other in a.near
    assert one in b.near
    assert likeness(a, b) >= 0.35
    assert not {w.intent for w in a.wordings} & {w.intent for w in b.wordings}


def test_there_are_hard_near_misses() -> None:
    """Cancel and pause, 20 % and 30 %, on and off, before and after: one word apart."""
    hard = {pair for pair in NEAR_PAIRS if likeness(SUBJECTS[pair[0]], SUBJECTS[pair[1]]) >= 0.6}
    assert len(hard) >= 25
    assert {
        ("plus-cancel", "plus-pause"),
        ("discount-20", "discount-30"),
        ("alerts-off", "alerts-on"),
        ("cancel-after-shipping", "cancel-before-shipping"),
    } <= hard


def test_tickets_have_one_label_each() -> None:
    """130 different texts, all five labels alike often, and the instruction names each label."""
    labels = load_labels()
    assert len({folded(ticket.text) for ticket in labels.tickets}) == len(labels.tickets) == 130
    assert set(Counter(ticket.label for ticket in labels.tickets).values()) == {26}
    assert all(f"- {label}:" in labels.instruction for label in LABELS)


def test_coding_conversations_are_whole() -> None:
    """Six of them, 6 to 10 turns, a person opens, and tools are called as they are defined."""
    coding = load_coding()
    tools = {tool.name: tool.parameters for tool in coding.tools}
    assert set(tools) == {"read_file", "run_tests"}
    assert len(coding.conversations) == 6
    for talk in coding.conversations:
        assert 6 <= len(talk.steps) <= 10, talk.id
        assert isinstance(talk.steps[0], Say)
        used = [step for step in talk.steps if isinstance(step, ToolResult)]
        assert used, talk.id
        for step in used:
            schema = tools[step.tool]
            assert set(step.arguments) <= set(schema["properties"])
            assert set(schema.get("required", ())) <= set(step.arguments)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_day_is_as_large_as_promised(seed: int) -> None:
    """About 1,000 calls; 25 to 35 % of the support calls were sent before, word for word."""
    counted = facts(day(seed))
    assert 950 <= counted.calls <= 1050
    assert counted.subjects >= 55
    assert counted.questions >= 300
    assert 0.25 <= counted.support_repeats / counted.support_calls <= 0.35
    assert counted.classifier_calls == 150
    assert counted.classifier_repeats == 20
    assert counted.coding_repeats == 0
    assert counted.repeats == counted.support_repeats + 20


def test_the_same_seed_gives_the_same_day() -> None:
    """A plan is a function of seed and scale; another seed gives another day."""
    assert day(7) == day(7)
    assert day() == day(7, 1.0)
    assert day(7) != day(8)


def test_a_day_can_be_made_smaller_and_larger() -> None:
    """A tenth for tests, three times the support chats for a long run; never an empty day."""
    small, large = facts(day(scale=0.1)), facts(day(scale=3))
    assert 80 <= small.calls <= 130
    assert small.coding_calls > 0
    assert large.support_calls > 2000
    assert large.classifier_calls == 150
    assert {call.actor for call in day(scale=0.001)} == {"support", "coding", "classifier"}


@pytest.mark.parametrize("scale", [0, -1, float("nan")])
def test_a_scale_must_be_positive(scale: float) -> None:
    """Zero, a negative number and not-a-number are refused, with the number in the message."""
    with pytest.raises(ValueError, match=f"got {scale}"):
        day(scale=scale)


def test_calls_stand_in_the_order_of_the_day() -> None:
    """Virtual seconds never go back and stay inside the day; turns count up from one."""
    plan = day()
    assert all(a.at_s <= b.at_s for a, b in pairwise(plan))
    assert plan[0].at_s >= 0
    assert plan[-1].at_s < 86_400
    for talk in conversations(plan):
        assert [call.turn for call in talk] == list(range(1, len(talk) + 1))
        assert len({(c.sdk, c.model, c.system, c.user, c.session) for c in talk}) == 1


def test_models_and_streams_are_mixed() -> None:
    """Four models through two SDKs; half of support streams, all coding, no classifier call."""
    plan = day()
    assert {(call.actor, call.sdk, call.model) for call in plan} == {
        ("support", "openai", "gpt-4o-mini"),
        ("support", "anthropic", "claude-haiku-4-5"),
        ("coding", "anthropic", "claude-sonnet-4-5"),
        ("classifier", "openai", "gpt-4.1-nano"),
    }
    support = [call.stream for call in plan if call.actor == "support"]
    assert 0.4 <= sum(support) / len(support) <= 0.6
    assert all(call.stream for call in plan if call.actor == "coding")
    assert not any(call.stream for call in plan if call.actor == "classifier")


def test_popular_subjects_lead() -> None:
    """The ten most popular subjects open more chats than the fifty least popular ones."""
    opened = Counter(c.subject for c in day() if c.actor == "support" and c.turn == 1)
    ranked = [opened[subject.id] for subject in load_support().subjects]
    assert sum(ranked[:10]) > sum(ranked[-50:])


def test_meaning_is_the_truth_about_answers() -> None:
    """Equal openings mean the same; other words and somebody's own number are told apart."""
    opening = [c for c in day() if c.actor == "support" and c.turn == 1]
    meanings: dict[str, set[str]] = {}
    for call in opening:
        meanings.setdefault(opened_with(call), set()).add(call.meaning)
    assert all(len(found) == 1 for found in meanings.values())
    texts_of = Counter(next(iter(found)) for found in meanings.values())
    assert sum(count - 1 for count in texts_of.values()) > 100
    numbered = [c for c in opening if re.search(r"\bLM-\d", opened_with(c))]
    assert numbered
    assert all("order=LM-" in c.meaning for c in numbered)


def test_a_banner_is_tapped_by_many_in_one_second() -> None:
    """Equal calls at the same moment, in words that nobody else uses, however small the day."""
    for scale, fewest in ((1.0, 10), (0.01, 5)):
        tapped = [call for call in day(scale=scale) if opened_with(call) == BANNER]
        assert len(tapped) >= fewest
        assert len({(call.at_s, call.model, call.system, call.stream) for call in tapped}) == 1
        assert len({call.conversation for call in tapped}) == len(tapped)


def test_nobody_repeats_what_holds_anothers_number() -> None:
    """A repeat never names an order, an invoice or a serial number."""
    again = [opened_with(c) for c in repeated(day()) if c.actor == "support" and c.turn == 1]
    assert again
    assert [t for t in again if re.search(r"\b(LM-|INV-|LS)\d", t)] == []


def test_no_slot_stays_open() -> None:
    """Every name in braces was filled in."""
    support = [c for c in day() if c.actor == "support"]
    assert [t for t in map(opened_with, support) if "{" in t or "}" in t] == []


def test_the_first_turn_for_openai() -> None:
    """System and user message, limits as planned, no empty fields."""
    call = next(c for c in day() if c.actor == "classifier")
    assert request_fields(call) == {
        "model": "gpt-4.1-nano",
        "max_tokens": 5,
        "stream": False,
        "temperature": 0.0,
        "messages": [
            {"role": "system", "content": call.system},
            {"role": "user", "content": opened_with(call)},
        ],
    }
    assert scrimp_headers(call) == {
        "x-scrimp-user": "nightly-labels",
        "x-scrimp-session": "labels-run-1",
        "x-scrimp-tags": "classifier",
        "x-scrimp-task": "classification",
    }


def test_a_follow_up_carries_the_first_turn() -> None:
    """The second turn of a chat sends question, reply and follow-up."""
    talk = next(t for t in conversations(day()) if t[0].sdk == "openai" and len(t) == 2)
    messages = request_fields(talk[1], past_of(talk, 2))["messages"]
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "user"]
    assert messages[2]["content"] == "Reply 1."
    assert messages[3]["content"] == opened_with(talk[1])


def test_coding_turns_grow_and_stay_valid() -> None:
    """Roles alternate, each tool result answers the tool call before it, history is a prefix."""
    for talk in (t for t in conversations(day()) if t[0].actor == "coding"):
        before: list[object] = []
        for call in talk:
            fields = request_fields(call, past_of(talk, call.turn))
            messages = fields["messages"]
            assert [m["role"] for m in messages] == ["user", "assistant"] * (call.turn - 1) + [
                "user"
            ]
            assert len(fields["tools"]) == 2
            if isinstance(call.step, ToolResult):
                asked, answered = messages[-2]["content"][1], messages[-1]["content"][0]
                assert asked["type"] == "tool_use"
                assert asked["id"] == answered["tool_use_id"]
                assert re.fullmatch(r"[a-zA-Z0-9_-]+", asked["id"])
            # The newest reply may get its tool call only now; all before it stays as it was.
            assert messages[: len(before)] == before
            before = messages
            json.dumps(fields)


def test_tool_turns_for_openai() -> None:
    """The same conversation in OpenAI's shape: tool calls with JSON arguments, tool messages."""
    call = next(c for c in day() if isinstance(c.step, ToolResult))
    assert isinstance(call.step, ToolResult)
    talk = next(t for t in conversations(day()) if t[0].conversation == call.conversation)
    as_openai = PlannedCall(
        at_s=0,
        actor="coding",
        sdk="openai",
        model="gpt-4o-mini",
        stream=True,
        conversation=call.conversation,
        turn=call.turn,
        system="Help.",
        step=call.step,
        max_tokens=10,
        temperature=None,
        user="u",
        session="s",
        tags=(),
        tools=call.tools,
    )
    fields = request_fields(as_openai, past_of(talk, call.turn))
    asked, answered = fields["messages"][-2:]
    assert asked["role"] == "assistant"
    assert asked["tool_calls"][0]["function"]["name"] == call.step.tool
    assert json.loads(asked["tool_calls"][0]["function"]["arguments"]) == call.step.arguments
    assert answered["tool_call_id"] == asked["tool_calls"][0]["id"]
    assert {tool["type"] for tool in fields["tools"]} == {"function"}
    assert "temperature" not in fields


def test_an_empty_reply_does_not_break_the_history() -> None:
    """Anthropic refuses empty text, so an empty reply is replaced by a word about it."""
    talk = next(t for t in conversations(day()) if t[0].actor == "coding")
    fields = request_fields(talk[1], [Turn(talk[0].step, " ")])
    assert "(no text)" in json.dumps(fields["messages"][1])


def test_a_missing_turn_is_refused() -> None:
    """A runner that lost a reply hears so, with both numbers."""
    talk = next(t for t in conversations(day()) if len(t) > 2)
    with pytest.raises(ValueError, match="needs 2 turns before it, 1 were given"):
        request_fields(talk[2], past_of(talk, 2))
