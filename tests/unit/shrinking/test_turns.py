"""Turns: what belongs together in three shapes of conversation, and what may go first."""

from __future__ import annotations

from typing import Any

import pytest

from scrimp.shrinking.turns import is_legal, removable, tool_names, units_of


def said(role: str, text: str = "words") -> dict[str, Any]:
    """A message of text."""
    return {"role": role, "content": text}


def called(*ids: str) -> dict[str, Any]:
    """A message of an assistant that calls tools, as OpenAI's chats have it."""
    calls = [{"id": one, "type": "function", "function": {"name": f"f_{one}"}} for one in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def answered(one: str) -> dict[str, Any]:
    """A tool's result."""
    return {"role": "tool", "tool_call_id": one, "content": "result"}


def spans(items: list[Any]) -> list[tuple[int, int, str]]:
    """The units, plainly."""
    return [(unit.first, unit.past, unit.kind) for unit in units_of(items)]


def test_parallel_calls_stay_with_their_results_in_any_order() -> None:
    """Two calls at once, answered the other way round, are one unit."""
    items = [said("user"), called("a", "b"), answered("b"), answered("a"), said("assistant")]
    assert spans(items) == [(0, 1, "question"), (1, 4, "answer"), (4, 5, "answer")]


def test_interleaved_calls_are_one_unit() -> None:
    """A second call before the first is answered: neither can go without the other."""
    items = [said("user"), called("a"), called("b"), answered("a"), answered("b"), said("user")]
    assert spans(items) == [(0, 1, "question"), (1, 5, "answer"), (5, 6, "question")]


def test_results_without_a_call_are_answers() -> None:
    """A conversation may begin with them; they glue to nothing but answers before them."""
    items = [answered("x"), answered("y"), said("user"), said("assistant")]
    assert spans(items) == [(0, 2, "answer"), (2, 3, "question"), (3, 4, "answer")]


def test_anthropics_results_stand_in_the_users_message() -> None:
    """It is no question, and stays with the message that called."""
    use = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "find"}]}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}
    assert spans([said("user"), use, result]) == [(0, 1, "question"), (1, 3, "answer")]


def test_a_thought_stays_with_what_it_led_to() -> None:
    """OpenAI refuses a reasoning item without the item after it."""
    items = [
        said("user"),
        {"type": "reasoning", "encrypted_content": "e"},
        {"type": "function_call", "call_id": "c", "name": "find"},
        {"type": "function_call_output", "call_id": "c", "output": "o"},
        {"type": "reasoning", "encrypted_content": "e"},
        {"type": "message", "role": "assistant", "content": []},
    ]
    assert spans(items) == [(0, 1, "question"), (1, 4, "answer"), (4, 6, "answer")]


def test_what_nobody_knows_stays() -> None:
    """Unknown roles and items, and what is no object, are never left out."""
    items = [said("narrator"), {"type": "compaction"}, 7, said("system"), said("user")]
    assert [kind for _, _, kind in spans(items)] == ["fixed"] * 4 + ["question"]
    assert removable(units_of(items)) == []


def test_the_newest_question_and_the_newest_turn_stay() -> None:
    """Also where a person asked once and tools have run ever since."""
    items = [said("user"), said("assistant"), said("user")]
    for one in "abc":
        items += [called(one), answered(one)]
    units = units_of(items)
    assert [units[number].first for number in removable(units)] == [0, 1, 3, 5]


def test_what_is_left_begins_with_a_question() -> None:
    """Anthropic takes no conversation that begins with an answer."""
    units = units_of([said("user"), said("assistant"), said("user"), said("assistant")])
    order = removable(units)
    assert [is_legal(units, order, count) for count in range(3)] == [True, False, True]


def test_an_old_functions_answer_stays_with_its_call() -> None:
    """`function_call` has no ids."""
    items = [said("user"), {"role": "assistant", "function_call": {}}, said("function")]
    assert spans(items) == [(0, 1, "question"), (1, 3, "answer")]


def test_names_of_tools_are_found_in_every_shape() -> None:
    """Chat, responses, Anthropic; what has no name is left out."""
    items = [
        called("a"),
        {"type": "function_call", "call_id": "b", "name": "g"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "h"}]},
        {"type": "function_call_output", "call_id": "d"},
        "text",
    ]
    assert tool_names(items) == {"a": "f_a", "b": "g", "c": "h"}


@pytest.mark.parametrize("key", ["", None, 5, "again"])
def test_results_without_an_id_of_their_own_stay_with_the_call_before_them(key: Any) -> None:
    """Some servers give empty ids, or the same in each turn."""
    call = {"role": "assistant", "tool_calls": [{"id": key, "function": {"name": "f"}}]}
    shapes: list[list[dict[str, Any]]] = [
        [call, {"role": "tool", "tool_call_id": key, "content": "x"}],
        [
            {"type": "function_call", "call_id": key, "name": "f"},
            {"type": "function_call_output", "call_id": key, "output": "x"},
        ],
        [
            {"role": "assistant", "content": [{"type": "tool_use", "id": key, "name": "f"}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": key}]},
        ],
    ]
    for turn in shapes:
        units = units_of([{"role": "user", "content": "go"}, *turn, *turn])
        assert [(unit.first, unit.past) for unit in units] == [(0, 1), (1, 3), (3, 5)]
