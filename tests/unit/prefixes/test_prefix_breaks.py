"""What breaks prefixes: found where prompts part and go on alike, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scrimp.prefixes.breaking import AllBreaks, Breaks, Broken
from scrimp.prefixes.placing import claude_parts
from scrimp.prefixes.placing_openai import chat_parts
from scrimp.prefixes.planning import Prices, plan
from scrimp.prefixes.prompt import prompt_of, without_marks
from scrimp.prefixes.rules import ANTHROPIC, OPENAI_FREE
from scrimp.prefixes.seen import Scope

RULES = "\n".join(f"Rule {n}: be kind to the customers of shop {n}." for n in range(150))
TOOLS = [
    {"name": f"t{n}", "description": "does things " * 30, "input_schema": {"type": "object"}}
    for n in range(6)
]
UUIDS = ("5f0c2a4e-3b1d-4c6f-8a9b-0c1d2e3f4a5b", "0c1d2e3f-4a5b-4c6f-8a9b-5f0c2a4e3b1d")

Make = Callable[[int], dict[str, Any]]


def found(make: Make, calls: int = 2, *, gap_s: float = 1.0, whole: bool = True) -> Broken | None:
    """What breaks the last of so many calls."""
    scope, breaks = Scope((300.0,), 4096), Breaks(300.0, 1024, whole=whole)
    broken = None
    for number in range(calls):
        prompt, now_s = prompt_of(claude_parts(make(number)), "m"), number * gap_s
        known = plan(scope, prompt.pieces, Prices(10, 1, (12,)), ANTHROPIC, now_s).known
        broken = breaks.look(prompt, known, now_s)
    return broken


def ask(number: int, **more: Any) -> dict[str, Any]:
    """A question of its own behind rules that all share."""
    asked = [{"role": "user", "content": f"question {number}"}]
    return {"system": RULES, "messages": asked, **more}


def talk(number: int) -> list[Any]:
    """A conversation that grows."""
    turns: list[Any] = []
    for turn in range(number + 3):
        turns.append({"role": "user", "content": f"turn {turn} " + "a long text here " * 100})
        turns.append({"role": "assistant", "content": f"answer {turn} " * 50})
    return [*turns, {"role": "user", "content": f"last {number}"}]


@pytest.mark.parametrize(
    ("make", "at", "line", "kind"),
    [
        (lambda n: ask(n, system=f"It is 2026-11-23T10:0{n}Z\n{RULES}"), "system", 1, "timestamp"),
        (lambda n: ask(n, system=f"{RULES}\nid {UUIDS[n]}\n{RULES}"), "system", 151, "id"),
        (lambda n: ask(n, system=f"{RULES}\nnonce a9f3{n}c77e0b1"), "system", 151, "nonce"),
        (lambda n: ask(n, system=f"Hello Mr {'ab'[n]}\n{RULES}"), "system", 1, "text"),
        (
            lambda n: ask(n, system=f"Today is 2026-11-2{n}. " + RULES.replace("\n", " ")),
            "system",
            1,
            "timestamp",
        ),
        (lambda n: ask(n, tools=TOOLS[n:] + TOOLS[:n]), "tools[0]", 0, "order"),
        (
            lambda n: ask(n, tools=[*TOOLS[:5], dict(sorted(TOOLS[5].items(), reverse=n == 1))]),
            "tools[5]",
            0,
            "keys",
        ),
        (lambda n: ask(n, tools=TOOLS[: 5 + n]), "tools[5]", 0, "tools"),
        (
            lambda n: {"messages": [{"role": "user", "content": f"[10:0{n}] " + "x y " * 500},
                                    *talk(n)]},
            "messages[0]",
            1,
            "timestamp",
        ),
        (
            lambda n: {"messages": [*talk(n)[:2], {"role": "user", "content": f"at 10:0{n}"},
                                    *talk(n)[2:]]},
            "messages[2]",
            1,
            "timestamp",
        ),
        (lambda n: {"messages": talk(n)[2 * n :]}, "messages[0]", 0, "removed"),
        (
            lambda n: {"messages": talk(n), "tool_choice": {"type": ("auto", "any")[n]}},
            "settings",
            0,
            "settings",
        ),
    ],
)  # fmt: skip
def test_the_place_and_what_it_holds(make: Make, at: str, line: int, kind: str) -> None:
    """In the second call already."""
    broken = found(make)
    assert broken is not None
    assert (broken.at, broken.line, broken.kind) == (at, line, kind)
    assert broken.tokens + broken.before >= 256


@pytest.mark.parametrize(
    "make",
    [
        ask,
        lambda n: {"messages": talk(n)},
        lambda n: ask(n, system=RULES.replace("kind", f"kind{n}")),
        lambda n: {"messages": [{"role": "user", "content": f"[{n}] " + "x y " * 20}]},
        lambda n: ask(n, system=f"{n} short"),
        lambda n: {"messages": [{"role": "user", "content": f"{n} {w} " * 900} for w in "ab"]},
    ],
)
def test_what_parts_as_prompts_do_is_no_break(make: Make) -> None:
    """Another question, the next turn, another prompt altogether, and what is too short to keep."""
    assert found(make, 4) is None


def test_what_nobody_would_have_kept_is_not_lost() -> None:
    """After the life of a prefix it would have been fresh anyway."""
    stamped: Make = lambda n: ask(n, system=f"It is 10:0{n}\n{RULES}")  # noqa: E731 (a case)
    assert found(stamped, gap_s=299.0) is not None
    assert found(stamped, gap_s=301.0) is None


def test_what_stands_before_is_lost_only_where_whole_parts_are_read() -> None:
    """OpenAI's older models read up to the line; a mark stands at the end of a part."""
    late: Make = lambda n: ask(n, system=f"{RULES}\nid {UUIDS[n]}")  # noqa: E731 (a case)
    whole = found(late)
    assert whole is not None
    assert (whole.tokens < 10, whole.before > 1500) == (True, True)
    assert found(late, whole=False) is None


