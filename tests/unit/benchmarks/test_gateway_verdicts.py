"""The benchmark's verdicts: a promise holds, does not, or could not be looked at."""

from __future__ import annotations

from benchmarks.gateway.measuring import Figure, Plan, Turn
from benchmarks.gateway.table import medians
from benchmarks.gateway.verdicts import markdown, verdicts


def figure(rps: float, *, cpu_us: float = 100.0, p99_ms: float = 1.0, errors: int = 0) -> Figure:
    """One measured load."""
    return Figure(1000, rps, cpu_us, 0.5, p99_ms, errors, 1.0, 0.2)


def turn(rps: float, *, cpu_us: float = 100.0, p99_ms: float = 1.0, errors: int = 0) -> Turn:
    """One turn with the same figure for two kinds."""
    one = figure(rps, cpu_us=cpu_us, p99_ms=p99_ms, errors=errors)
    return Turn(0.5, 60.0, 140.0, {"miss": one, "wait16": one})


def test_medians_are_the_middle_round_and_errors_add_up() -> None:
    """One slow round does not move a figure, and no error is lost in a median."""
    found = medians({"scrimp": [turn(10, errors=2), turn(3000), turn(3100, errors=1)]})
    miss = found["scrimp"]["kinds"]["miss"]
    assert (miss["rps"], miss["errors"], miss["calls"]) == (3000, 3, 3000)
    assert miss["spread"] == (3100 - 10) / 3000


def test_a_turn_that_failed_is_not_a_figure() -> None:
    """Who never answered has no medians."""
    assert medians({"litellm": [Turn(failed="no answer within 90 s")]}) == {}


def test_promises_are_kept_or_not() -> None:
    """By rate beside LiteLLM, by CPU, by the share of direct and by what it adds at the end."""
    rounds = {
        "direct": [turn(1000, p99_ms=22.0)],
        "scrimp": [turn(959, cpu_us=299.0, p99_ms=27.5)],
        "litellm": [turn(19)],
    }
    found = {(one.what, one.asked): one.holds for one in verdicts(medians(rounds))}
    waits = "21 ms provider, 16 connections"
    assert found["pass-through", "≥ 50 x LiteLLM's rate"] is True
    assert found["pass-through", "≤ 300 µs CPU"] is True
    assert found[waits, "≥ 96 % of direct"] is False
    assert found[waits, "p99 + ≤ 5 ms"] is False
    assert found["exact hit", "≤ 160 µs CPU"] is None
    assert found["first reply", "≤ 1 s"] is True


def test_without_the_peer_there_is_no_ratio() -> None:
    """A peer that is not here makes a promise open, not kept."""
    found = verdicts(medians({"scrimp": [turn(9999)]}))
    assert {one.holds for one in found if "LiteLLM" in one.asked} == {None}


def test_the_table_names_every_contender_once() -> None:
    """One column each, `-` where nothing was measured."""
    lines = markdown(medians({"direct": [turn(9000)], "scrimp": [turn(3000)]})).splitlines()
    assert lines[0] == "| | direct | scrimp |"
    assert "| pass-through | 9,000 | 3,000 (100 µs) |" in lines
    assert not any(line.startswith("| exact hit") for line in lines)


def test_a_slow_gateway_is_loaded_for_longer() -> None:
    """Until the calls that the end cuts off do not matter, but not for ever."""
    plan = Plan(6.0, 640, ("miss",))
    assert plan.seconds_for(3000) == 6.0
    assert plan.seconds_for(64) == 10.0
    assert plan.seconds_for(1) == 30.0


def test_what_budgets_cost_is_judged_by_engine() -> None:
    """Only where it was measured."""
    guarded = Turn(0.5, 60.0, 140.0, {"miss": figure(900, cpu_us=349.0), "wait64": figure(899)})
    direct = Turn(figures={"wait64": figure(1000)})
    rounds = {"direct": [direct], "scrimp": [turn(900)], "scrimp-sqlite": [guarded]}
    found = {(one.what, one.asked): one.holds for one in verdicts(medians(rounds))}
    assert found["pass-through, budgets in sqlite", "≤ 350 µs CPU"] is True
    waits = "21 ms provider, 64 connections, budgets in sqlite"
    assert found[waits, "≥ 90 % of direct"] is False
    assert not any("budgets in memory" in what for what, _ in found)
