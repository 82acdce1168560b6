"""Which limits a call meets: scopes, `*`, tiers, parts, bursts, and what settings may say."""

from __future__ import annotations

import pytest

from scrimp.budgets.resolve import CurrentRules, RuleBook, merged
from scrimp.budgets.tables import rules_of
from scrimp.calls import Caller, Target
from scrimp.errors import ConfigError, StoreError
from scrimp.limits import Allowance, Budget, Rules, Scope, Tier, Window
from scrimp.settings import parse

TARGET = Target("openai", "gpt-4o-mini", "openai.chat")
DAY = Window("day")


def book(toml: str) -> RuleBook:
    """The rules of a settings file."""
    return CurrentRules(_rules(toml), None).now


def _rules(toml: str) -> Rules:
    settings = parse(toml.encode(), source="the test")
    return rules_of(settings.budgets, settings.tiers, settings.limits)


def met(toml: str, caller: Caller, target: Target = TARGET) -> list[tuple[str, str, int]]:
    """(budget, scope, amount) of every limit that a call meets."""
    return [(one.name, str(one.scope), one.amount) for one in book(toml).met(caller, target).limits]


def test_a_call_counts_in_every_scope_that_it_belongs_to() -> None:
    """Org, team, user, key, each tag and end user: one limit each, the widest first."""
    kinds = ("org", "team", "user", "key", "tag", "end_user")
    toml = "".join(f'[budgets.b-{kind}]\n{kind} = "x"\nusd = 1\nper = "day"\n' for kind in kinds)
    caller = Caller("t", org="x", team="x", user="x", key="x", tags=("y", "x"), end_user="x")
    assert [scope for _, scope, _ in met(toml, caller)] == [f"{kind}:x" for kind in kinds]
    assert met(toml, Caller("t")) == []


def test_a_budget_without_a_scope_is_everyones() -> None:
    """It counts each call, whoever makes it, in one counter."""
    toml = '[budgets.all]\nusd = 0.40\nper = "day"\n'
    assert (
        met(toml, Caller("t"))
        == met(toml, Caller("t", user="ann"))
        == [("all", "org:", 400_000_000)]
    )


def test_a_star_is_each_scope_separately() -> None:
    """`user = "*"` gives every user a counter, and those without a name none."""
    toml = '[budgets.each]\nuser = "*"\nusd = 1\nper = "day"\n'
    assert met(toml, Caller("t", user="ann")) == [("each", "user:ann", 10**9)]
    assert met(toml, Caller("t", user="bob")) == [("each", "user:bob", 10**9)]
    assert met(toml, Caller("t")) == []


def test_what_is_said_of_one_scope_stands_before_what_is_said_of_each() -> None:
    """The same unit and window of a named scope replaces that of `*`; other windows stay."""
    toml = (
        '[budgets.each]\nuser = "*"\nusd = 1\nper = "day"\nalso = [{usd = 9, per = "month"}]\n'
        '[budgets.ann]\nuser = "ann"\nusd = 5\nper = "day"\n'
    )
    assert met(toml, Caller("t", user="ann")) == [
        ("ann", "user:ann", 5 * 10**9),
        ("each", "user:ann", 9 * 10**9),
    ]


def test_a_tier_of_ones_own_replaces_the_tier_of_each() -> None:
    """Who is put into `pro` is no longer in the tier that everybody has."""
    toml = (
        '[tiers.free]\ntokens = 10\nper = "day"\n[tiers.pro]\ntokens = 99\nper = "month"\n'
        '[budgets.each]\nuser = "*"\ntier = "free"\n[budgets.ann]\nuser = "ann"\ntier = "pro"\n'
    )
    assert met(toml, Caller("t", user="bob")) == [("each", "user:bob", 10)]
    assert met(toml, Caller("t", user="ann")) == [("ann", "user:ann", 99)]


def test_tokens_are_soft_and_money_is_hard_unless_said() -> None:
    """Soft for people, hard for billing; `hard` says otherwise."""
    toml = (
        '[budgets.a]\nusd = 1\ntokens = 5\nper = "day"\n'
        '[budgets.b]\nuser = "u"\ntokens = 5\nper = "week"\nhard = true\n'
    )
    limits = book(toml).met(Caller("t", user="u"), TARGET).limits
    assert [(one.unit, one.hard) for one in limits] == [
        ("usd", True),
        ("tokens", False),
        ("tokens", True),
    ]


def test_a_part_of_the_calls_is_named_by_model_or_provider() -> None:
    """A model by its id, or all that begin with it; other calls do not count."""
    toml = (
        '[budgets.a]\nmodel = "gpt-4o*"\nusd = 1\nper = "day"\n'
        '[budgets.b]\nprovider = "anthropic"\nusd = 2\nper = "day"\n'
    )
    assert met(toml, Caller("t")) == [("a", "org: model gpt-4o*", 10**9)]
    claude = Target("anthropic", "claude-haiku-4-5", "anthropic.messages")
    assert met(toml, Caller("t"), claude) == [("b", "org: provider anthropic", 2 * 10**9)]


def test_a_burst_is_a_second_limit_over_a_sliding_window() -> None:
    """24,000 tokens a day with burst 2 in 1h: at most 2,000 in any hour, beside the day's."""
    toml = '[budgets.a]\ntokens = 24000\nper = "day"\nburst = 2\n'
    limits = book(toml).met(Caller("t"), TARGET).limits
    assert [(one.amount, one.window) for one in limits] == [
        (24000, DAY),
        (2000, Window("rolling", 3600)),
    ]


