"""What a line of a file asks: all forms that are read, and what is wrong with the others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from scrimp.errors import InvalidRequest
from scrimp.lines import Row
from scrimp.many.asked import Item, Reading, item_of
from scrimp.many.rates import Size

USER = {"role": "user", "content": "Hi"}
CHAT = {"model": "gpt-4o-mini", "messages": [USER]}


def asked(record: Mapping[str, Any], **reading: str) -> Item:
    """The call of a record in line 7."""
    return item_of(record, 7, Reading(**reading))


def fields(item: Item) -> Any:
    """Its body."""
    return json.loads(item.body)


@pytest.mark.parametrize(
    ("record", "path", "body"),
    [
        (CHAT, "/v1/chat/completions", CHAT),
        ({**CHAT, "stream": True, "stream_options": {}}, "/v1/chat/completions", CHAT),
        (
            {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [USER]},
            "/v1/messages",
            {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [USER]},
        ),
        (
            {"model": "gpt-4o", "input": "Hi"},
            "/v1/responses",
            {"model": "gpt-4o", "input": "Hi"},
        ),
        (
            {"model": "text-embedding-3-small", "input": ["a", "b"]},
            "/v1/embeddings",
            {"model": "text-embedding-3-small", "input": ["a", "b"]},
        ),
        (
            {"custom_id": "n", "method": "POST", "url": "/v1/chat/completions", "body": CHAT},
            "/v1/chat/completions",
            CHAT,
        ),
        (
            {"custom_id": "n", "params": {"model": "c", "max_tokens": 9, "messages": [USER]}},
            "/v1/messages",
            {"model": "c", "max_tokens": 9, "messages": [USER]},
        ),
        (
            {"prompt": "Hi", "model": "gpt-4o", "system": "Be brief.", "temperature": 0},
            "/v1/chat/completions",
            {
                "model": "gpt-4o",
                "messages": [{"role": "system", "content": "Be brief."}, USER],
                "temperature": 0,
            },
        ),
        (
            {"prompt": "Hi", "model": "claude-haiku-4-5", "max_tokens": 7},
            "/v1/messages",
            {"model": "claude-haiku-4-5", "max_tokens": 7, "messages": [USER]},
        ),
    ],
)
def test_every_form_is_read(record: dict[str, Any], path: str, body: dict[str, Any]) -> None:
    """The body that is sent, and where it goes; it is asked for whole."""
    item = asked(record)
    assert (item.path, fields(item), item.line) == (path, body, 7)
    assert item.plain == ("prompt" in record)


def test_equal_calls_have_equal_keys_whatever_they_are_called() -> None:
    """The order of fields, the name and the form of delivery are no part of what is asked."""
    other = {"messages": [USER], "id": 12, "model": "gpt-4o-mini", "stream": True}
    named = {"custom_id": "x", "url": "/v1/chat/completions", "body": CHAT}
    assert asked(CHAT).key == asked(other).key == asked(named).key == asked({**CHAT}).key
    assert (asked(other).name, asked(named).name, asked(CHAT).name) == ("12", "x", "")
    assert asked({**CHAT, "seed": 1}).key != asked(CHAT).key
    assert asked({"prompt": "Hi"}, model="gpt-4o-mini").key == asked(CHAT).key


def test_a_model_is_given_to_lines_that_name_none() -> None:
    """And to no other."""
    assert fields(asked({"messages": [USER]}, model="gpt-4o"))["model"] == "gpt-4o"
    assert fields(asked(CHAT, model="gpt-4o"))["model"] == "gpt-4o-mini"
    assert asked({"q": "Hi"}, model="gpt-4o", column="q").plain


def test_of_a_csv_the_columns_that_are_known_are_read() -> None:
    """Numbers as numbers; other columns are the file's own affair."""
    row = Row(prompt="Hi", model="gpt-4o", max_tokens="5", temperature="0.5", colour="red", id="a")
    item = asked(row)
    assert fields(item) == {
        "model": "gpt-4o",
        "messages": [USER],
        "max_tokens": 5,
        "temperature": 0.5,
    }
    assert (item.name, item.size.output_tokens) == ("a", 5)
    with pytest.raises(InvalidRequest, match="'max_tokens' is no number"):
        asked(Row(prompt="Hi", model="gpt-4o", max_tokens="many"))


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({}, "names no model"),
        ({"model": "gpt-4o"}, "no 'messages' and no 'input'"),
        ({"messages": [USER]}, "names no model"),
        ({"prompt": "Hi"}, "names no model"),
        ({"prompt": "  ", "model": "gpt-4o"}, "'prompt' is empty"),
        ({"prompt": 1, "model": "gpt-4o"}, "'prompt' is no text"),
        ({"model": "gpt-4o", "messages": "Hi"}, "'messages' must be a list"),
        ({"model": 3, "messages": [USER]}, "'model' must be a string"),
        ({"custom_id": "a", "body": "x"}, "'body' is no object"),
        ({"custom_id": "a", "url": "/v1/x", "body": CHAT}, "'url' is '/v1/x', none of"),
        ({"custom_id": "a", "url": 3, "body": CHAT}, "'url' is '3', none of"),
        ({"method": "GET", "body": CHAT}, "'method' is 'GET', not POST"),
        ({**CHAT, "id": [1]}, "'id' is neither"),
        ({**CHAT, "id": "x" * 600}, "'id' has 600 characters; at most 512"),
        ({"params": 1}, "'params' is no object"),
    ],
)
def test_what_is_wrong_is_named(record: dict[str, Any], said: str) -> None:
    """The field at fault, never its text."""
    with pytest.raises(InvalidRequest) as caught:
        asked(record)
    assert said in str(caught.value)


def test_a_lane_is_a_model() -> None:
    """Calls that share a provider's limits share a lane; the size is by length and limit."""
    item = asked({**CHAT, "max_tokens": 300, "n": 2})
    assert item.lane == asked(CHAT).lane != asked({**CHAT, "model": "gpt-4o"}).lane
    assert item.size == Size(len(item.body) // 4, 600)
    assert "Hi" not in repr(item)
