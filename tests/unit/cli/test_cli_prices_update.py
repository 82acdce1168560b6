"""`scrimp prices update`: shown first, dated, written for the owner alone, and then used."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scrimp.billing import book_of
from scrimp.bookfile import base_book, book_path
from scrimp.cli import prices_update
from scrimp.cli.main import cli
from scrimp.errors import ConfigError
from scrimp.prices import load_book
from scrimp.prices.book import shipped_file
from scrimp.sections import Settings

TODAY = datetime.now(UTC).date().isoformat()


def asked(*args: str) -> Result:
    """What a command answers."""
    return CliRunner().invoke(cli, list(args), env={"COLUMNS": "120"})


def book_file(path: Path, *, price: int = 2_000_000, **head: str) -> Path:
    """The shipped book with another price of gpt-4o, and without gpt-4."""
    book = json.loads(shipped_file())
    book |= {"source": "a newer list", "compiled_on": TODAY, **head}
    openai = book["providers"]["openai"]
    openai["models"] = [one for one in openai["models"] if one["id"] != "gpt-4"]
    for one in openai["models"]:
        if one["id"] == "gpt-4o":
            one["rows"][-1]["rates"]["input"] = price
    path.write_text(json.dumps(book))
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with the state of the test."""
    return Settings(state_dir=str(tmp_path / "state"))


def test_a_look_writes_nothing(tmp_path: Path, settings: Settings) -> None:
    """Both numbers, the day, and what is kept; then nothing."""
    result = asked("prices", "update", str(book_file(tmp_path / "next.json")), "--dry-run")
    assert result.exit_code == 0, result.output
    assert f"openai/gpt-4o from {TODAY}: input $2.50 to $2.00" in result.stdout
    assert "no longer listed, kept: 1\n  openai/gpt-4\n" in result.stdout
    assert result.stdout.endswith("Nothing is written.\n")
    assert not book_path(settings).exists()


def test_an_update_is_used_from_then_on(tmp_path: Path, settings: Settings) -> None:
    """By every command and engine; for the owner alone; the price of before stays."""
    next_file = str(book_file(tmp_path / "next.json"))
    result = asked("prices", "update", next_file, "--yes", "--since", "2026-11-20")
    assert result.exit_code == 0, result.output
    path = book_path(settings)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]
    book = book_of(settings)
    assert book.version.startswith("a-newer-list-")
    shown = asked("prices", "show", "gpt-4o").stdout
    assert "until 2026-11-20: cache read $1.25, input $2.5" in shown
    assert "from 2026-11-20: cache read $1.25, input $2," in shown
    assert book.find("gpt-4", "openai") is not None
    assert "(updated, " in asked("doctor").stdout
    diff = json.loads(asked("prices", "diff", "--json").stdout)
    assert (diff["from"], diff["to"]) == (load_book().version, book.version)
    assert diff["changes"] == [
        {
            "model": "openai/gpt-4o",
            "since": "2026-11-20",
            "tier": "",
            "hours": "",
            "what": "input",
            "old_usd": "2.5",
            "new_usd": "2",
        }
    ]


def test_the_same_again_says_so(tmp_path: Path, settings: Settings) -> None:
    """And leaves the file as it is."""
    next_file = str(book_file(tmp_path / "next.json"))
    asked("prices", "update", next_file, "--yes")
    before = book_path(settings).read_bytes()
    result = asked("prices", "update", next_file, "--yes")
    assert result.stdout.startswith("No price differs: a-newer-list-")
    assert book_path(settings).read_bytes() == before


def test_machines_get_the_same_facts(tmp_path: Path, settings: Settings) -> None:
    """JSON says what was written."""
    next_file = str(book_file(tmp_path / "next.json"))
    looked = json.loads(asked("prices", "update", next_file, "--dry-run", "--json").stdout)
    assert (looked["written"], looked["removed"]) == (None, ["openai/gpt-4"])
    written = json.loads(asked("prices", "update", next_file, "--yes", "--json").stdout)
    assert written["written"] == str(book_path(settings))
    assert written["to"] == base_book(settings).version


def test_nobody_is_asked_in_a_pipe(tmp_path: Path, settings: Settings) -> None:
    """A script says --yes."""
    result = asked("prices", "update", str(book_file(tmp_path / "next.json")))
    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert not book_path(settings).exists()


def test_an_older_book_is_not_taken(tmp_path: Path) -> None:
    """With both days."""
    old = book_file(tmp_path / "old.json", compiled_on="2026-01-02")
    result = asked("prices", "update", str(old), "--yes")
    assert result.exit_code == 1
    assert "compiled on 2026-01-02" in result.stderr
    assert str(load_book().compiled_on) in result.stderr


