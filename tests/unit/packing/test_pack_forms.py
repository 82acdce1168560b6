"""The form of answers in a prompt of several: which can be kept to, how told, what keeps it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scrimp.packing.forms import Form, form_of, strange_form, without_form
from scrimp.packing.items import turns_of
from scrimp.packing.prompt import packed_fields

SCHEMA = {
    "type": "object",
    "properties": {"kind": {"enum": ["refund", "delivery"]}, "sure": {"type": "number"}},
    "required": ["kind"],
    "additionalProperties": False,
}
NAMED = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "strict": True}}
FLAT = {"type": "json_schema", "name": "a", "schema": SCHEMA, "strict": True}
CLAUDES = {"type": "json_schema", "schema": SCHEMA}


@pytest.mark.parametrize(
    ("dialect", "fields", "form"),
    [
        ("openai.chat", {}, Form()),
        ("openai.chat", {"response_format": None}, Form()),
        ("openai.chat", {"response_format": {"type": "text"}}, Form()),
        ("openai.chat", {"response_format": {"type": "json_object"}}, Form(wants_json=True)),
        ("openai.chat", {"response_format": NAMED}, Form(wants_json=True, schema=SCHEMA)),
        ("openai.responses", {"text": {"verbosity": "low"}}, Form()),
        ("openai.responses", {"text": {"format": FLAT}}, Form(wants_json=True, schema=SCHEMA)),
        (
            "anthropic.messages",
            {"output_config": {"effort": "low", "format": CLAUDES}},
            Form(wants_json=True, schema=SCHEMA),
        ),
        ("anthropic.messages", {"output_format": CLAUDES}, Form(wants_json=True, schema=SCHEMA)),
    ],
)
def test_forms_are_read_in_each_dialect(dialect: str, fields: dict[str, Any], form: Form) -> None:
    """Those that are known can be kept to."""
    assert form_of(fields, dialect) == form
    assert strange_form(fields, dialect) == ""


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"response_format": "json"}, "field response_format"),
        ({"response_format": {"type": "regex"}}, "field response_format"),
        ({"response_format": {"type": "json_object", "x": 1}}, "field response_format"),
        ({"response_format": {**NAMED, "json_schema": "x"}}, "field response_format"),
        ({"response_format": {**NAMED, "json_schema": {"name": "a"}}}, "schema"),
        (
            {"response_format": {**NAMED, "json_schema": {"schema": SCHEMA, "description": "d"}}},
            "field response_format",
        ),
        (
            {"response_format": {**NAMED, "json_schema": {"schema": {"type": 7}}}},
            "schema",
        ),
        (
            {"response_format": {**NAMED, "json_schema": {"schema": {"$ref": "https://x.test/"}}}},
            "schema",
        ),
    ],
)
def test_what_cannot_be_checked_is_asked_by_itself(fields: dict[str, Any], why: str) -> None:
    """An unknown kind, words beside the schema, one that is none, or that stands elsewhere."""
    assert strange_form(fields, "openai.chat") == why


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('{"kind": "refund"}', '{"kind": "refund"}'),
        (' {"kind":"delivery","sure":0.5}\n', '{"kind":"delivery","sure":0.5}'),
        ('```json\n{"kind": "refund"}\n```', '{"kind": "refund"}'),
        ('{"kind": "other"}', None),
        ('{"kind": "refund", "more": 1}', None),
        ('{"kind": "refund"} and more', None),
        ('Sure: {"kind": "refund"}', None),
        ('{"kind": "refund"', None),
        ('{"kind": NaN}', None),
        ("null", None),
        ("", None),
        ("[" * 5000, None),
    ],
)
def test_an_answer_keeps_to_its_schema_or_is_none(text: str, kept: str | None) -> None:
    """What is served is JSON alone, valid against the schema."""
    assert Form(wants_json=True, schema=SCHEMA).kept(text) == kept


@pytest.mark.parametrize(
    ("text", "kept"), [('{"a": 1}', '{"a": 1}'), ("[1]", None), ("7", None), ("null", None)]
)
def test_json_mode_takes_objects_alone(text: str, kept: str | None) -> None:
    """That is what providers promise by it."""
    assert Form(wants_json=True).kept(text) == kept


def test_plain_text_is_served_as_it_is() -> None:
    """JSON or not."""
    assert Form().kept("```json\n{}\n```") == "```json\n{}\n```"
    assert Form().told() == ""


def test_the_form_is_told_in_words_and_no_longer_asked_of_the_provider() -> None:
    """It would hold the marks to it."""
    messages = [{"role": "system", "content": "Sort."}, {"role": "user", "content": "a"}]
    fields = {"model": "m", "messages": messages, "max_tokens": 9, "response_format": NAMED}
    made = packed_fields(fields, ["a", "b"], "kq7wzt", dialect="openai.chat")
    assert made.keys() == {"model", "messages", "max_tokens"}
    text = made["messages"][-1]["content"]
    order = text.partition("[kq7wzt 1]\n")[0]
    assert json.dumps(SCHEMA, separators=(",", ":")) in order
    assert "[kq7wzt 1]\na\n[kq7wzt 2]\nb\n[kq7wzt end]" in text


def test_what_stands_beside_a_form_stays() -> None:
    """How much is said, and how hard is thought."""
    said = {"text": {"format": FLAT, "verbosity": "low"}}
    assert without_form(said, "openai.responses") == {"text": {"verbosity": "low"}}
    assert without_form({"text": {"format": FLAT}}, "openai.responses") == {}
    said = {"output_config": {"format": CLAUDES, "effort": "low"}}
    assert without_form(said, "anthropic.messages") == {"output_config": {"effort": "low"}}


@pytest.mark.parametrize(
    "given",
    ["a", [{"role": "developer", "content": "x"}, {"role": "user", "content": "a"}]],
)
def test_a_response_is_asked_in_the_form_of_its_input(given: Any) -> None:
    """A plain text stays one; of messages the last is the prompt of several."""
    fields = {"model": "m", "input": given, "max_output_tokens": 20, "stream": True}
    made = packed_fields(fields, ["a", "b"], "kq7wzt", dialect="openai.responses")
    assert made["max_output_tokens"] > 40
    assert "stream" not in made
    if isinstance(given, str):
        assert "[kq7wzt 2]\nb" in made["input"]
    else:
        assert made["input"][0] == given[0]
        assert "[kq7wzt 2]\nb" in made["input"][1]["content"]
    assert len(turns_of(made)) == len(turns_of(fields))