def test_the_loss_is_what_was_not_read() -> None:
    """In tokens of the provider; what was read of the part before the line is not lost."""
    broken = Broken("system", 3, "timestamp", tokens=500, before=1000, earlier=200)
    assert broken.lost(4000, 0, 2000) == 3000
    assert broken.lost(4000, 400, 2000) == 3000
    assert broken.lost(4000, 2400, 2000) == 1000
    assert broken.lost(4000, 3900, 2000) == 100


def test_marks_of_a_client_wander_and_break_nothing() -> None:
    """They are at the end of each prompt, and gone from where they were."""
    mark = {"cache_control": {"type": "ephemeral"}}
    scope, breaks = Scope((300.0,), 4096), Breaks(300.0, 1024, whole=True)
    for number in range(4):
        turns = [
            {"role": one["role"], "content": [{"type": "text", "text": one["content"]}]}
            for one in talk(number)
        ]
        turns[-1]["content"][0].update(mark)
        parts = list(without_marks(claude_parts({"system": RULES, "messages": turns})))
        assert not any(b"cache_control" in part.data for part in parts)
        prompt = prompt_of(parts, "m")
        known = plan(scope, prompt.pieces, Prices(10, 1, (12,)), ANTHROPIC, 1.0).known
        assert known >= min(number, 1) * 7
        assert breaks.look(prompt, known, 1.0) is None


def test_memory_has_an_end() -> None:
    """In parts, and in scopes."""
    every = AllBreaks(most_scopes=2)
    one = every.of(("a",), OPENAI_FREE)
    for number in range(3000):
        asked = {"messages": [{"role": "user", "content": f"q{number}"}]}
        one.look(prompt_of(chat_parts(asked), "m"), 0, 1.0)
    assert len(one) <= 2048
    every.of(("b",), OPENAI_FREE)
    every.of(("c",), OPENAI_FREE)
    assert len(every.of(("a",), OPENAI_FREE)) == 0


FLAT = "You book flights and never talk of anything else. " * 300


@pytest.mark.parametrize(
    ("begin", "line", "kind"),
    [
        ("Hello.\nNow: 2026-11-23T10:00:0{n}Z\n", 2, "timestamp"),
        ("Hello.\n\nBe kind\nid 550e8400-e29b-41d4-a716-44665544000{n}\n", 4, "id"),
        ("One. Two. Three\ncch=a9f3{n}c77e0b1; ", 2, "nonce"),
        ("At 2026-11-23T10:00:0{n}Z. Two.\n", 1, "timestamp"),
    ],
    ids=["second", "fourth", "nonce", "first"],
)
def test_in_a_text_of_few_lines_the_line_is_that_of_what_changes(
    begin: str, line: int, kind: str
) -> None:
    """Sentences are compared there, and one of them may go over several lines."""
    broken = found(lambda n: ask(0, system=begin.replace("{n}", str(n)) + FLAT))
    assert broken is not None
    assert (broken.at, broken.line, broken.kind) == ("system", line, kind)
