"""`scrimp reprice`: a table first, entries only when asked, clear words for what cannot be done."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from scrimp.calls import Usage
from scrimp.cli.main import cli
from scrimp.ports import Entry
from tests.support.books import book, book_json, broken, call_with, hit_for, priced_by, tried
from tests.support.cli_ledger import written
from tests.support.ledger_entries import BEGIN

OLD = book({"input": 1_000_000, "output": 4_000_000}, version="old")
USAGE = Usage(input_tokens=100, output_tokens=10)
PERIOD = ("--from", "2026-03-04", "--to", "2026-03-05")


def asked(*args: str) -> Result:
    """What a command answers."""
    return CliRunner().invoke(cli, list(args), env={"COLUMNS": "120"})


def calls() -> list[Entry]:
    """A paid call, a hit, one that broke off, one without a price, and one a day later."""
    paid = priced_by(OLD, tried(USAGE))
    late = replace(call_with(5, paid), at=BEGIN + timedelta(days=1))
    return [
        call_with(1, paid),
        hit_for(2, paid),
        call_with(3, broken(OLD)),
        call_with(4, tried(USAGE, model="house-model")),
        late,
    ]


@pytest.fixture
def other(tmp_path: Path) -> str:
    """A ledger in the state of the test, and the file of another book."""
    written(tmp_path / "state", calls())
    path = tmp_path / "book.json"
    rates = {"input": 2_000_000, "output": 3_000_000, "cache_read": 1_000_000}
    path.write_bytes(book_json({"gpt-4o-mini": rates, "house-model": rates}, version="new"))
    return str(path)


def spend() -> int:
    """What the report says now."""
    told = json.loads(asked("report", "--since", "2026-03-01", "--json").stdout)
    return int(told["total"]["cost_nanousd"])


def test_a_look_shows_both_amounts_and_writes_nothing(other: str) -> None:
    """By day and model, with what has a price now and what is an estimate."""
    before = spend()
    result = asked("reprice", *PERIOD, "--book", other)
    assert result.exit_code == 0, result.output
    for words in (
        "2026-03-04 00:00 to 2026-03-06 00:00 UTC",
        "at the prices of new",
        "in the books at old",
        "2026-03-05   gpt-4o-mini",
        "+$0.00009",
        "1 call of house-model had no price and now cost $0.00023, such as ",
        "1 call broke off before the usage was told: the bounds are priced again.",
        "What levers saved changes by +$0.00009.",
        "5 calls would be adjusted. Nothing is written yet: --apply does it.",
    ):
        assert words in result.stdout, words
    assert spend() == before


def test_applied_it_is_in_the_books_once(other: str) -> None:
    """Report, explain and doctor know of it; again there is nothing to do."""
    before = spend()
    told = json.loads(asked("reprice", *PERIOD, "--book", other, "--apply", "--json").stdout)
    total = told["total"]
    assert (told["applied"], total["adjusted_calls"]) == (True, 5)
    assert spend() == total["repriced_nanousd"] == before + total["difference_nanousd"]
    adjusted = json.loads(asked("report", "--since", "2026-03-01", "--json").stdout)["adjusted"]
    assert adjusted["cost_nanousd"] == total["difference_nanousd"]
    assert (adjusted["calls"], adjusted["newly_priced_calls"]) == (5, 1)
    shown = asked("report", "--since", "2026-03-01").stdout
    assert "5 calls were re-priced since, which the spend holds: +$" in shown
    again = asked("reprice", *PERIOD, "--book", other, "--apply")
    assert "The books say so already: nothing to adjust." in again.stdout
    assert "every sum equals its calls" in asked("doctor").stdout
    explained = asked("explain", calls()[0].id)
    assert "adjusted at " in explained.stdout
    assert "cost now: $0.00023 (known from: usage)" in explained.stdout
    document = json.loads(asked("explain", calls()[0].id, "--json").stdout)
    assert document["now"]["cost_nanousd"] == 230_000
    assert document["cost_nanousd"] == 140_000
    assert [one["reason"] for one in document["adjustments"]] == ["reprice"]


def test_machines_get_rows_by_day_and_model(other: str) -> None:
    """Money as integers and as exact text."""
    told = json.loads(asked("reprice", *PERIOD, "--book", other, "--json").stdout)
    assert [(row["day"], row["model"]) for row in told["rows"]] == [
        ("2026-03-04", "gpt-4o-mini"),
        ("2026-03-04", "house-model"),
        ("2026-03-05", "gpt-4o-mini"),
    ]
    last = told["rows"][-1]
    assert (last["cost_usd"], last["repriced_usd"]) == ("0.00014", "0.00023")
    assert last["difference_nanousd"] == 90_000
    assert told["newly_priced"][0]["ids"] == [calls()[3].id]
    assert {one["kind"] for one in told["remarks"]} == {"estimate"}


def test_one_model_alone(other: str) -> None:
    """The others are not looked at."""
    told = json.loads(
        asked("reprice", *PERIOD, "--book", other, "--model", "house-model", "--json").stdout
    )
    assert (told["model"], told["total"]["calls"]) == ("house-model", 1)


def test_prices_of_ones_own_hold_over_any_book(other: str, tmp_path: Path) -> None:
    """They are a contract, no list."""
    config = tmp_path / "own.toml"
    config.write_text('[prices."house-model"]\ninput = "9"\noutput = "0"\n')
    asks = ("reprice", *PERIOD, "--book", other, "--config", str(config), "--json")
    told = json.loads(asked(*asks).stdout)
    assert told["newly_priced"][0]["cost_nanousd"] == 900_000


def test_the_book_in_use_is_the_default(other: str) -> None:
    """With --current or without."""
    plain = json.loads(asked("reprice", *PERIOD, "--json").stdout)
    current = json.loads(asked("reprice", *PERIOD, "--current", "--json").stdout)
    assert plain == current
    assert plain["book_version"].startswith("genai-prices-")
    assert other


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("--from", "2026-13-01"), 2, "not a time: '2026-13-01'"),
        (("--from", "2026-03-05", "--to", "2026-03-03"), 2, "is not before --to 2026-03-04 00:00"),
        (("--from", "2026-03-04", "--book", "b", "--current"), 2, "not both"),
        (("--from", "2026-03-04", "--book", "/nowhere.json"), 1, "/nowhere.json"),
        (
            ("--from", "2025-01-01", "--to", "2025-01-31"),
            1,
            "(the ledger has calls from 2026-03-04",
        ),
        (("--from", "2026-03-04", "--model", "none"), 1, "no calls of none from 2026-03-04"),
        ((), 2, "--from"),
    ],
)
def test_what_cannot_be_done_is_said(
    other: str, args: tuple[str, ...], code: int, said: str
) -> None:
    """In one line, with both numbers, before anything is written."""
    result = asked("reprice", *args, "--apply")
    assert result.exit_code == code
    assert said in result.stderr
    assert other


def test_a_day_is_part_of_its_period(other: str) -> None:
    """From a day to the same day is that day."""
    told = json.loads(
        asked(
            "reprice", "--from", "2026-03-04", "--to", "2026-03-04", "--book", other, "--json"
        ).stdout
    )
    assert told["total"]["calls"] == 4
    assert told["to"] == "2026-03-05T00:00:00+00:00"


def test_without_a_ledger_none_is_made(tmp_path: Path) -> None:
    """Neither by a look nor by --apply."""
    result = asked("reprice", "--from", "2026-03-04", "--apply")
    assert result.exit_code == 1
    assert "there is no ledger at" in result.stderr
    assert not (tmp_path / "state").exists()


def test_an_empty_ledger_says_so(tmp_path: Path) -> None:
    """Not a table of nothing."""
    written(tmp_path / "state", [])
    result = asked("reprice", "--from", "2026-03-04")
    assert (result.exit_code, "the ledger is empty" in result.stderr) == (1, True)