def test_requests_and_tokens_a_minute_and_parallel_calls_are_rates() -> None:
    """They are the rate limit's, not the budget's; calls a day are a budget."""
    toml = (
        '[limits.a]\nkey = "*"\nrequests_per_minute = 60\ntokens_per_minute = 900\nparallel = 2\n'
        '[budgets.b]\ncalls = 7\nper = "day"\n'
    )
    found = book(toml).met(Caller("t", key="k"), TARGET)
    minute = Window("rolling", 60)
    assert [(one.unit, one.amount, one.window) for one in found.rates] == [
        ("calls", 60, minute),
        ("tokens", 900, minute),
        ("calls", 2, Window("open")),
    ]
    assert [one.unit for one in found.limits] == ["calls"]


def test_caps_come_with_the_budget_that_they_belong_to() -> None:
    """A cap makes the call's price matter, also without a limit in dollars."""
    found = book('[budgets.a]\ncall_usd = "0.25"\ncall_input_tokens = 100\n').met(
        Caller("t"), TARGET
    )
    assert found.caps[0].caps.usd_nanousd == 250_000_000
    assert found.caps[0].caps.input_tokens == 100
    assert found.caps[0].name == "a"
    assert found.usd == "hard"


def test_one_counter_has_one_hard_limit() -> None:
    """Of two hard limits with one counter the lower counts; a soft one stays if it is lower."""
    rules = Rules(
        "1",
        tuple(
            Budget(name, "team", "ci", (Allowance("usd", amount, DAY, hard),))
            for name, amount, hard in (("a", 9, True), ("b", 5, True), ("c", 3, False))
        ),
    )
    limits = RuleBook(rules).met(Caller("t", team="ci"), TARGET).limits
    assert [(one.name, one.amount, one.hard) for one in limits] == [("b", 5, True), ("c", 3, False)]


def test_a_tier_that_is_gone_fails_closed() -> None:
    """Nobody knows what its calls may use: that is an error, not a call without limits."""
    rules = Rules("1", (Budget("a", "team", "ci", tier="gone"),), (Tier("free"),))
    with pytest.raises(StoreError, match="tier 'gone'"):
        RuleBook(rules).met(Caller("t", team="ci"), TARGET)


def test_settings_stand_over_the_store() -> None:
    """Of two budgets with one name, the one in scrimp.toml is in force; the others add up."""
    fixed = _rules('[budgets.a]\nusd = 1\nper = "day"\n')
    stored = Rules(
        "7",
        (
            Budget("a", "org", "", (Allowance("usd", 99, DAY),)),
            Budget("b", "team", "ci", (Allowance("usd", 2, DAY),)),
        ),
    )
    found = merged(fixed, stored)
    assert [one.name for one in found.budgets] == ["a", "b"]
    assert found.budgets[0].allowances[0].amount == 10**9
    assert found.version not in (fixed.version, stored.version)


async def test_a_change_in_the_store_is_seen_at_the_next_call() -> None:
    """Rules are read again only when their version has changed."""
    store = _Store(Rules("1"))
    rules = CurrentRules(Rules(), store)
    assert (await rules.book()).empty
    first = await rules.book()
    store.current = Rules("2", (Budget("b", "team", "ci", (Allowance("usd", 2, DAY),)),))
    second = await rules.book()
    assert first is not second
    assert second.met(Caller("t", team="ci"), TARGET).limits[0].scope == Scope("team", "ci")
    assert await rules.book() is second


class _Store:
    """Rules that a test changes."""

    def __init__(self, current: Rules) -> None:
        self.current = current

    async def rules(self) -> Rules:
        """As set."""
        return self.current

    async def put_budget(self, budget: Budget, *, by: str) -> None:
        """Not used."""

    async def delete_budget(self, name: str, *, by: str) -> bool:  # noqa: ARG002 (the port's)
        """Not used."""
        return False

    async def put_tier(self, tier: Tier, *, by: str) -> None:
        """Not used."""

    async def delete_tier(self, name: str, *, by: str) -> bool:  # noqa: ARG002 (the port's)
        """Not used."""
        return False

    async def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("usd = -5.1", "out of range"),
        ("usd = 0", "out of range"),
        ("usd = nan", "not an amount"),
        ("usd = inf", "not an amount"),
        ("usd = 1e9", "out of range"),
        ("usd = 9000000.01", "to \\$9,000,000"),
        ('usd = "1,50"', "not an amount"),
        ("usd = 123456.1234567891", "not an amount"),
        ("usd = true", "got `bool`"),
        ("tokens = 0", ">= 1"),
        ("tokens = -1", ">= 1"),
        ("tokens = 10000000000000000", "<= 1000000000000000"),
        ("tokens = 1.5", "got `float`"),
        ("usd = 1\nzone = 'Mars/Base'", "Mars/Base"),
        ("usd = 1\nteam = 'a'\nuser = 'b'", "one scope"),
        ("tier = 'none'", r"no \[tiers.none\]"),
        ("burst = 2", "without an amount"),
        ("usdd = 1", "did you mean 'usd'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(toml: str, says: str) -> None:
    """Negative, zero, NaN and huge amounts, unknown fields and scopes: which, and the way out."""
    with pytest.raises(ConfigError, match=says) as caught:
        parse(f'[budgets.ci]\nper = "day"\n{toml}\n'.encode(), source="the test")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("the test: budgets.ci")


@pytest.mark.parametrize(
    ("written", "nanousd"),
    [("5.00", 5 * 10**9), ("0.1", 10**8), ('"0.000000001"', 1), ("3", 3 * 10**9), ("1e-9", 1)],
)
def test_amounts_are_exact(written: str, nanousd: int) -> None:
    """What is written is what is held: no float error, whatever way it is written."""
    toml = f'[budgets.a]\nusd = {written}\nper = "24h"\n'
    limit = book(toml).met(Caller("t"), TARGET).limits[0]
    assert (limit.amount, limit.window) == (nanousd, Window("rolling", 86400))
