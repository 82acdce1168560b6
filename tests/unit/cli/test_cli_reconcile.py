"""`scrimp reconcile` as people type it: what it says, how it ends, what it refuses."""

from __future__ import annotations

import codecs
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from scrimp.cli import reconcile_files
from scrimp.cli.main import cli
from scrimp.ports import Entry
from tests.support.cli_ledger import written
from tests.support.exports import (
    Used,
    anthropic_usage,
    claude_usage_csv,
    falsified,
    noon,
    openai_activity_csv,
    openai_cost_csv,
    openai_costs,
    openai_usage,
)
from tests.support.ledger_entries import entry
from tests.support.reconciling import attempt, claude, gpt

CALLS = (gpt(), gpt(31), claude(), gpt(at=noon(5), model="gpt-4o-mini-2024-07-18"))
OPENAI = [call for call in CALLS if call.model.startswith("gpt")]


def _entry(number: int, call: Used) -> Entry:
    return replace(entry(number), at=call.at, attempts=(attempt(call),))


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with these calls, and one that a cache answered."""
    entries = [_entry(number, call) for number, call in enumerate(CALLS, start=1)]
    hit = replace(entries[0], id=entry(99).id, attempts=(), served_by="exact_cache")
    return written(tmp_path_factory.mktemp("state") / "s", [*entries, hit])


def asked(state: Path, *args: str | Path, columns: int = 120) -> Result:
    """What the command answers in this state."""
    env = {"SCRIMP_STATE": str(state), "COLUMNS": str(columns)}
    return CliRunner().invoke(cli, ["reconcile", *map(str, args)], env=env)


def put(folder: Path, name: str, content: str | bytes) -> Path:
    """A file."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_equal_numbers_end_with_0(state: Path, tmp_path: Path) -> None:
    """With both numbers of each day and model, and the totals."""
    files = (
        put(tmp_path, "u.json", openai_usage(OPENAI)),
        put(tmp_path, "c.json", openai_costs(OPENAI)),
    )
    told = asked(state, *files)
    assert told.exit_code == 0, told.output
    assert "Reconciled to the token and the nano-dollar: 2 rows." in told.stdout
    total = sum(call.nanousd for call in OPENAI)
    assert told.stdout.count(f"${total / 10**9:.9f}".rstrip("0")) == 2


def test_a_false_number_ends_with_1_and_says_why(state: Path, tmp_path: Path) -> None:
    """Both numbers, the kind, and the likely cause."""
    told = asked(state, put(tmp_path, "u.json", openai_usage(falsified(OPENAI))))
    assert told.exit_code == 1
    assert "output: billed 1,400, in the ledger 400" in told.stdout
    assert "likely: as many requests on both sides (2)" in told.stdout
    assert "Not reconciled: 1 of 2 rows" in told.stdout


def test_only_differences_are_shown_when_asked(state: Path, tmp_path: Path) -> None:
    """Equal rows are left out; the verdict counts them."""
    path = put(tmp_path, "u.json", openai_usage(falsified(OPENAI)))
    told = asked(state, path, "--differences").stdout
    assert "gpt-4o-mini" not in told
    assert "1 of 2 rows" in told


@pytest.mark.parametrize("columns", [80, 120])
def test_no_line_of_a_table_is_wider_than_the_terminal(
    state: Path, tmp_path: Path, columns: int
) -> None:
    """Tokens and dollars are two tables where one would not fit; no name is folded."""
    files = (
        put(tmp_path, "u.json", openai_usage(OPENAI)),
        put(tmp_path, "c.json", openai_costs(OPENAI)),
    )
    told = asked(state, *files, columns=columns).stdout
    lines = [line.rstrip() for line in told.splitlines() if "gpt-4o-mini" in line]
    assert len(lines) == (2 if columns == 80 else 1)
    assert all(len(line) <= columns for line in lines)


def test_json_has_everything_as_integers(state: Path, tmp_path: Path) -> None:
    """Both sides, differences, verdicts and causes, the totals too."""
    path = put(tmp_path, "c.csv", openai_cost_csv(OPENAI))
    told = asked(state, path, "--json")
    document = json.loads(told.stdout)
    (vendor,) = document["vendors"]
    assert (document["reconciled"], vendor["vendor"], told.exit_code) == (True, "openai", 0)
    assert [row["verdict"] for row in vendor["rows"]] == ["equal", "equal"]
    assert vendor["total"]["bill_nanousd"] == sum(call.nanousd for call in OPENAI)
    assert vendor["total"]["difference_nanousd"] == 0
    assert vendor["rows"][0]["tokens"] is None


def test_both_providers_at_once(state: Path, tmp_path: Path) -> None:
    """One table each; one that differs is enough for 1."""
    ours = put(tmp_path, "u.json", openai_usage(OPENAI))
    theirs = put(tmp_path, "c.csv", claude_usage_csv(falsified([claude()])))
    told = asked(state, ours, theirs)
    assert told.exit_code == 1
    assert "Reconciled to the token" in told.stdout
    assert "Not reconciled: 1 of 1 row" in told.stdout


def test_a_tolerance_lets_it_pass(state: Path, tmp_path: Path) -> None:
    """In per cent for tokens; what is no tolerance is refused."""
    path = put(tmp_path, "u.json", openai_usage([gpt(1001), *OPENAI[1:]]))
    assert asked(state, path).exit_code == 1
    assert asked(state, path, "--tolerance", "0.1%").exit_code == 0
    for wrong in ("lots", "-1", "NaN", "1e3", "-5%"):
        told = asked(state, path, "--tolerance", wrong)
        assert (told.exit_code, "--tolerance" in told.stderr) == (2, True), wrong


