"""The one reader of files with one record per line."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pytest

from scrimp.errors import InvalidRequest
from scrimp.lines import Row, each, records


def told(data: bytes, **more: Any) -> list[tuple[int, Any]]:
    """Records as they are, of what is wrong the words."""
    found = each(io.BytesIO(data), "f", **more)
    return [(n, str(one) if isinstance(one, InvalidRequest) else dict(one)) for n, one in found]


def test_a_bad_line_does_not_end_the_reading() -> None:
    """It is named by its number, and the lines behind it are read."""
    found = told(b'{"a":1}\n\n[2]\n{"a"\n{"a":"\xff"}\n{"a":5}')
    assert [number for number, _ in found] == [1, 3, 4, 5, 6]
    assert (found[0][1], found[-1][1]) == ({"a": 1}, {"a": 5})
    for (number, words), said in zip(found[1:4], ("no JSON", "no JSON", "not UTF-8"), strict=True):
        assert words.startswith(f"f, line {number}: ")
        assert said in words


def test_a_line_that_is_too_long_is_passed_over() -> None:
    """Its size and the limit are told; no more of it is held than the limit."""
    data = b'{"a":1}\n{"a":"' + b"x" * 3_000_000 + b'"}\n{"a":3}\n'
    found = told(data, most_bytes=1000)
    assert found[1] == (2, "f, line 2: has 3,000,009 bytes, at most 1,000 are read")
    assert [one for _, one in (found[0], found[2])] == [{"a": 1}, {"a": 3}]
    assert told(b'{"a":"' + b"x" * 50, most_bytes=20)[0][1].endswith("at most 20 are read")


def test_only_wanted_lines_are_looked_at() -> None:
    """What is wrong with the others is nobody's concern."""
    assert told(b'oops\n{"a":2}\nno\n{"a":4}\n'.replace(b"oops", b"{oops"), wanted=lambda n: n == 4)
    assert told(b'{oops\n{"a":2}\n', wanted=lambda number: number == 2) == [(2, {"a": 2})]
    csv = b"prompt,model\na,b\nc,d\n"
    assert told(csv, wanted=lambda number: number == 3) == [(3, {"prompt": "c", "model": "d"})]


def test_a_csv_row_is_known_as_one() -> None:
    """Its values are texts; a text may hold line ends, and empty fields are left out."""
    data = b'\xef\xbb\xbfprompt,model\r\n"two\nlines",\r\nshort\r\na,b,c\r\n'
    (first, one), (second, two), (third, wrong) = each(io.BytesIO(data), "f")
    assert (first, one, second, two) == (3, {"prompt": "two\nlines"}, 4, {"prompt": "short"})
    assert isinstance(one, Row)
    assert third == 5
    assert "more fields than columns" in str(wrong)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"question\na\n", "no column 'prompt'"),
        (b'prompt\n"open', "unexpected end of data"),
        (b"prompt\n\xff\n", "line 2: not UTF-8 (byte 7)"),
    ],
)
def test_a_csv_that_is_none_is_refused(data: bytes, said: str) -> None:
    """Nobody knows where its other lines begin."""
    with pytest.raises(InvalidRequest) as caught:
        told(data)
    assert said in str(caught.value)


def test_who_wants_all_of_it_hears_of_the_first_wrong_line() -> None:
    """A line separator of Unicode inside a text ends no line."""
    text: list[Mapping[str, Any]] = [one for _, one in records('{"a":"\u2028"}'.encode(), "f")]
    assert text == [{"a": "\u2028"}]
    with pytest.raises(InvalidRequest, match="f, line 2"):
        list(records(b'{"a":1}\n{"a"\n', "f"))
    assert list(records(b" \n\n", "f")) == []
