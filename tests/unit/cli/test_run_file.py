"""The journal of a run and its OUT: what is known after any end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scrimp.cli.run_file import ANSWERED, FAILED, NOTHING, Kept, short
from scrimp.errors import ConfigError, InvalidRequest
from scrimp.many.results import Result, written

KEY = bytes(range(16))


def line_of(
    number: int, key: bytes = KEY, *, cost: int = 5, error: str = "", earlier: int = 0
) -> bytes:
    """A result of line `number`."""
    result = Result(
        f"call-{number}",
        200,
        body=b'{\n "x": 1}',
        text="hi",
        error=error,
        kind="upstream" if error else "",
        cost_nanousd=cost,
        high_nanousd=cost,
    )
    return written(result, (number, key.hex(), ""), plain=True, earlier=earlier)


def out_of(path: Path) -> list[dict[str, Any]]:
    """Its lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_results_come_in_order_and_the_journal_goes(tmp_path: Path) -> None:
    """Whatever order they were there in; both files are the owner's alone."""
    out = tmp_path / "out.jsonl"
    with Kept(out) as kept:
        for number in (5, 1, 3):
            kept.begun(number, f"call-{number}")
            kept.put(line_of(number))
        assert kept.journal.stat().st_mode & 0o777 == 0o600
        kept.finish()
    assert [one["scrimp"]["line"] for one in out_of(out)] == [1, 3, 5]
    assert out_of(out)[0]["response"]["body"] == {"x": 1}
    assert out.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.glob("out*")] == ["out.jsonl"]


def test_after_a_kill_all_is_known(tmp_path: Path) -> None:
    """Results, what was in the air, and what it may have cost; half a line is no result."""
    out = tmp_path / "out.jsonl"
    with Kept(out) as kept:
        for number in (1, 2, 3, 4):
            kept.begun(number, f"call-{number}")
            kept.held(f"call-{number}/1/0", 100)
        kept.put(line_of(1))
        kept.put(line_of(2, error="no", cost=0))
        kept.settled("call-3/1/0", 40)  # an attempt that was billed; then the next one
        kept.held("call-3/2/1", 100)
    with kept.journal.open("ab") as torn:
        torn.write(line_of(4)[:-20])
    with Kept(out) as again:
        assert [again.state(n) for n in range(6)] == [0, ANSWERED, FAILED, NOTHING, NOTHING, 0]
        assert (again.in_air, again.in_air_nanousd) == (2, 240)
        assert again.spent_nanousd == 5 + 240
        assert (again.earlier(3), again.earlier(4), again.key(1)) == (140, 100, short(KEY))
        again.put(line_of(3, earlier=again.earlier(3)))
    with Kept(out) as last:
        assert (last.in_air, last.spent_nanousd) == (1, 5 + 145 + 100)
        last.finish()
    with Kept(out) as kept_still:  # the call of line 4 is not forgotten by a tidy end
        assert kept_still.spent_nanousd == 5 + 145 + 100


def test_what_was_put_off_counts_once(tmp_path: Path) -> None:
    """A call that was billed and pushed back is another call later."""
    out = tmp_path / "out.jsonl"
    with Kept(out) as kept:
        kept.begun(1, "call-a")
        kept.held("call-a/1/0", 100)
        assert kept.most_of("call-a") == 100
        kept.settled("call-a/1/0", 30)
        kept.put_off(1, "call-a", None)
        assert kept.earlier(1) == 30
    with Kept(out) as kept:
        assert kept.spent_nanousd == 30


def test_a_result_goes_with_its_line(tmp_path: Path) -> None:
    """Under its new number and name; two that change places do not lose one."""
    out = tmp_path / "out.jsonl"
    one, two = b"1" * 16, b"2" * 16
    with Kept(out) as kept:
        kept.put(line_of(1, one))
        kept.put(line_of(2, two))
        kept.move({1: 2, 2: 1}, {1: "b", 2: ""})
        kept.finish()
    found = out_of(out)
    assert [line["scrimp"]["key"] for line in found] == [two.hex(), one.hex()]
    assert [line["custom_id"] for line in found] == ["b", "line-2"]
    with Kept(out) as kept:
        assert kept.named(1, "b")
        assert kept.named(2, "")
        assert not kept.named(2, "b")


def test_two_runs_never_share_an_out(tmp_path: Path) -> None:
    """The second one is told; after the first it may."""
    out = tmp_path / "out.jsonl"
    with Kept(out), pytest.raises(ConfigError, match="another run writes to it now"), Kept(out):
        pass
    with Kept(out):
        pass
    assert list(tmp_path.glob("out*")) == []  # nothing was asked, nothing is left


@pytest.mark.parametrize("where", ["out.jsonl", "out.jsonl.journal"])
@pytest.mark.parametrize("text", ["hello\n", '{"id": 1}\n', "[]\n", '{"mark":"what"}\n', "\xff\n"])
def test_another_files_lines_are_no_results(tmp_path: Path, where: str, text: str) -> None:
    """They are left as they are."""
    path = tmp_path / where
    path.write_text(text, "latin-1")
    with (
        pytest.raises(InvalidRequest, match="scrimp run did not write this"),
        Kept(tmp_path / "out.jsonl"),
    ):
        pass
    assert path.read_text("latin-1") == text
