"""Reports for people and machines say the same, and say what they do not know."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scrimp.cli.main import cli
from scrimp.cli.report_view import amount, dollars, places_of
from scrimp.ledger.report import ReportRow
from tests.support.cli_ledger import estimated, hit, paid, unpriced, written

DAY = ("--since", "2026-03-04", "--until", "2026-03-05")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two paid calls, two hits, one estimated, one without a price."""
    entries = [paid(1), paid(2), hit(3), hit(4), estimated(5), unpriced(6)]
    return written(tmp_path_factory.mktemp("state") / "s", entries)


def asked(state: Path, *args: str, columns: int = 120) -> Result:
    """What a command answers in this state."""
    env = {"SCRIMP_STATE": str(state), "COLUMNS": str(columns)}
    return CliRunner().invoke(cli, list(args), env=env)


def test_the_overview_has_totals_models_and_levers(state: Path) -> None:
    """Spend with its bounds, saving with its share, calls without a price counted and said."""
    told = asked(state, "report", *DAY).stdout
    assert "6, of them 2 answered by a lever (33.3%), 1 failed" in told
    assert "≥$0.011325, estimated in part: between $0.008550 and $0.016550" in told
    assert "$0.007550 (40.0%) of the ≥$0.018875 that it would have cost" in told
    assert "gpt-4o-mini" in told
    assert "exact_cache" in told
    assert "1 call has no known price" in told


def test_what_is_not_known_is_never_shown_as_zero(state: Path) -> None:
    """A model without a price is unknown, an estimate has its mark, exact amounts have none."""
    told = asked(state, "report", *DAY, "--by", "model").stdout.splitlines()
    (house,) = (line.split() for line in told if "house-model" in line)
    (cut,) = (line.split() for line in told if line.split()[:1] == ["gpt-4o"])
    (mini,) = (line.split() for line in told if "gpt-4o-mini" in line)
    assert house[6:8] == ["unknown", "unknown"]
    assert cut[6] == "~$0.003775"
    assert mini[6] == "$0.007550"


def test_the_total_is_of_all_calls(state: Path) -> None:
    """Not of calls that lack something."""
    told = asked(state, "report", *DAY, "--by", "total").stdout
    assert " all " in told
    assert "(none)" not in told


@pytest.mark.parametrize("columns", [80, 120])
def test_no_line_is_wider_than_the_terminal(state: Path, columns: int) -> None:
    """Nothing wraps or is cut away at 80 columns."""
    told = asked(state, "report", *DAY, columns=columns).stdout
    table = [line for line in told.splitlines() if "%" in line and "answered" not in line]
    assert table
    assert all(len(line.rstrip()) <= columns for line in table)
    assert "…" not in told


def test_json_has_integers_and_exact_dollars(state: Path) -> None:
    """Machines get nano-dollars as integers and the same amount as decimal text."""
    told = json.loads(asked(state, "report", *DAY, "--json").stdout)
    assert told["total"]["cost_nanousd"] == 11_325_000
    assert told["total"]["cost_usd"] == "0.011325"
    assert (told["total"]["calls"], told["total"]["unpriced_calls"]) == (6, 1)
    assert {row["model"] for row in told["model"]} == {"gpt-4o-mini", "gpt-4o", "house-model"}
    assert told["lever"][0]["saved_nanousd"] == 7_550_000
    assert told["latency_added_ms"]["calls"] == 6


def test_one_dimension_in_each_form(state: Path) -> None:
    """--by gives the same rows as a table, as JSON and as CSV."""
    table = asked(state, "report", *DAY, "--by", "tag").stdout
    document = json.loads(asked(state, "report", *DAY, "--by", "tag", "--json").stdout)
    text = asked(state, "report", *DAY, "--by", "tag", "--csv").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    names = {row["tag"] for row in document["rows"]}
    assert names == {row["tag"] for row in rows} == {"app:bot", "env:prod"}
    assert all(name in table for name in names)
    assert rows[0]["saved_nanousd"] == "7550000"


def test_days_without_calls_say_so_and_what_to_do(state: Path) -> None:
    """No table of nothing."""
    told = asked(state, "report", "--since", "2026-04-01", "--until", "2026-04-02").stdout
    assert "No calls between 2026-04-01 00:00 and 2026-04-02 00:00 UTC" in told
    assert "scrimp serve" in told


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_machines_get_a_document_where_there_is_no_ledger(tmp_path: Path, form: str) -> None:
    """Zero calls on standard output, the reason on stderr, exit code 0."""
    result = asked(tmp_path / "none", "report", form)
    assert result.exit_code == 0
    assert "No calls" in result.stderr
    if form == "--json":
        assert json.loads(result.stdout)["total"]["calls"] == 0
    else:
        assert result.stdout.startswith("model,calls,")
        assert len(result.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    "args", [["--json", "--csv"], ["--since", "soon"], ["--since", "now"], ["--by", "colour"]]
)
def test_what_makes_no_sense_is_refused(state: Path, args: list[str]) -> None:
    """Usage errors end with 2."""
    assert asked(state, "report", *args).exit_code == 2


def test_amounts_are_readable_and_never_a_false_zero() -> None:
    """Decimals by the size of the sum; what is too small for them is not shown as nothing."""
    large = ReportRow("", cost_nanousd=150 * 10**9)
    assert places_of(large) == 2
    assert dollars(150 * 10**9, 2) == "$150.00"
    assert dollars(78_000, 2) == "<$0.01"
    assert dollars(0, 2) == "$0"
    assert [amount(number) for number in (999, 9_999, 12_345, 4_560_000, 7 * 10**9)] == [
        "999",
        "9,999",
        "12.3k",
        "4.56M",
        "7.00B",
    ]


def test_explain_tells_of_one_call_by_id_by_beginning_and_the_newest(state: Path) -> None:
    """The same story whichever way the call is named."""
    whole = paid(1).id
    by_id = asked(state, "explain", whole)
    assert by_id.exit_code == 0
    assert by_id.stdout.startswith(f"call {whole}")
    assert "$0.003775 (known from: usage)" in by_id.stdout
    assert asked(state, "explain", unpriced(6).id).stdout == asked(state, "explain", "last").stdout
    assert asked(state, "explain", whole[:-1]).stdout == by_id.stdout


def test_explain_as_json_is_what_the_gateway_tells(state: Path) -> None:
    """Ids, nano-dollars and trace; no content."""
    told = json.loads(asked(state, "explain", hit(3).id, "--json").stdout)
    assert told["saved_nanousd"] == {"exact_cache": 3_775_000}
    assert told["trace"][0]["lever"] == "exact_cache"
    assert "request_content" not in told


@pytest.mark.parametrize(
    ("call", "said"),
    [("0193", "none of the newest"), ("zz", "no call 'zz'"), ("f" * 36, "no call")],
)
def test_explain_says_when_there_is_no_such_call(state: Path, call: str, said: str) -> None:
    """One line, exit code 1."""
    result = asked(state, "explain", call)
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr


def test_explain_refuses_a_beginning_that_fits_several(state: Path) -> None:
    """It says how many, and shows one."""
    result = asked(state, "explain", paid(1).id[:8])
    assert result.exit_code == 1
    assert "6 calls begin with" in result.stderr