def test_days_can_be_narrowed(state: Path, tmp_path: Path) -> None:
    """--from and --to; a period that the export does not cover is refused."""
    path = put(tmp_path, "u.json", openai_usage(falsified(OPENAI)))
    assert asked(state, path, "--from", "2026-11-05").exit_code == 0
    assert asked(state, path, "--to", "2026-11-05").exit_code == 1
    told = asked(state, path, "--from", "2026-11-09")
    assert told.exit_code == 2
    assert "cover 2026-11-04 to 2026-11-06" in told.stderr
    assert asked(state, path, "--from", "2026-11-09", "--to", "2026-11-08").exit_code == 2


def test_one_provider_of_the_settings_alone(state: Path, tmp_path: Path) -> None:
    """A name of scrimp.toml; another vendor's export, or a name without a bill, is refused."""
    config = put(
        tmp_path,
        "scrimp.toml",
        '[providers.openai-eu]\nbase_url = "http://127.0.0.1:1/v1"\nprices_as = "openai"\n'
        'dialects = ["openai.chat"]\n',
    )
    path = put(tmp_path, "u.json", openai_usage(OPENAI))
    assert asked(state, path, "--provider", "openai", "--config", config).exit_code == 0
    other = asked(state, path, "--provider", "openai-eu", "--config", config)
    assert other.exit_code == 1
    assert "no call of this model in the ledger" in other.stdout
    assert asked(state, path, "--provider", "anthropic").exit_code == 2
    assert "is not one of" in asked(state, path, "--provider", "nobody").stderr


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF8 + openai_activity_csv(OPENAI).encode(),
        openai_activity_csv(OPENAI).encode("utf-16"),
        openai_activity_csv(OPENAI).replace("gpt", "gpt").encode("latin-1"),
        codecs.BOM_UTF8 + openai_usage(OPENAI).encode(),
        claude_usage_csv([claude()]).encode("cp1252", "replace"),
    ],
)
def test_files_of_any_encoding_are_read(state: Path, tmp_path: Path, content: bytes) -> None:
    """Byte order marks, UTF-16, and letters of an old code page in names that do not matter."""
    told = asked(state, put(tmp_path, "export", content))
    assert told.exit_code == 0, told.output


def test_escape_sequences_never_reach_the_terminal(state: Path, tmp_path: Path) -> None:
    """Neither by a model's name nor by an error."""
    evil = "\x1b]0;owned\x07\x1b[31m"
    named = anthropic_usage([claude()]).replace(
        "claude-sonnet-4-5-20250929", evil.encode("unicode_escape").decode().replace("\\x", "\\u00")
    )
    in_cell = openai_activity_csv(OPENAI).replace("3951", evil).replace("2311.0", evil)
    for content in (named, in_cell, f'{{"data": "{evil}"}}', evil, f"{evil},start_time\n1,2\n"):
        told = asked(state, put(tmp_path, "export", content))
        assert told.exit_code in (1, 2)
        assert "\x1b" not in told.output
        assert "\x07" not in told.output


def test_what_cannot_be_read_ends_with_2(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing file, a folder, no export, one that is too large; one line each."""
    monkeypatch.setattr(reconcile_files, "_MOST_JSON_BYTES", 100)
    monkeypatch.setattr(reconcile_files, "_MOST_LINE_CHARS", 1000)
    cases = {
        "cannot be read": tmp_path / "nothing",
        "Is a directory": tmp_path,
        "accepted: OpenAI usage API": put(tmp_path, "x.csv", "a,b\n1,2\n"),
        "larger than": put(tmp_path, "u.json", openai_usage(OPENAI)),
        "a line of more than": put(tmp_path, "long.csv", "x" * 5000),
        "no rows": put(tmp_path, "e.json", '{"data": []}'),
    }
    for words, path in cases.items():
        told = asked(state, path)
        assert told.exit_code == 2, told.output
        assert words in told.stderr
        assert len(told.stderr.splitlines()) == 1


def test_a_file_that_is_no_export_is_not_quoted(state: Path, tmp_path: Path) -> None:
    """It may be anything, a list of keys too."""
    told = asked(state, put(tmp_path, ".env", "OPENAI_API_KEY=sk-secret-123\n"))
    assert told.exit_code == 2
    assert "sk-secret" not in told.output


def test_without_a_ledger_all_is_outside(tmp_path: Path) -> None:
    """Nothing was booked yet, and that is said."""
    told = asked(tmp_path / "none", put(tmp_path, "u.json", openai_usage(OPENAI)))
    assert told.exit_code == 1
    assert "the ledger has no calls yet" in told.stdout
    assert "there is no ledger" in told.stderr


def test_pages_and_doubles_are_noted(state: Path, tmp_path: Path) -> None:
    """On stderr, before the tables."""
    page = json.loads(openai_usage(OPENAI)) | {"has_more": True}
    path = put(tmp_path, "u.json", json.dumps(page))
    told = asked(state, path, path, "--json")
    assert "further pages" in told.stderr
    assert "2 rows stand twice" in told.stderr
    assert json.loads(told.stdout)["reconciled"] is False
