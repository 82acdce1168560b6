"""JSON in columns: shorter, and the same value when it is read back."""

from __future__ import annotations

import json

import pytest

from scrimp.shrinking.columns import expanded, in_columns, minified, unescaped
from scrimp.shrinking.compacting import STEPS, compacted


def short(value: object) -> str:
    """A value as a tool's result, then in columns."""
    text = minified(json.dumps(value, indent=2))
    assert text is not None
    return in_columns(text)


def test_equal_objects_become_rows() -> None:
    """Each key stands there once, keys of keys too."""
    flights = [{"number": n, "seats": {"economy": n, "business": 2}} for n in range(3)]
    assert short({"found": flights}) == (
        '{"found":{"columns":["number",{"seats":["economy","business"]}],'
        '"rows":[[0,[0,2]],[1,[1,2]],[2,[2,2]]]}}'
    )


def test_lists_within_rows_have_columns_of_their_own() -> None:
    """And read back as they were."""
    legs = [{"origin": "AAA", "destination": "BBB"}, {"origin": "CCC", "destination": "DDD"}]
    trips = [{"trip": n, "legs": legs, "note": None} for n in range(4)]
    assert short(trips).count("origin") == 4
    assert expanded(json.loads(short(trips))) == trips


@pytest.mark.parametrize(
    "value",
    [
        [{"alpha": 1, "beta": 2}, {"beta": 2, "alpha": 1}, {"alpha": 3, "beta": 4}],
        [{"alpha": 1, "beta": 2}, {"alpha": 3}],
        [{"alpha": 1, "beta": 2}, 7],
        [{}, {}, {}],
        [{"a": 1}, {"a": 2}],
        {"columns": ["a"], "rows": [[1], [2]], "x": [{"alpha": 1, "beta": 2}] * 9},
        [],
        {},
        [[[]]],
    ],
)
def test_what_does_not_fit_or_pay_stays(value: object) -> None:
    """Other keys, another order, nothing gained, or columns that were there before."""
    assert short(value) == json.dumps(value, separators=(",", ":"))


def test_numbers_stand_as_they_stood() -> None:
    """No digit is lost that another reader would see."""
    row = '{"price":1.10,"far":1E5,"tiny":1e-07,"many":12345678901234567,"minus":-0.0}'
    new = in_columns(f"[{row},{row},{row}]")
    assert new.endswith(
        '"rows":[' + ",".join(["[1.10,1E5,1e-07,12345678901234567,-0.0]"] * 3) + "]}"
    )


@pytest.mark.parametrize(
    "text",
    [
        '[{"key":1,"key":2,"another":3},{"key":1,"key":2,"another":3}]',
        '[{"k\\u0065y":1,"another":3},{"k\\u0065y":1,"another":3}]',
        '[[{"name":"a\\/b","another":3},{"name":"","another":3},{"name":"","another":3}],[{}]]',
    ],
)
def test_what_cannot_be_proven_equal_stays(text: str) -> None:
    """A key twice, a key or a text in an odd spelling."""
    assert in_columns(text) == text


def test_a_table_keeps_the_spelling_of_its_values() -> None:
    """No value is decoded: an odd escape, or a zero with a sign, stands as it stood."""
    rows = '[{"name":"a\\/b","zero":-0},{"name":"\\u0041","zero":0},{"name":"","zero":0}]'
    assert in_columns(rows) == (
        '{"columns":["name","zero"],"rows":[["a\\/b",-0],["\\u0041",0],["",0]]}'
    )


def test_characters_stand_for_themselves() -> None:
    r"""`\u00e9` is six characters for one; controls, quotes and halves of pairs stay escaped."""
    text = r'{"a":"caf\u00e9 \u4f60 \ud83d\ude00 \u0007 \u0022 \ud800 \\u00e9 \n"}'
    assert unescaped(text) == r'{"a":"café 你 😀 \u0007 \u0022 \ud800 \\u00e9 \n"}'
    whole = text.replace(r"\ud800 ", "")
    assert json.loads(unescaped(whole)) == json.loads(whole)


@pytest.mark.parametrize("text", ["{", "[1,]", "{'a': 1}", '{"a": nan}', "", "[1] [2]", "\ud800["])
def test_what_is_no_json_is_none(text: str) -> None:
    """And nothing is raised."""
    assert minified(text) is None


def test_absurd_nesting_is_left_alone() -> None:
    """Ten thousand lists in each other."""
    deep = "[" * 10_000 + '[{"a":1},{"a":2}]' + "]" * 10_000
    assert minified(deep) in (None, deep)
    assert in_columns(deep) == deep


def test_a_key_that_is_spelled_by_numbers_is_not_overlooked() -> None:
    """JSON that looks like columns already, once it is read, is not put beside others that are."""
    rows = json.dumps([{"alpha": n, "beta": n} for n in range(9)])
    own = '{"r\\u006fws": [[1]], "columns": ["z"]}'
    text = f'{{"a": {rows}, "b": {own}}}'
    found = compacted(text, STEPS)
    assert "columns" not in found.partition('"b"')[0]
    assert json.loads(found) == json.loads(text)
