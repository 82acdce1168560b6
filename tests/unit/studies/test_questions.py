"""What is asked in a study: prompts, bodies, right answers; a bad line is named by its number."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scrimp.errors import InvalidRequest
from scrimp.studies.questions import Match, body_of, matches, read_questions


def read(*fields: dict[str, Any], expect: str = "") -> Any:
    """Questions of JSON lines."""
    data = b"".join(json.dumps(one).encode() + b"\n" for one in fields)
    return read_questions(data, "f", expect=expect)


def test_prompts_bodies_and_csv_are_read() -> None:
    """Each once, in the order of the file; equal ones have one id, others have others."""
    found = read(
        {"prompt": "a", "task": "t"},
        {"prompt": "a", "system": "be brief"},
        {"prompt": "a", "model": "ignored"},
        {"messages": [{"role": "user", "content": "b"}], "temperature": 0, "model": "ignored"},
    )
    assert [(one.line, one.prompt, one.task, one.system) for one in found] == [
        (1, "a", "t", ""),
        (2, "a", "", "be brief"),
        (4, "b", "", ""),
    ]
    assert len({one.id for one in found}) == 3
    (again,) = read_questions(b"prompt,note\na,x\n", "f")
    assert again.id == found[0].id


def test_bodies_in_both_dialects() -> None:
    """A prompt is asked as the SDKs send the plainest call; a body keeps what it says."""
    plain, system, body = read(
        {"prompt": "a"},
        {"prompt": "a", "system": "s"},
        {"messages": [{"role": "user", "content": "b"}], "temperature": 0, "stream": True},
    )
    turns = [{"role": "user", "content": "a"}]
    assert json.loads(body_of(plain, "m", "openai.chat", 9)) == {"model": "m", "messages": turns}
    assert json.loads(body_of(system, "m", "anthropic.messages", 9)) == {
        "model": "m",
        "max_tokens": 9,
        "system": "s",
        "messages": turns,
    }
    told = json.loads(body_of(body, "m", "anthropic.messages", 9))
    assert (told["temperature"], told["max_tokens"], "stream" in told) == (0, 9, False)
    assert "max_tokens" not in json.loads(body_of(body, "m", "openai.chat", 9))


@pytest.mark.parametrize(
    ("answer", "expected", "how", "right"),
    [
        (" Paris. ", "paris", "exact", True),
        ("It is Paris", "Paris", "exact", False),
        ("It is **Paris**, of course", "paris", "contains", True),
        ("It is Parisian", "Paris", "contains", False),
        ("so 3 + 4 = 7, thus $1,200.50", "1200.5", "number", True),
        ("#### 12", "The answer is 12", "number", True),
        ("12 of 13", "12", "number", False),
        ("none", "12", "number", False),
        ("none", "none", "number", False),
        ("a (b", "(b", "contains", True),
        ("(" * 5000, "(" * 5000 + "x", "contains", False),
    ],
)
def test_an_answer_is_held_against_the_expected_one(
    answer: str,
    expected: str,
    how: Match,
    right: bool,  # noqa: FBT001 (a row)
) -> None:
    """What was expected is a text, never a pattern."""
    assert matches(answer, expected, how) is right


def test_expected_answers_come_from_the_field_that_is_named() -> None:
    """A number is read as its text; a body does not send it."""
    number, body = read(
        {"prompt": "a", "gold": 12},
        {"messages": [{"role": "user", "content": "b"}], "gold": "x"},
        expect="gold",
    )
    assert (number.expected, body.expected) == ("12", "x")
    assert "gold" not in json.loads(body_of(body, "m", "openai.chat", 9))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"question": "a"}, "f, line 1: has neither 'prompt' nor 'messages'"),
        ({"prompt": "  "}, "f, line 1: has neither"),
        ({"messages": "secret"}, "f, line 1: "),
        ({"messages": [{"role": "assistant", "content": "secret"}]}, "no text of a user"),
        ({"prompt": "a", "gold": ""}, "f, line 1: has no 'gold', which --expect names"),
    ],
)
def test_a_malformed_line_is_named(fields: dict[str, Any], said: str) -> None:
    """By its number, without its content."""
    with pytest.raises(InvalidRequest) as caught:
        read(fields, expect="gold" if "gold" in fields else "")
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_an_empty_file_is_refused() -> None:
    """It would be compared for nothing."""
    with pytest.raises(InvalidRequest, match="holds no prompts"):
        read_questions(b" \n", "f")
