"""What `scrimp doctor --conformance` says: wrong words, tables, failures with both numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from click.testing import CliRunner, Result

from scrimp.cli.doctor_conformance_view import Heard, document, how_to_point, show
from scrimp.cli.main import cli
from scrimp.conformance.verdict import Check, Verdict

PASSED = Verdict("a-case", "openai", "openai.chat", "gateway", "pass", (), 4650, 4650)
WRONG = Check("ledger: cost", "$0.00000465", "$0.0000081", good=False)
FAILED = replace(PASSED, case="b-case", status="fail", checks=(WRONG,), told_nanousd=8100)
UNSERVED = Verdict(
    "c-case", "x-ai", "openai.chat", "gateway", "not served", note="404: no such model"
)
READ = replace(PASSED, where="readers")
OTHER = replace(READ, case="d-case", provider="google", shape="google.gemini")


def heard(*gateway: Verdict, must_serve: bool = False) -> Heard:
    """What was played through a gateway, beside two cases that our readers read right."""
    return Heard("http://gw:1", "http://here:2", gateway, (READ, OTHER), must_serve=must_serve)


def asked(*args: str) -> Result:
    """What the command says."""
    return CliRunner().invoke(cli, ["doctor", *args])


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--conformance", "gateway:4141"), "http://HOST:PORT"),
        (("--conformance", "http://h", "--listen", "9999"), "--listen wants HOST:PORT"),
        (("--conformance", "http://h", "--listen", "h:99999"), "--listen wants HOST:PORT"),
        (("--conformance", "http://h", "--provider", "opnai"), "there are: anthropic, aws"),
    ],
)
def test_wrong_words_are_refused_with_the_way_out(args: tuple[str, ...], words: str) -> None:
    """Before anything listens or is sent."""
    result = asked(*args)
    assert result.exit_code == 2
    assert words in result.stderr


def test_the_replaying_provider_is_no_gateway() -> None:
    """Its own address would pass every case and prove nothing."""
    place = "127.0.0.1:49731"
    result = asked("--conformance", f"http://{place}/v1", "--listen", place)
    assert result.exit_code == 2
    assert "is the replaying provider itself" in result.stderr


def test_how_to_point_a_gateway_is_settings_that_can_be_pasted() -> None:
    """Both vendors, at the provider's address."""
    text = "\n".join(how_to_point("http://gw:1", "http://here:2", 119))
    assert '[providers.openai]\n  base_url = "http://here:2/v1"' in text
    assert '[providers.anthropic]\n  base_url = "http://here:2/v1"' in text


def test_a_failure_is_shown_with_both_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    """Which case, which check, what was expected and what came; sums of both sides."""
    show(heard(PASSED, FAILED))
    told = capsys.readouterr().out
    assert "fail b-case" in told
    assert "ledger: cost: expected $0.00000465, got $0.0000081" in told
    assert "$0.0000093" in told
    assert "$0.00001275" in told
    assert "3 passed, 1 failed, 0 not served." in told
    assert "1 case of APIs" in told


def test_what_is_not_served_is_said_with_the_gateways_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And with the settings that would have it served."""
    show(heard(PASSED, UNSERVED))
    told = capsys.readouterr().out
    assert "not served: x-ai openai.chat (1 case)" in told
    assert "404: no such model" in told
    assert "[providers.x-ai]" in told


def test_words_from_the_wire_cannot_drive_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Escapes of a gateway's error are shown as what they are not, and its length is bounded."""
    show(heard(PASSED, replace(UNSERVED, note="\x1b[2Jgone" + "x" * 5000)))
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "[2Jgone" in told
    assert "x" * 1000 not in told


@pytest.mark.parametrize(
    ("found", "good"),
    [
        (heard(PASSED), True),
        (heard(PASSED, UNSERVED), True),
        (heard(PASSED, UNSERVED, must_serve=True), False),
        (heard(UNSERVED), False),
        (heard(PASSED, FAILED), False),
        (heard(), True),
    ],
)
def test_what_is_good(found: Heard, good: bool) -> None:  # noqa: FBT001 - a table
    """No failure; something was served; whatever was named by hand too."""
    assert found.good is good
    assert document(found)["ok"] is good


def test_json_has_every_check() -> None:
    """For machines: counts, and each case with both sides of each check."""
    told = document(heard(PASSED, FAILED, UNSERVED))
    assert (told["passed"], told["failed"], told["not_served"]) == (3, 1, 1)
    (case,) = [one for one in told["cases"] if one["status"] == "fail"]
    assert case["checks"][0]["found"] == "$0.0000081"
    assert (case["expected_nanousd"], case["told_nanousd"]) == (4650, 8100)
