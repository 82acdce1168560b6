"""Files of the semantic benchmark: what is read, and what is said of one that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.savings.semantic.questions import labelled
from benchmarks.savings.semantic.run import arguments
from benchmarks.savings.semantic.traps import from_file


def test_any_labelled_file_is_read(tmp_path: Path) -> None:
    """Other columns, numbers as labels, a byte order mark, line breaks, commas and signs."""
    table = tmp_path / "one.csv"
    table.write_text('id,My Text,nr\n1,"a, b\nc \U0001f64f",7\n2,d,8\n', encoding="utf-8-sig")
    lines = tmp_path / "two.jsonl"
    lines.write_text('{"My Text": "e", "nr": 9}\n\n{"My Text": "d", "nr": 1}\n', encoding="utf-8")
    found = labelled([table, lines], "My Text", "nr")
    assert found == [("a, b\nc \U0001f64f", "7"), ("d", "8"), ("e", "9")]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("no.csv", None, "No such file"),
        ("empty.csv", b"text,label\n", "no texts in"),
        ("other.csv", b"q,a\nx,y\n", "row 1: no column 'text' (has: q, a)"),
        ("latin.csv", b"text,label\ncaf\xe9,1\n", "cannot be read as CSV in UTF-8"),
        ("torn.jsonl", b'{"text": "a", "label": 1}\n{"te', "cannot be read as JSON lines"),
        ("list.jsonl", b'["a", 1]\n', "line 1 is no object"),
    ],
    ids=["missing", "empty", "columns", "encoding", "torn", "list"],
)
def test_a_file_that_cannot_be_read_is_told_in_one_line(
    tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    """With its name, and what it has."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SystemExit) as told:
        labelled([path], "text", "label")
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_pairs_say_whether_they_are_the_same(tmp_path: Path) -> None:
    """In any usual way; a file of other columns is told."""
    path = tmp_path / "pairs.jsonl"
    values = ("true", "false", "1", "0", "1.0", '"yes"', '"no"')
    path.write_text("".join(f'{{"a": "x", "b": "y", "same": {one}}}\n' for one in values))
    assert [pair.same for pair in from_file(path)] == [True, False, True, False, True, True, False]
    path.write_text('{"a": "x", "c": "y"}\n')
    with pytest.raises(SystemExit, match="no column 'b'"):
        from_file(path)


@pytest.mark.parametrize("wrong", [("--max-error", "2"), ("--permutations", "0")], ids=str)
def test_numbers_that_mean_nothing_are_refused(
    wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is computed."""
    with pytest.raises(SystemExit):
        arguments(["--data", "x.csv", *wrong])
    assert wrong[0] in capsys.readouterr().err.splitlines()[-1]
