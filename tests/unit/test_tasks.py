"""Task types: who says so, and what words tell."""

from __future__ import annotations

import pytest

from scrimp.calls import Task
from scrimp.errors import InvalidRequest
from scrimp.tasks import DAY_S, HOUR_S, TTL_S, classify, task_of

PHRASES = {
    "factual_qa": (
        "What is the capital of Mongolia?",
        "Hi! How many moons does Saturn have?",
        "Who wrote The Trial?",
        "Wie heißt der längste Fluss Europas?",
        "¿Dónde está el museo?",
        "can I cancel my subscription at any time?",
        "Hello, what's your refund policy?",
    ),
    "summarization": (
        "Summarize this article in three sentences: ...",
        "Please give me a summary of our call.",
        "TLDR of the thread below",
    ),
    "translation": (
        "Translate to French: the cat sleeps.",
        "I need a translation of this letter",
        "Übersetze das bitte ins Englische",
    ),
    "classification": (
        "Classify the following ticket as bug or wish.",
        "What is the sentiment of this review?",
        "Label this mail: spam or not",
    ),
    "extraction": (
        "Extract all dates from the text.",
        "extraction of names and amounts, as JSON",
    ),
    "code_generation": (
        "Write a Python function that merges two lists",
        "Implement the endpoint for logins",
        "Fix this bug: it fails on empty input",
        "Create a SQL query for monthly sales",
        "```\nprint(x\n```\nwhy does this fail",
    ),
    "code_review": (
        "Review this pull request",
        "Please critique my function",
        "Review:\n```\nx = 1\n```",
        "can you review ```x = 1```",
    ),
    "architecture_design": (
        "Design a system for ten thousand users",
        "How would you architect the billing service?",
    ),
    "creative": (
        "Write a poem about rain",
        "Tell me a joke",
        "Invent a slogan for a bakery",
        "brainstorm names for a dog",
    ),
    "multi_step_analysis": (
        "Analyze step by step why sales fell",
        "Plan the move in five steps",
    ),
    "complex_reasoning": (
        "Prove that the square root of two is irrational",
        "Solve for x: 3x + 4 = 19",
    ),
    "analysis": (
        "Compare these two laptops",
        "Evaluate our pricing",
        "What are the pros and cons of remote work?",
    ),
    "general": ("", "ok", "Thanks, that helped!", "12345 ???", "We need to talk about the garden."),
}


@pytest.mark.parametrize(
    ("text", "task"), [(text, task) for task, texts in PHRASES.items() for text in texts]
)
def test_words_tell_the_task(text: str, task: str) -> None:
    """What a person would call it, by its words alone."""
    assert classify(text) == task


def test_every_task_has_phrases_and_a_time() -> None:
    """None is forgotten here, and the product's own promises hold."""
    assert PHRASES.keys() == TTL_S.keys() - {"embedding"}  # nobody asks for a vector in words
    assert TTL_S["factual_qa"] == 7 * DAY_S
    assert TTL_S["summarization"] == DAY_S
    assert TTL_S["code_generation"] == TTL_S["general"] == HOUR_S
    assert TTL_S["creative"] == 0


def test_long_texts_are_read_at_both_ends() -> None:
    """The wish stands first or last; what is in between is the material."""
    filler = "lorem ipsum dolor " * 200
    assert classify(f"Translate this. {filler}") == "translation"
    assert classify(f"{filler} Summarize this.") == "summarization"
    assert classify(f"{filler} write a poem {filler}") == "general"


def test_the_first_that_speaks_is_believed() -> None:
    """Header, metadata, key, words, nobody: in this order."""
    text = "Write a poem"
    metadata = {"task": "extraction"}
    assert task_of("analysis", metadata, "general", text) == Task("analysis", "header")
    assert task_of("", metadata, "general", text) == Task("extraction", "metadata")
    assert task_of("", {}, "general", text) == Task("general", "key")
    assert task_of("", {}, "", text) == Task("creative", "classifier")
    assert task_of("", {}, "", "") == Task("general", "none")


def test_our_own_metadata_field_comes_first() -> None:
    """An application may use `task` for something else; what is no task type is not ours."""
    both = {"task": "creative", "scrimp_task": "general"}
    assert task_of("", both, "", "x") == Task("general", "metadata")
    for foreign in ({"task": "invoice-7"}, {"task": 7}, {"task": None}, {"task": ["creative"]}):
        assert task_of("", foreign, "analysis", "x") == Task("analysis", "key")


def test_a_typo_in_the_header_is_refused() -> None:
    """It would change silently how long answers live."""
    with pytest.raises(InvalidRequest, match=r"'creativ' is not a task type .*creative"):
        task_of("creativ", {}, "", "x")
