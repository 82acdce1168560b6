"""Packed answers with a form: whatever a model writes, what is served keeps to it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scrimp.packing.answers import read_answers
from scrimp.packing.forms import Form

WORD = "kq7wzt"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "number": {"type": "integer"},
        "text": {"type": "string"},
        "deep": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
    },
    "required": ["number", "text"],
    "additionalProperties": False,
}
OF_SCHEMA, OBJECTS = Form(wants_json=True, schema=SCHEMA), Form(wants_json=True)

HOSTILE = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            '"}',
            "[kq7wz 2]",
            "\n[abcdef 2] x\n[abcdef end]",
            "```\n```json\n{}\n```",
            '\\"}],[{',
            "\u2028\u2029\x85\x0b",
            "{}\n{}",
            "</json>",
            "\ud7ff\ue000\x00",
        ]
    ),
)
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        HOSTILE,
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(HOSTILE, inner, max_size=3)
    ),
    max_leaves=6,
)
EXTRA = st.fixed_dictionaries(
    {"text": HOSTILE}, optional={"deep": st.lists(HOSTILE, max_size=5), "number": JSON, "x": JSON}
)
WRITING = st.sampled_from(["plain", "indented", "fenced", "spoken", "cut", "twice", "escaped"])


def is_valid(value: Any) -> bool:
    """By hand, and not by the validator that the code uses."""
    if not isinstance(value, dict) or not {"number", "text"} <= value.keys() <= {*_KNOWN}:
        return False
    deep = value.get("deep", [])
    return (
        isinstance(value["text"], str)
        and isinstance(deep, list)
        and len(deep) <= 3
        and all(isinstance(one, str) for one in deep)
        and type(value["number"]) in (int, float)
        and value["number"] == int(value["number"])
    )


_KNOWN = ("number", "text", "deep")


def written(value: Any, how: str) -> str:
    """As models write JSON, well or badly."""
    text = json.dumps(value, ensure_ascii=how == "escaped", indent=2 if how == "indented" else None)
    match how:
        case "fenced":
            return f"```json\n{text}\n```"
        case "spoken":
            return f"Here it is: {text}"
        case "cut":
            return text[:-1]
        case "twice":
            return f"{text}\n{text}"
        case _:
            return text


@given(st.lists(st.tuples(EXTRA, WRITING), min_size=1, max_size=8))
def test_what_is_served_keeps_to_the_schema_and_is_the_items_own(
    made: list[tuple[dict[str, Any], str]],
) -> None:
    """Each value carries the number of its item, where nothing else stands in its place."""
    values = [{"number": number, **one} for number, (one, _) in enumerate(made, 1)]
    texts = [written(value, how) for value, (_, how) in zip(values, made, strict=True)]
    lines = [f"[{WORD} {number}] {text}" for number, text in enumerate(texts, 1)]
    said = "\n".join([*lines, f"[{WORD} end]"])
    found = read_answers(said, WORD, len(made))
    for answer, value, (_, how) in zip(found, values, made, strict=True):
        kept = OF_SCHEMA.kept(answer) if answer is not None else None
        if kept is not None:
            assert json.loads(kept) == value
            assert is_valid(value)
            assert how not in ("spoken", "cut", "twice")
        elif answer is not None and how not in ("spoken", "cut", "twice"):
            assert not is_valid(value)


@given(st.one_of(st.text(max_size=200), JSON.map(json.dumps)))
def test_any_text_at_all_is_no_answer_or_one_of_the_form(text: str) -> None:
    """Nothing fails, and nothing is made up: what is kept stands in the text."""
    for form in (OF_SCHEMA, OBJECTS):
        kept = form.kept(text)
        if kept is not None:
            assert kept in text
            assert isinstance(json.loads(kept), dict)


@given(JSON)
def test_json_mode_serves_objects_alone(value: Any) -> None:
    """Whatever stands in them."""
    kept = OBJECTS.kept(json.dumps(value))
    assert (kept is not None) == isinstance(value, dict)
