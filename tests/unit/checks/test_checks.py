"""Checks of an answer: passed, failed, or not to be told."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import pytest

from scrimp.checks.agreement import agree
from scrimp.checks.named import NAMES, check_named, named, run
from scrimp.checks.words import PASSED, Answer, Failed, Question, ToolUse, Unknown

ASKED = Question("How many apples are left?")


def said(name: str, text: str, argument: str = "", asked: Question = ASKED) -> type:
    """The kind of a check's verdict on a text."""
    return type(run(name, asked, Answer(text), argument))


@pytest.mark.parametrize(
    ("name", "argument", "passes", "fails"),
    [
        ("min_length", "5", "12345", "  1234  "),
        ("requires", "Price | delivery", "the PRICE and Delivery", "the price"),
        ("json", "", '{"a": 1}', "{a: 1}"),
        ("json", '{"type": "object", "required": ["a"]}', '```json\n{"a": 1}\n```', '{"b": 1}'),
        ("code", "", "```python\nprint(1)\n```", "```python\nprint(1\n```"),
        ("code", "json", '```json\n{"a": 1}\n```', "```json\n{a}\n```"),
        ("arithmetic", "", "2 + 2 = 4", "2 + 2 = 5"),
        ("arithmetic", "if_any", "nothing to reckon", "1 + 1 = 3"),
        ("arithmetic", "if_any", "1 + 1 = 2, 2 + 2 = 4", "1 + 1 = 2, so 2 + 2 = 5"),
        ("citations", "", "as shown in [1]", "as shown"),
        ("citations", "2", "(Miller, 2019) and https://example.org/a", "[1] and again [1]"),
    ],
)
def test_a_check_passes_and_fails(name: str, argument: str, passes: str, fails: str) -> None:
    """Each on an answer of either kind."""
    assert said(name, passes, argument) is type(PASSED)
    assert said(name, fails, argument) is Failed


@pytest.mark.parametrize(
    ("name", "argument", "text"),
    [
        ("arithmetic", "", "no sum at all"),
        ("code", "rust", "fn main() {}"),
        ("code", "", "```js\nf(\n```"),
        ("code", "", "```python\nprint(1)"),
        ("code", "", ">>> 1 + 1\n2"),
        ("requires", " | ", "text"),
        ("json", "no schema", "{}"),
        ("min_length", "many", "text"),
    ],
)
def test_what_cannot_be_told_is_not_claimed(name: str, argument: str, text: str) -> None:
    """An unknown language, an open block, an argument that means nothing."""
    assert said(name, text, argument) is Unknown


def test_the_form_that_the_call_names_is_checked() -> None:
    """Without an argument: strictly, since the client asked for nothing but JSON."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    asked = Question("", schema=schema, wants_json=True)
    assert said("json", '{"n": 3}', asked=asked) is type(PASSED)
    assert said("json", '{"n": "3"}', asked=asked) is Failed
    assert said("json", '```json\n{"n": 3}\n```', asked=asked) is Failed


@pytest.mark.parametrize(
    ("uses", "kind"),
    [
        ((ToolUse("add", '{"a": 1}'),), type(PASSED)),
        ((ToolUse("add", '{"a": "x"}'),), Failed),
        ((ToolUse("add", "{"),), Failed),
        ((ToolUse("drop", "{}"),), Failed),
        ((ToolUse("add", '{"a": 1}'), ToolUse("add", "{}")), Failed),
        ((), Unknown),
    ],
)
def test_arguments_of_tools_are_checked(uses: tuple[ToolUse, ...], kind: type) -> None:
    """Against the call's own tools, each use by itself."""
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    asked = Question("", tools={"add": schema})
    assert type(run("tool_arguments", asked, Answer("", uses), "")) is kind


def test_why_never_holds_content() -> None:
    """It stands in headers, traces and ledgers."""
    schema = {"const": "SECRET-A"}
    for verdict in (
        run("json", Question("", schema=schema), Answer('"SECRET-B"'), ""),
        run("requires", ASKED, Answer("SECRET-B"), "SECRET-A"),
        run("code", ASKED, Answer("SECRET-B ("), ""),
    ):
        assert isinstance(verdict, Failed)
        assert "SECRET" not in verdict.why


def _doubling(steps: int) -> dict[str, Any]:
    """Each definition refers twice to the next: 2**steps applications."""
    names = [f"d{number}" for number in range(steps)]
    made: dict[str, Any] = {
        name: {"allOf": [{"$ref": f"#/$defs/{after}"}] * 2} for name, after in pairwise(names)
    }
    made[names[-1]] = {"type": "string"}
    return {"$ref": "#/$defs/d0", "$defs": made}


def _deep(steps: int) -> dict[str, Any]:
    """Two branches that both go deeper into the same child, without end."""
    del steps
    child = {"properties": {"a": {"$ref": "#"}}, "required": ["a"]}
    return {"anyOf": [child, {**child}, {**child}]}


