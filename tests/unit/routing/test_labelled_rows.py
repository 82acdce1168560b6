"""Labelled files: both shapes, JSON lines and CSV; what is wrong is named with its line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scrimp.errors import InvalidRequest
from scrimp.lines import records
from scrimp.routing.rows import Label, models_of, read_rows, with_all


def lines(*fields: dict[str, Any]) -> bytes:
    """A file of JSON lines."""
    return b"".join(json.dumps(one).encode() + b"\n" for one in fields)


def test_one_line_for_one_answer() -> None:
    """Lines of one prompt are one row; the later label of a model holds."""
    data = lines(
        {"prompt": "a", "model": "x", "quality": 1, "cost": 0.5},
        {"prompt": "b", "model": "x", "quality": 0.25, "cost": "0.000000001"},
        {"prompt": "a", "model": "y", "quality": False},
        {"prompt": "a", "model": "x", "quality": 0},
    )
    rows = read_rows(data, "f")
    assert [(row.line, row.prompt) for row in rows] == [(1, "a"), (2, "b")]
    assert rows[0].labels == {"x": Label(0.0), "y": Label(0.0)}
    assert rows[1].labels == {"x": Label(0.25, 1)}
    assert models_of(rows) == ("x", "y")
    assert [row.prompt for row in with_all(rows, ("x", "y"))] == ["a"]


def test_one_line_for_all_answers() -> None:
    """With what else is known of them; an answer without a quality is no label."""
    told = {
        "x": {"quality": 1.0, "out_tokens_est": 5, "response": "four"},
        "y": {"quality": None, "cost": "0.1"},
        "z": {"quality": 0.5, "cost": "$0.0000000001", "answer": "4"},
    }
    (row,) = read_rows(lines({"prompt": "p", "task": "t", "source": "s", "models": told}), "f")
    assert (row.task, row.source) == ("t", "s")
    assert row.labels == {"x": Label(1.0, None, 5, "four"), "z": Label(0.5, 1, None, "4")}
    assert "four" not in repr(row.labels["x"])


def test_a_prompt_that_was_asked_in_two_ways_stays_two() -> None:
    """Calls of equal last questions have ids of their own."""
    one = {"prompt": "p", "models": {"x": {"quality": 1}}}
    assert len(read_rows(lines({"id": "1", **one}, {"id": "2", **one}), "f")) == 2


def test_csv() -> None:
    """With the same columns; a byte order mark, quotes and empty fields are no trouble."""
    data = '\ufeffprompt,model,quality,cost\n"a, b",x,1,0.5\n"a, b",y,,\n"a, b",z,0.5,\n'.encode()
    (row,) = read_rows(data, "f.csv")
    assert row.prompt == "a, b"
    assert row.labels == {"x": Label(1.0, 500_000_000), "z": Label(0.5)}


def test_a_line_may_hold_what_others_take_for_an_end() -> None:
    """U+2028 inside a JSON string ends no line."""
    (row,) = read_rows('{"prompt":"a\u2028b","model":"x","quality":1}\n'.encode(), "f")
    assert row.prompt == "a\u2028b"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b"not json\n", "f: the first line names no column 'prompt'"),
        (b'{"prompt":"a","model":"x","quality":1}\n{"prompt"\n', "f, line 2: no JSON object"),
        (b"[1]\n", "f, line 1: no JSON object"),
        (b"[" * 100_000, "f, line 1: no JSON object"),
        (lines({"model": "x", "quality": 1}), "f, line 1: has no 'prompt'"),
        (lines({"prompt": "a", "quality": 1}), "line 1: has neither 'model' nor 'models'"),
        (lines({"prompt": "a", "models": [1]}), "line 1: 'models' is no object"),
        (lines({"prompt": "a", "models": {"x": 1}}), "'x' is no object"),
        (lines({"prompt": "a", "model": "x", "quality": 8}), "'x': the quality '8' is no number"),
        (lines({"prompt": "a", "model": "x", "quality": "good"}), "the quality 'good'"),
        (lines({"prompt": "a", "model": "x", "quality": 1, "cost": -1}), "the cost '-1'"),
        (lines({"prompt": "a", "model": "x", "quality": 1, "cost": "nan"}), "the cost 'nan'"),
        (lines({"prompt": 7, "model": "x", "quality": 1}), "'prompt' is no text"),
        (b"prompt,model\na,b,c\n", "line 2: more fields than columns"),
        (b"a\xff", "not UTF-8"),
        (b"", "f: holds no labels"),
        (lines({"prompt": "a", "model": "x"}), "f: holds no labels"),
    ],
)
def test_what_is_wrong_is_named(bad: bytes, said: str) -> None:
    """With the line, and never with the prompt."""
    with pytest.raises(InvalidRequest) as caught:
        read_rows(bad, "f")
    assert said in str(caught.value)


def test_a_torn_last_line_is_left_out_where_a_run_may_have_been_broken_off() -> None:
    """And only there."""
    data = b'{"a":1}\n{"b":'
    assert [one for _, one in records(data, "f", torn=True)] == [{"a": 1}]
    with pytest.raises(InvalidRequest):
        list(records(data, "f"))
