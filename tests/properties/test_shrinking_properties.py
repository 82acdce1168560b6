"""Whatever the conversation: trim keeps what must stay, compact what is said, both for good."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scrimp.shrinking.blocks import results_changed
from scrimp.shrinking.columns import expanded, in_columns
from scrimp.shrinking.compacting import LOSSY, STEPS, Wording, compacted, is_json, reworded
from scrimp.shrinking.fitting import First, fit_to, last_of
from scrimp.shrinking.terminal import told_again, told_once
from scrimp.shrinking.turns import is_legal, removable, units_of

Items = list[dict[str, Any]]

WORDS = st.sampled_from(["in order to", "x", '"', "'", "`", "```", " ", "  ", "\n", "\n\n", "\r"])
TEXTS = st.lists(WORDS | st.text(max_size=4), max_size=40).map("".join)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["name", "id", "é", "rows", "columns"]), inner)
        | st.lists(st.fixed_dictionaries({"alpha": inner, "beta": inner}), max_size=6)
    ),
    max_leaves=30,
)
NAMES = st.sampled_from(["name", "id", "é", 'a"b', "\\\\", "from", "", "x y"])
ROW = st.recursive(
    st.dictionaries(NAMES, JSON, max_size=3),
    lambda inner: st.dictionaries(NAMES, inner | JSON, max_size=4),
    max_leaves=8,
)
TABLES = st.one_of(
    st.builds(lambda row, times: [row] * times, ROW, st.integers(1, 5)),
    st.builds(
        lambda rows, times: [{"first": 1, "second": {"third": one}} for one in rows] * times,
        st.lists(JSON, min_size=1, max_size=4),
        st.integers(1, 3),
    ),
    st.lists(ROW, max_size=4),
)
"""Lists of objects, alike in most of them."""
DUMPED = st.builds(
    lambda value, indent, ascii_only: json.dumps(value, indent=indent, ensure_ascii=ascii_only),
    JSON,
    st.sampled_from([None, 1, 4]),
    st.booleans(),
)


@st.composite
def conversations(draw: st.DrawFn) -> Items:
    """Any order of roles, with calls answered at once, late, in parallel, or never."""
    items: Items = []
    waiting: list[str] = []
    kinds = ["system", "user", "assistant", "call", "result", "orphan", "stranger"]
    for number, kind in enumerate(draw(st.lists(st.sampled_from(kinds), max_size=24))):
        if kind == "call":
            ids = [f"c{number}.{part}" for part in range(draw(st.integers(1, 3)))]
            waiting += ids
            calls = [{"id": one, "function": {"name": "find"}} for one in ids]
            items.append({"role": "assistant", "tool_calls": calls})
        elif kind == "result" and waiting:
            one = waiting.pop(draw(st.integers(0, len(waiting) - 1)))
            items.append({"role": "tool", "tool_call_id": one, "content": "r" * number})
        elif kind == "orphan":
            items.append({"role": "tool", "tool_call_id": f"o{number}", "content": "r"})
        else:
            items.append({"role": kind, "content": f"{kind} {number}"})
    return items


def may_shrink(items: Items) -> bool:
    """True when something could still go."""
    units = units_of(items)
    order = removable(units)
    return any(is_legal(units, order, count) for count in range(1, len(order) + 1))


def keeps_what_must_stay(items: Items, kept: Items) -> None:
    """Order, instructions, strangers, the newest message, the newest question, pairs of tools."""
    numbers = [next(n for n, one in enumerate(items) if one is item) for item in kept]
    assert numbers == sorted(set(numbers))
    held = {id(one) for one in kept}
    assert all(id(one) in held for one in items if one["role"] in ("system", "stranger", "result"))
    questions = [one for one in items if one["role"] == "user"]
    assert all(id(one) in held for one in (*questions[-1:], *items[-1:]))

    def ids(some: Items) -> tuple[set[str], set[str]]:
        called = {call["id"] for one in some for call in one.get("tool_calls", ())}
        return called, {one["tool_call_id"] for one in some if one["role"] == "tool"}

    called, answered = ids(items)
    called_now, answered_now = ids(kept)
    assert called_now & answered == answered_now & called, "a call without its result, or reverse"


@given(conversations(), st.integers(1, 12), st.integers(0, 4))
def test_trim_keeps_what_must_stay(items: Items, last: int, step: int) -> None:
    """And no more messages than asked, unless none of the others may go."""
    kept = list(last_of(items, last, step=step).items)
    keeps_what_must_stay(items, kept)
    left = units_of(kept)
    counted = sum(unit.past - unit.first for unit in left if unit.kind != "fixed")
    assert counted <= last or not may_shrink(kept)
    begins = next((unit.kind for unit in left if unit.kind != "fixed"), "fixed")
    if len(kept) < len(items) and any(unit.kind == "question" for unit in units_of(items)):
        assert begins != "answer", "beside what must stay a question comes first, if anything does"


@given(
    conversations(),
    st.integers(0, 400),
    st.integers(0, 90),
    st.sampled_from(["turns", "tool_results"]),
)
def test_fit_never_exceeds_the_window(items: Items, limit: int, step: int, first: First) -> None:
    """Or everything that may go is gone, and it says what is left."""
    weights = [7 + len(json.dumps(one)) % 60 for one in items]
    need = sum(weights) - limit
    found = fit_to(items, weights, need, step=step, first=first)
    left = list(found.items)
    assert need <= 0 or found.tokens >= need or not may_shrink(left)
    if not found.results:
        keeps_what_must_stay(items, list(found.items))
    assert len(found.items) + found.messages == len(items)


@given(DUMPED)
def test_json_reads_back_equal(text: str) -> None:
    """Whatever was in it; and twice is once."""
    once = compacted(text, STEPS)
    assert compacted(once, STEPS) == once
    assert len(once) <= len(text)
    if once != text and is_json(text):
        value = json.loads(text)
        assert json.loads(once) == value or expanded(json.loads(once)) == value


@given(TEXTS)
def test_any_text_twice_is_once(text: str) -> None:
    """Results of tools and prompts, hostile ones too."""
    once = compacted(text, STEPS)
    assert compacted(once, STEPS) == once
    for wording in (Wording(), LOSSY):
        once = reworded(text, wording)
        assert reworded(once, wording) == once
        assert len(once) <= len(text)
    assert told_again(told_once(text)) == text or "[the line above " in text


@given(rows=TABLES, wrapped=st.booleans())
def test_a_list_alone_is_written_as_it_is_among_others(rows: object, *, wrapped: bool) -> None:
    """One list of objects is read by a type of its keys, several are not: nobody sees which."""
    value = {"found": rows, "n": 1} if wrapped else rows
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    other = '[{"x":1}]'
    assert in_columns(f"[{text},{other}]") == f"[{in_columns(text)},{other}]"
    if '"rows":' not in text:
        assert expanded(json.loads(in_columns(text))) == value


@given(st.lists(DUMPED | TEXTS, min_size=1, max_size=8))
def test_prefixes_of_a_growing_conversation_stay(texts: list[str]) -> None:
    """What was sent with one call is sent, byte for byte, at the head of the next."""
    items: Items = []
    before: Items = []
    for number, text in enumerate(texts):
        call = {"id": f"c{number}", "function": {"name": "find"}}
        items.append({"role": "assistant", "tool_calls": [call]})
        items.append({"role": "tool", "tool_call_id": f"c{number}", "content": text})
        found = results_changed(
            {"messages": items}, "openai.chat", lambda _, one: compacted(one, STEPS)
        )
        sent = items[:] if found is None else found
        assert sent[: len(before)] == before
        before = sent
