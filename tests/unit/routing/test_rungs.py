"""Rungs by words and form: whole words, the highest counts, settings go before."""

from __future__ import annotations

import pytest

from scrimp.choosing import RUNGS
from scrimp.routing.rungs import TASKS, capped, complexity, stands_in
from scrimp.tasks import TTL_S


@pytest.mark.parametrize(
    ("text", "task", "rung"),
    [
        ("What is the capital of Peru?", "general", "simple"),
        ("Explain how a fridge works", "general", "medium"),
        ("Implement a lock-free queue", "general", "complex"),
        ("What is a proof? Prove that 2 is prime", "general", "expert"),
        ("Hello there", "general", "medium"),
        ("Hello there", "classification", "simple"),
        ("Hello there", "architecture_design", "expert"),
        ("Fix ```x = 1```", "general", "complex"),
        ("a " * 1500, "classification", "medium"),
        ("a " * 7000, "classification", "complex"),
        ("", "", "medium"),
    ],
)
def test_each_question_has_a_rung(text: str, task: str, rung: str) -> None:
    """The highest word wins; length and code lift; the task decides where no word does."""
    assert complexity(text, task).rung == rung


def test_words_are_matched_whole() -> None:
    """`list` is not in `listen`, `derive` not in `derived`."""
    assert complexity("Listen to the derived approvers").reasons == ()
    assert stands_in(("list",), "LIST them")
    assert not stands_in(("list",), "listen")
    assert not stands_in((), "anything")


def test_words_of_the_settings_are_words_and_no_patterns() -> None:
    """Hostile ones cost nothing and match themselves alone; those of a rung are replaced."""
    hostile = ("(a+)+$", "c++")
    assert complexity("I write c++ code", words={"expert": hostile}).rung == "expert"
    assert complexity("a" * 5000 + "!", words={"expert": hostile}).rung == "medium"
    assert complexity("prove it", words={"expert": ("zeta",)}).rung == "medium"


def test_tasks_of_the_settings_go_before() -> None:
    """Every task type that chats have stands in the usual map."""
    assert complexity("Hi", "translation", tasks={"translation": "expert"}).rung == "expert"
    assert set(TASKS) == set(TTL_S) - {"embedding"}


def test_a_tight_budget_caps_at_the_middle() -> None:
    """Never lifts."""
    found = [capped(rung, constrained=True) for rung in RUNGS]
    assert found == ["simple", "medium", "medium", "medium"]
    assert [capped(rung, constrained=False) for rung in RUNGS] == list(RUNGS)
