"""Results of tools: which steps for which tool, what a terminal shows, what is never touched."""

from __future__ import annotations

import json

import pytest

from scrimp.shrinking.compacting import STEPS, Steps, compacted, steps_for
from scrimp.shrinking.terminal import shown, told_again, told_once


@pytest.mark.parametrize(
    "name",
    ["read_file", "ReadFile", "view", "str_replace_editor", "open", "cat-file", "apply.patch", ""],
)
def test_what_reads_files_is_left_alone(name: str) -> None:
    """An edit must find the text of a file as it stands there; and what nobody knows stays, too."""
    assert steps_for(name, STEPS) is None


@pytest.mark.parametrize("name", ["bash", "run_command", "Shell", "execute"])
def test_a_shell_may_have_shown_a_file(name: str) -> None:
    """Its output keeps its JSON and its white space."""
    assert steps_for(name, STEPS) == Steps(json="off", spaces=False)


def test_other_tools_take_all_steps_unless_they_are_named() -> None:
    """`exact` holds them by name."""
    assert steps_for("get_user_details", STEPS) == STEPS
    assert steps_for("get_user_details", STEPS, {"get_user_details"}) is None


def test_little_is_not_worth_a_change() -> None:
    """Fewer than sixteen characters stay; more go."""
    assert compacted('{"a": 1, "b": 2}', STEPS) == '{"a": 1, "b": 2}'
    assert compacted(json.dumps({"a": 1, "b": 2}, indent=9), STEPS) == '{"a":1,"b":2}'


@pytest.mark.parametrize(
    "key", ["signature", "thought_signature", "hmac", "sha256", "digest", "encrypted_content"]
)
def test_signed_results_stay(key: str) -> None:
    """What was signed or hashed may be checked again, character by character."""
    text = json.dumps({key: "abc", "rows": [1, 2, 3]}, indent=4)
    assert compacted(text, STEPS) == text
    assert compacted(text.replace(key, "plain"), STEPS) != text


def test_steps_can_be_switched_off() -> None:
    """Each by itself."""
    rows = json.dumps([{"alpha": n, "beta": n} for n in range(9)], indent=1)
    none = Steps(json="off", terminal=False, repeats=False, spaces=False)
    assert compacted(rows, none) == rows
    assert compacted(rows, Steps(json="minify")).startswith('[{"alpha":0,')
    assert compacted(rows, STEPS).startswith('{"columns":')


def test_a_terminal_shows_no_colours_and_the_end_of_a_bar() -> None:
    """Written over, erased, and left as it was."""
    text = "\x1b[1;31mred\x1b[0m \x1b]0;title\x07ok\n 10% |#   |\r 50% |##  |\r100% |####|\nend\r\n"
    assert shown(text) == "red ok\n100% |####|\nend\r\n"
    assert shown("downloading 12 of 99\rdone") == "doneloading 12 of 99"
    assert shown("downloading 12 of 99\r\x1b[Kdone") == "done"
    assert shown("plain") == "plain"


def test_no_escape_is_made_by_taking_another_out() -> None:
    """Twice is once."""
    once = shown("\x1b\x1b[0m[0m\x1b")
    assert shown(once) == once
    assert "\x1b" not in once


def test_lines_that_repeat_are_told_once() -> None:
    """And can be told again; what looks like such a telling already is left alone."""
    line = "warning: the server did not answer, trying again"
    text = "\n".join(["start", *[line] * 40, "a", "a", "a", "end", *[line] * 3])
    once = told_once(text)
    assert once.count(line) == 2
    assert "[the line above 39 more times]" in once
    assert "a\na\na" in once, "too short to be worth it"
    assert told_again(once) == text
    assert told_once(once) == once


LOOSE = {
    "not a number": '{ "a": NaN, "b": -Infinity }',
    "half of a pair": '{ "a": "\\ud800", "b": 1 }',
    "a key twice": '{ "a": 1, "a": 2.50 }',
    "large": '{ "a": 1e400, "b": 123456789012345678901234567890 }',
}


def told(text: str) -> object:
    """Every key and every digit of JSON, as it stands."""
    return json.loads(
        text, object_pairs_hook=tuple, parse_int=str, parse_float=str, parse_constant=str
    )


@pytest.mark.parametrize("steps", [Steps(json="minify"), Steps(json="off", spaces=False)])
@pytest.mark.parametrize("item", LOOSE.values(), ids=LOOSE)
def test_json_of_equal_lines_stays_json(item: str, steps: Steps) -> None:
    """No line of another kind comes into it, of a shell's and of what only some readers take."""
    text = "[\n" + ",\n".join([f"    {item}"] * 40) + "\n]"
    for given in (text, f"\x1b[1;38;5;120m{text}\x1b[0m"):
        new = compacted(given, steps)
        assert json.dumps(told(new)) == json.dumps(told(text))
        assert compacted(new, steps) == new
        assert len(new) < len(text) or steps.json == "off"


def test_numbers_of_a_shell_stay_json() -> None:
    """A file of zeros, one a line, is no log."""
    text = "[\n" + "  0,\n" * 99 + "  0\n]"
    assert compacted(text, Steps(json="off", spaces=False)) == text


def test_what_is_too_deep_stays() -> None:
    """Nobody can look through it, so nobody changes it."""
    text = "[\n" * 2000 + "]\n" * 2000
    assert compacted(text, STEPS) == text


def test_nothing_is_left_empty() -> None:
    """A result of white space is one still: providers refuse empty texts."""
    assert compacted(" \n" * 60, STEPS) == " \n" * 60
