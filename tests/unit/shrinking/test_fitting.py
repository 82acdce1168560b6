"""Fitting: what goes, in which order, and that cuts stand still."""

from __future__ import annotations

from typing import Any

from scrimp.shrinking.fitting import LEFT_OUT, fit_to, last_of, left_out

SYSTEM = {"role": "system", "content": "rules"}


def chat(turns: int) -> list[dict[str, Any]]:
    """A system prompt, and so many questions with their answers, and one more question."""
    items = [SYSTEM]
    for number in range(turns):
        items.append({"role": "user", "content": f"question {number}"})
        items.append({"role": "assistant", "content": f"answer {number}"})
    return [*items, {"role": "user", "content": "now"}]


def agent(rounds: int, size: int = 1000) -> list[dict[str, Any]]:
    """One question, and so many calls of a tool."""
    items: list[dict[str, Any]] = [SYSTEM, {"role": "user", "content": "do it"}]
    for number in range(rounds):
        call = {"id": f"c{number}", "type": "function", "function": {"name": "find"}}
        items.append({"role": "assistant", "content": None, "tool_calls": [call]})
        items.append({"role": "tool", "tool_call_id": f"c{number}", "content": "x" * size})
    return items


def test_the_last_messages_stay() -> None:
    """With the system prompt; never more than asked for, and from a question on."""
    kept = last_of(chat(10), 4)
    assert kept.items[0] is SYSTEM
    assert [one["content"] for one in kept.items[1:]] == ["question 9", "answer 9", "now"]
    assert (kept.messages, last_of(chat(1), 4).messages) == (18, 0)


def test_an_agents_task_stays() -> None:
    """The one question is old, and its rounds go oldest first, in pairs."""
    kept = last_of(agent(10), 5)
    assert kept.items[1]["content"] == "do it"
    assert [one.get("tool_call_id") for one in kept.items[3::2]] == ["c8", "c9"]


def test_a_step_keeps_the_cut_where_it_is() -> None:
    """Over the next calls of a growing conversation the oldest message stays the same."""
    firsts = [last_of(chat(turns), 10, step=4).items[1]["content"] for turns in range(8, 16)]
    assert firsts == [f"question {n}" for n in (4, 6, 6, 8, 8, 10, 10, 12)]
    assert all(len(last_of(chat(turns), 10, step=4).items) <= 11 for turns in range(8, 16))


def test_no_more_goes_than_a_step_asks() -> None:
    """Where a whole step is not there, what is needed is enough."""
    kept = fit_to(chat(3), [10] * 8, 15, step=1000)
    assert (kept.messages, kept.tokens) == (2, 20)


def test_old_results_go_first_where_that_is_asked() -> None:
    """Their messages stay, with a line that says how much is gone; the newest result stays."""
    items = agent(4)
    kept = fit_to(items, [5, 5, *[20, 500] * 4], 800, first="tool_results")
    assert (kept.messages, kept.results) == (0, 2)
    assert kept.items[3]["content"] == LEFT_OUT.format(size=1000)
    assert kept.items[3]["tool_call_id"] == "c0"
    assert kept.items[-1] is items[-1]
    assert items[3]["content"] == "x" * 1000, "what was given is not changed"


def test_turns_go_where_results_are_not_enough() -> None:
    """Both together."""
    kept = fit_to(agent(4), [5, 5, *[400, 500] * 4], 2000, first="tool_results")
    assert kept.results == 3
    assert kept.messages > 0
    assert kept.tokens >= 2000


def test_results_are_left_out_in_every_shape() -> None:
    """Anthropic's blocks, OpenAI's parts and outputs; short ones and pictures stay."""
    long, picture = "y" * 500, {"type": "image", "source": {}}
    block = {"type": "tool_result", "tool_use_id": "t", "content": [picture, text(long)]}
    line = LEFT_OUT.format(size=500)
    assert left_out({"role": "user", "content": [block, text(long)]})["content"] == [
        {**block, "content": [picture, text(line)]},
        text(long),
    ]
    assert left_out({"type": "function_call_output", "output": long})["output"] == line
    assert left_out({"role": "tool", "content": [text(long)]})["content"] == [text(line)]
    assert left_out({"role": "tool", "content": "short"})["content"] == "short"


def text(words: str) -> dict[str, str]:
    """A part of text."""
    return {"type": "text", "text": words}


def test_nothing_goes_that_must_stay() -> None:
    """The newest turn is larger than all: it stays, and so does the rest that cannot help."""
    items = [SYSTEM, {"role": "user", "content": "huge"}]
    kept = fit_to(items, [10, 10_000], 5000)
    assert (kept.items, kept.messages, kept.tokens) == (tuple(items), 0, 0)


def test_the_tail_behind_a_cut_is_weighed() -> None:
    """It is what a provider must read anew: neither the instructions nor the newest turn."""
    kept = fit_to(chat(3), [50, 1, 2, 3, 4, 5, 6, 7], 3)
    assert (kept.messages, kept.tokens, kept.tail_tokens) == (2, 3, 3 + 4 + 5 + 6)
