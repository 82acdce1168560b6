"""Lists of questions: what can be read, what is refused, and the bodies that come of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scrimp.errors import InvalidRequest
from scrimp.shell.warm_items import Item, body_of, read_items

ITEM = Item(2, "Where is it?")


def test_a_csv_and_json_lines_say_the_same() -> None:
    """All columns; a text with commas and lines in quotes; empty fields are left out."""
    csv = (
        b"\xef\xbb\xbfquestion,answer,model,system,task,tags,name\r\n"
        b'"Where, please?","Here,\nthere.",gpt-4o,Be brief.,factual_qa,faq;shop,faq/where\r\n'
        b"When?,,,,,,\r\n"
    )
    lines = (
        b'{"question": "Where, please?", "answer": "Here,\\nthere.", "model": "gpt-4o", '
        b'"system": "Be brief.", "task": "factual_qa", "tags": ["faq", "shop"], '
        b'"name": "faq/where"}\n\n{"question": "When?"}\n'
    )
    first = ("Where, please?", "Here,\nthere.", "gpt-4o", "Be brief.", "factual_qa")
    for data, places in ((csv, (3, 4)), (lines, (1, 3))):
        assert read_items(data, "faq") == [
            Item(places[0], *first, ("faq", "shop"), "faq/where"),
            Item(places[1], "When?"),
        ]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"text\nWhere?\n", "no column 'question'"),
        (b"", "no column 'question'"),
        (b"question\nWhere, please?\n", "line 2: more fields than columns"),
        (b"question,colour\nWhere?,red\n", "line 2: nobody knows 'colour'"),
        (b'question,answer\n"","x"\n', "line 2: 'question' is empty"),
        (b'question\n"open', "unexpected end of data"),
        (b"question\n\xff\n", "not UTF-8 (byte 9)"),
        (b'{"question": "a"}\n{"question":\n', "line 2: no JSON object"),
        (b'{"question": "a"}\n[1]\n', "line 2: no JSON object"),
        (b'{"question": 1}\n', "'question' is no text"),
        (b'{"question": "a", "tags": [1]}\n', "'tags' is no list of texts"),
    ],
)
def test_what_cannot_be_read(data: bytes, words: str) -> None:
    """With the file and the line."""
    with pytest.raises(InvalidRequest, match="faq") as raised:
        read_items(data, "faq")
    assert words in str(raised.value)


def made(item: Item, template: Any = None, model: str = "") -> dict[str, Any]:
    """The body as fields."""
    shape = None if template is None else json.dumps(template).encode()
    fields: dict[str, Any] = json.loads(body_of(item, shape, model))
    return fields


def test_without_a_template_it_is_the_plainest_call() -> None:
    """In the dialect of the model; the item's own model goes first."""
    user = {"role": "user", "content": "Where is it?"}
    assert made(ITEM, model="gpt-4o") == {"model": "gpt-4o", "messages": [user]}
    own = Item(2, "Where is it?", model="claude-haiku-4-5", system="Be brief.")
    assert made(own, model="gpt-4o") == {
        "model": "claude-haiku-4-5",
        "max_tokens": 4096,
        "system": "Be brief.",
        "messages": [user],
    }
    with pytest.raises(InvalidRequest, match="line 2: no model"):
        body_of(ITEM, None, "")


CHAT = {
    "model": "gpt-4o",
    "temperature": 0.2,
    "messages": [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": "An example"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": [{"type": "text", "text": "Another"}]},
    ],
    "x_unknown": {"kept": True},
}


def test_a_template_keeps_its_shape() -> None:
    """The last text of a user, the model and the system change; nothing else does."""
    fields = made(Item(2, "Where?", system="Be short.", model="gpt-4o-mini"), CHAT)
    assert fields["messages"][0] == {"role": "developer", "content": "Be short."}
    assert fields["messages"][1:3] == CHAT["messages"][1:3]  # type: ignore[index]  # a list
    assert fields["messages"][3]["content"] == [{"type": "text", "text": "Where?"}]
    assert (fields["model"], fields["temperature"]) == ("gpt-4o-mini", 0.2)
    assert fields["x_unknown"] == {"kept": True}


def test_a_hole_says_where_the_question_goes() -> None:
    """In each place, and the last text of the user stays as it is."""
    messages = [
        {"role": "system", "content": "Answer '{question}' only."},
        {"role": "user", "content": "Q: {question}\nA:"},
    ]
    fields = made(ITEM, {"model": "gpt-4o", "messages": messages})
    assert [one["content"] for one in fields["messages"]] == [
        "Answer 'Where is it?' only.",
        "Q: Where is it?\nA:",
    ]


@pytest.mark.parametrize(
    ("template", "name", "value"),
    [
        ({"model": "gpt-4o", "input": "x", "store": False}, "input", "Where is it?"),
        ({"model": "gpt-4o", "input": "x", "store": False}, "instructions", "Be short."),
        (
            {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": CHAT["messages"][1:2]},  # type: ignore[index]  # a list
            "system",
            "Be short.",
        ),
        ({"model": "gpt-4o", "messages": CHAT["messages"][1:2]}, "model", "gpt-4o"),  # type: ignore[index]  # a list
    ],
)
def test_each_dialect_in_its_own_words(template: dict[str, Any], name: str, value: str) -> None:
    """Where the system's part and the question stand."""
    assert made(Item(1, "Where is it?", system="Be short."), template)[name] == value


@pytest.mark.parametrize(
    "messages", [[{"role": "assistant", "content": "x"}], [{"role": "user", "content": []}]]
)
def test_a_template_without_a_place_is_refused(messages: list[Any]) -> None:
    """Nobody must pay for a question that was not in it."""
    with pytest.raises(InvalidRequest, match=r"\{question\}"):
        made(ITEM, {"model": "gpt-4o", "messages": messages})