def test_a_book_of_tomorrow_is_not_taken(tmp_path: Path) -> None:
    """It would hide every book until then."""
    late = (datetime.now(UTC).date() + timedelta(days=3)).isoformat()
    result = asked("prices", "update", str(book_file(tmp_path / "x", compiled_on=late)), "--yes")
    assert result.exit_code == 2
    assert late in result.stderr


@pytest.mark.parametrize("content", [b"{", b"nonsense", b"[1]", b'{"version": 1}'])
def test_what_is_no_book_is_refused(tmp_path: Path, settings: Settings, content: bytes) -> None:
    """With its name, and nothing is written."""
    path = tmp_path / "nonsense.json"
    path.write_bytes(content)
    result = asked("prices", "update", str(path), "--yes")
    assert result.exit_code == 2
    assert "nonsense.json" in result.stderr
    assert not book_path(settings).exists()


def test_a_missing_file_is_named() -> None:
    """As everywhere."""
    result = asked("prices", "update", "/nowhere/book.json")
    assert (result.exit_code, "/nowhere/book.json" in result.stderr) == (1, True)


def test_a_wrong_day_is_refused(tmp_path: Path) -> None:
    """With the way to write it."""
    next_file = str(book_file(tmp_path / "next.json"))
    result = asked("prices", "update", next_file, "--since", "monday")
    assert result.exit_code == 2
    assert "write it like 2026-11-01" in result.stderr


def test_the_installed_package_is_a_source() -> None:
    """The book that ships is made of it: nothing differs."""
    result = asked("prices", "update", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "stays in use" in result.stdout


def test_data_of_the_package_is_a_source_too(tmp_path: Path, settings: Settings) -> None:
    """Its published file, compiled here: steps, dates and rules as in the package itself."""
    steps = {"base": 1, "tiers": [{"start": 200_000, "price": 2}]}
    rows = [
        {"prices": {"input_mtok": 1}},
        {"constraint": {"start_date": "2026-11-01"}, "prices": {"input_mtok": steps}},
    ]
    model = {"id": "gpt-9", "match": {"equals": "gpt-9"}, "prices": rows}
    provider = {"id": "openai", "name": "OpenAI", "api_pattern": "x", "models": [model]}
    path = tmp_path / "data.json"
    path.write_text(json.dumps([provider]))
    result = asked("prices", "update", str(path), "--yes")
    assert result.exit_code == 0, result.output
    found = base_book(settings).find("gpt-9", "openai")
    assert found is not None
    assert [row.rates["input"] for row in found.rows] == [
        1_000_000,
        (1_000_000, 200_000, 2_000_000),
    ]
    assert base_book(settings).find("gpt-4o", "openai") is not None


def test_an_older_package_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """With both versions and the way out."""
    monkeypatch.setattr(prices_update, "version", lambda _: "0.0.9")
    result = asked("prices", "update", "--dry-run")
    assert result.exit_code == 1
    assert "genai-prices 0.0.9 is installed" in result.stderr
    assert "pip install -U genai-prices" in result.stderr


def test_a_damaged_book_is_refused_with_the_way_out(settings: Settings, tmp_path: Path) -> None:
    """Nothing is priced by it; the doctor and an update know what to do."""
    path = book_path(settings)
    path.parent.mkdir(mode=0o700)
    path.write_bytes(shipped_file()[:1000])
    with pytest.raises(ConfigError, match=r"prices\.json: not a price book.*update makes it anew"):
        book_of(settings)
    priced = asked("price", "gpt-4o")
    assert (priced.exit_code, str(path) in priced.stderr) == (2, True)
    doctor = asked("doctor")
    assert doctor.exit_code == 1
    assert "fail prices" in doctor.stdout
    assert "scrimp prices update, or without your update: rm " in doctor.stdout
    result = asked("prices", "update", str(book_file(tmp_path / "next.json")), "--yes")
    assert result.exit_code == 0, result.output
    assert base_book(settings).version.startswith("a-newer-list-")


def test_the_book_that_ships_wins_once_it_is_newer(settings: Settings) -> None:
    """An update of long ago is not used for ever."""
    path = book_path(settings)
    path.parent.mkdir(mode=0o700)
    book_file(path, compiled_on="2026-01-01")
    assert base_book(settings) is load_book()
    assert "of 2026-01-01, older than the book that ships: not used" in asked("doctor").stdout


def test_a_book_is_read_once(settings: Settings) -> None:
    """Engines of one process share it, until the file is another."""
    path = book_path(settings)
    path.parent.mkdir(mode=0o700)
    book_file(path)
    first = base_book(settings)
    assert base_book(settings) is first
    book_file(path, price=3_000_000)
    assert base_book(settings) is not first
