"""Where prompts are marked: only where reads are expected to pay for the write."""

from __future__ import annotations

import pytest

from scrimp.prefixes.planning import Plan, Prices, plan
from scrimp.prefixes.rules import ANTHROPIC, MISTRAL, OPENAI, OPENAI_FREE, rules_of
from scrimp.prefixes.seen import Piece, Scope, Seen

PRICES = Prices(1000, 100, (1250, 2000))
LIVES_S = (300.0, 3600.0)


def prompt(*names: str, size: int = 2048) -> list[Piece]:
    """A prompt of pieces of one size, each known by all before it."""
    return [Piece(hash("/".join(names[: at + 1])), (at + 1) * size) for at in range(len(names))]


def sent(scope: Scope, pieces: list[Piece], now_s: float) -> Plan:
    """A call that the provider has answered."""
    found = plan(scope, pieces, PRICES, ANTHROPIC, now_s)
    scope.written(found.digests, LIVES_S[found.life], now_s)
    return found


def test_prompts_that_never_come_back_are_never_marked() -> None:
    """A write that nobody reads costs a quarter more: one-shot prompts are sent as they are."""
    scope = Scope(LIVES_S, 10_000)
    assert all(not sent(scope, prompt(f"one {n}", "rest"), n * 1.0).marks for n in range(200))


def test_a_beginning_that_comes_back_is_written_and_then_read() -> None:
    """The second prompt with a system prompt marks it, the third reads it; its end stays fresh."""
    scope = Scope(LIVES_S, 10_000)
    first, second, third = (sent(scope, prompt("system", f"q{n}"), n * 10.0) for n in range(3))
    assert first.marks == ()
    assert (second.reads, second.marks) == (-1, (0,))
    assert (third.reads, third.marks) == (0, (0,))


def test_what_has_run_out_is_not_taken_for_read() -> None:
    """After its life a prefix is fresh again."""
    scope = Scope(LIVES_S[:1], 10_000)
    prices = Prices(1000, 100, (1250,))
    for at_s in (0.0, 10.0):
        found = plan(scope, prompt("system", f"{at_s}"), prices, ANTHROPIC, at_s)
        scope.written(found.digests, 300.0, at_s)
    assert plan(scope, prompt("system", "soon"), prices, ANTHROPIC, 300.0).reads == 0
    assert plan(scope, prompt("system", "late"), prices, ANTHROPIC, 700.0).reads == -1


def test_beginnings_below_the_least_are_not_marked() -> None:
    """Below its least a provider keeps nothing, so nothing is marked."""
    scope = Scope(LIVES_S, 10_000)
    assert all(not sent(scope, prompt("s", f"q{n}", size=400), n * 1.0).marks for n in range(50))


def test_gaps_above_five_minutes_ask_for_an_hour() -> None:
    """What comes back every ten minutes, many times, is written for an hour."""
    scope = Scope(LIVES_S, 10_000)
    found = [sent(scope, prompt("system", f"q{n}"), n * 600.0) for n in range(60)]
    assert found[-1].reads == 0
    assert any(one.marks and one.life == 1 for one in found)
    assert not any(one.marks and one.life == 0 and one.reads < 0 for one in found[30:])


def test_scopes_share_nothing_and_are_bounded() -> None:
    """What one scope sends is new to another; memory has an end in both directions."""
    seen = Seen(most_scopes=2, most_prefixes=100)
    one, other = seen.of(("a", "m"), LIVES_S), seen.of(("b", "m"), LIVES_S)
    for n in range(300):
        sent(one, prompt("system", f"q{n}"), n * 1.0)
    assert len(one) == 100
    assert len(other) == 0
    assert sent(other, prompt("system", "q"), 300.0).marks == ()
    seen.of(("c", "m"), LIVES_S)
    assert len(seen.of(("a", "m"), LIVES_S)) == 0


@pytest.mark.parametrize(
    ("provider", "model", "least"),
    [
        ("anthropic", "claude-sonnet-5", 1024),
        ("anthropic", "claude-opus-5", 512),
        ("anthropic", "claude-haiku-4-5-20251001", 4096),
        ("openai", "gpt-5.6-mini", 1024),
        ("openai", "gpt-6", 1024),
        ("xai", "gpt-5.6", None),
        ("openai", "gpt-3.5-turbo", None),
        ("openai", "gpt-4", None),
        ("openai", "gpt-4o-2024-05-13", None),
        ("openai", "text-embedding-3-small", None),
    ],
)
def test_rules_by_model(provider: str, model: str, least: int | None) -> None:
    """Marks go only where they are known, and each model has its own least."""
    rules = rules_of(provider, model)
    assert (rules.least_tokens if rules else None) == least


@pytest.mark.parametrize(
    ("provider", "model", "marks", "key", "retention"),
    [
        ("openai", "gpt-5.6-sol", "prompt_cache_breakpoint", True, False),
        ("openai", "gpt-6.1-terra-2026-10-01", "prompt_cache_breakpoint", True, False),
        ("openai", "gpt-5.5", "", True, False),
        ("openai", "gpt-5.4", "", True, True),
        ("openai", "gpt-5.1-codex-mini", "", True, True),
        ("openai", "gpt-5-mini", "", True, False),
        ("openai", "gpt-4o", "", True, False),
        ("openai", "gpt-4.1-mini", "", True, False),
        ("openai", "o3", "", True, False),
        ("mistral", "mistral-large-latest", "", True, False),
        ("anthropic", "claude-sonnet-5", "cache_control", False, False),
    ],
)
def test_each_model_is_told_only_what_it_knows(
    provider: str, model: str, marks: str, *, key: bool, retention: bool
) -> None:
    """Breakpoints since GPT-5.6, keys at OpenAI and Mistral, a day where it is documented."""
    rules = rules_of(provider, model)
    assert rules is not None
    assert (rules.marks, rules.key, rules.retention) == (marks, key, retention)


def test_rules_carry_source_and_date() -> None:
    """Rules are dated data."""
    for rules in (ANTHROPIC, OPENAI, OPENAI_FREE, MISTRAL):
        assert rules.source.startswith("https://")
        assert rules.checked.year >= 2026