def _nested(value: Any, steps: int) -> Any:
    for _ in range(steps):
        value = {"a": value}
    return value


HOSTILE: list[tuple[Any, str]] = [
    (_doubling(40), "{}"),
    (_deep(0), '{"a":' * 40 + "1" + "}" * 40),
    ({"pattern": "^(a+)+$"}, '"' + "a" * 100_000 + 'b"'),
    ({"pattern": "(a|aa)+$"}, '"' + "a" * 100_000 + 'b"'),
    ({"pattern": "(x{1,1000}){1,1000}"}, '"y"'),
    ({"pattern": "(?=a)b"}, '"b"'),
    ({"$ref": "#"}, "1"),
    ({"allOf": [{"$ref": "#"}]}, "1"),
    ({"$ref": "http://127.0.0.1:9/schema"}, "1"),
    ({"$ref": "file:///etc/passwd"}, "1"),
    ({"properties": {"a": {"$id": "http://x/", "$ref": "#/$defs/b"}}}, '{"a": 1}'),
    ({"$schema": "http://127.0.0.1:9/meta", "$ref": "other"}, "1"),
    ({"$ref": "#/nowhere"}, "1"),
    ({"enum": list(range(6_000))}, "1"),
    (_nested({}, 150), "{}"),
    ({"type": "no-such-type"}, "1"),
    ({"anyOf": [{"type": "string"}] * 600}, "1"),
]


@pytest.mark.parametrize(("schema", "text"), HOSTILE)
def test_a_hostile_schema_costs_nothing(schema: Any, text: str) -> None:
    """Bombs of references and patterns, recursion, addresses to fetch: at once, never passed."""
    begun = time.thread_time()
    verdict = run("json", Question("", schema=schema), Answer(text), "")
    assert time.thread_time() - begun < 1.0
    assert not isinstance(verdict, type(PASSED))


def test_a_schema_may_recur_where_it_goes_deeper() -> None:
    """A tree is an honest schema."""
    node = {
        "type": "object",
        "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}, "n": {"type": "integer"}},
        "additionalProperties": False,
    }
    asked = Question("", schema=node)
    assert said("json", '{"left": {"n": 1, "right": {}}}', asked=asked) is type(PASSED)
    assert said("json", '{"left": {"n": "x"}}', asked=asked) is Failed


def test_an_older_draft_is_read_by_its_own_rules() -> None:
    """A list of schemas in `items` is a tuple there."""
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]}
    asked = Question("", schema=schema)
    assert said("json", '["a", 1]', asked=asked) is type(PASSED)
    assert said("json", "[1]", asked=asked) is Failed


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5_000,
        "-" * 100_000 + "1",
        "x = " + "[" * 200 + "]" * 200,
        "```python\n" * 12_000,
        "1" + "+1" * 40_000,
        "\x00",
        "lambda:" * 10_000,
        "not " * 20_000 + "x",
    ],
)
def test_no_code_breaks_its_check(text: str) -> None:
    """Deep, endless or odd: it says so, soon."""
    begun = time.thread_time()
    assert said("code", text) is not type(PASSED) or text.startswith("1")
    assert time.thread_time() - begun < 2.0


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ("... so 12 are left.\n#### 12", "The answer is 12.0", type(PASSED)),
        ("#### 12", "#### 13", Failed),
        ("Paris", "paris.", type(PASSED)),
        ("Paris", "Rome", Failed),
        ('{"a": 1, "b": [2]}', '{ "a": 1, "b": [2] }', type(PASSED)),
        ('{"a": 1}', '{"a": 2}', Failed),
        ("B) because", "The answer is B", type(PASSED)),
        ("Answer: C", "B.", Failed),
    ],
)
def test_two_answers_are_compared(one: str, other: str, kind: type) -> None:
    """By what they come to."""
    assert type(agree(ASKED, Answer(one), Answer(other))) is kind


def test_two_long_texts_cannot_be_compared() -> None:
    """They may say the same in other words."""
    asked = Question("Tell me about Rome")
    verdict = agree(asked, Answer("Rome is old. " * 20), Answer("An ancient city. " * 20))
    assert isinstance(verdict, Unknown)


@pytest.mark.parametrize(
    "text",
    ["min_length", "min_length=x", "requires=", "score=2", "score=x", "spelling", "agreement"],
)
def test_a_check_that_cannot_be_meant_is_refused(text: str) -> None:
    """With the names that there are, or what the argument must be."""
    with pytest.raises(ValueError, match=r"needs|there is no check"):
        named(text)


def test_checks_are_named_as_they_are_written() -> None:
    """Name and argument; every name is known."""
    assert named("min_length=40") == ("min_length", "40")
    assert named(" arithmetic ") == ("arithmetic", "")
    for name in NAMES:
        argument = {"min_length": "1", "requires": "a", "agreement": "m"}.get(name, "")
        check_named(name, argument)
