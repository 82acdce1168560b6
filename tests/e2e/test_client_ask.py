"""Ask, record, report and stats: values whose numbers are the ledger's and the bill's."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import openai
import pytest
from click.testing import CliRunner

from scrimp.cli.main import cli
from scrimp.errors import InvalidRequest, UnknownModel, UpstreamError
from scrimp.money import decimal_usd
from tests.support.library import Library

LONG_AGO = datetime(2025, 6, 1, tzinfo=UTC)
USAGE = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}


@pytest.mark.parametrize("model", ["gpt-4o-mini", "claude-haiku-4-5"])
def test_an_answer_says_what_it_took(lib: Library, model: str) -> None:
    """Text, who answered, tokens and cost, by the provider's key of the settings; then a hit."""
    first = lib.scrimp.ask("What is the capital of France?", context="Be brief.", model=model)
    again = lib.scrimp.ask("What is the capital of France?", context="Be brief.", model=model)
    row = lib.sim.bill.rows[0]
    assert first.answer
    assert str(first) == again.answer == first.answer
    assert (first.source, first.cached, first.degraded) == ("upstream", False, False)
    assert (first.task, first.complexity) == ("factual_qa", None)
    assert first.cost == Decimal(decimal_usd(row.billed_nanousd))
    assert first.tokens.total_output_tokens == row.usage.output_tokens
    assert (again.source, again.cached, again.cost) == ("exact_cache", True, Decimal(0))
    assert again.saved_nanousd == row.billed_nanousd
    assert again.tokens.total_input_tokens == 0
    sent = dict(lib.sim.requests[0].headers)
    assert "sk-provider" in sent.get("authorization", "") + sent.get("x-api-key", "")
    assert b"Be brief." in lib.sim.requests[0].body


async def test_an_awaited_answer_is_the_same(lib: Library) -> None:
    """User and task are booked; the question may be limited."""
    said = await lib.scrimp.aask(
        "Say something.", model="gpt-4o-mini", user="anna", task="creative", max_tokens=5
    )
    assert said.finish == "truncated"
    (entry,) = lib.entries()
    assert (entry.id, entry.user, entry.task) == (said.id, "anna", "creative")


def test_what_cannot_be_asked_is_refused_in_words(lib: Library) -> None:
    """No model, a model that nobody has, a task that is none; nothing is sent."""
    with pytest.raises(InvalidRequest, match="no model"):
        lib.scrimp.ask("Hello?")
    with pytest.raises(UnknownModel, match="gpt-4o-mini"):
        lib.scrimp.ask("Hello?", model="gpt-4o-minni")
    with pytest.raises(InvalidRequest, match="not a task type"):
        lib.scrimp.ask("Hello?", model="gpt-4o-mini", task="smalltalk")
    assert not lib.sim.requests


def test_a_provider_that_fails_is_an_error_with_its_status(lib: Library) -> None:
    """After three attempts."""
    lib.sim.fault("503")
    with pytest.raises(UpstreamError, match="503") as error:
        lib.scrimp.ask("Hello?", model="gpt-4o-mini")
    assert (error.value.status, len(lib.sim.requests)) == (503, 3)


def test_a_call_made_elsewhere_is_priced_at_its_own_time(lib: Library) -> None:
    """By the price of that day; no lever answered it and none saved anything."""
    told = lib.scrimp.record("gpt-4o", USAGE, at=LONG_AGO, user="anna", tags=("batch",))
    assert told.cost == Decimal("0.0075")  # 1,000 in at $2.50, 500 out at $10 per million
    (entry,) = lib.entries()
    assert (entry.id, entry.at, entry.cost_nanousd) == (told.id, LONG_AGO, 7_500_000)
    assert (entry.operation, entry.served_by) == ("recorded", "recorded")
    assert (entry.provider, entry.user, entry.tags) == ("openai", "anna", ("batch",))
    total = lib.scrimp.report(LONG_AGO, LONG_AGO + timedelta(hours=1)).total
    assert (total.calls, total.hits, total.cost_nanousd) == (1, 0, 7_500_000)
    assert (total.baseline_nanousd, total.saved_nanousd) == (7_500_000, 0)


async def test_a_call_is_booked_once_per_id(lib: Library) -> None:
    """Who tells twice hears what was booked first."""
    first = await lib.scrimp.arecord("gpt-4o", USAGE, id="job-1", at=LONG_AGO)
    again = await lib.scrimp.arecord("gpt-4o", {"prompt_tokens": 1}, id="job-1")
    other = lib.scrimp.record("gpt-4o", USAGE, id="job-2")
    assert (first.again, again.again, other.again) == (False, True, False)
    assert (again.id, again.cost_nanousd) == (first.id, first.cost_nanousd)
    assert len(lib.entries()) == 2


def test_usage_may_be_the_sdks_own_object(lib: Library) -> None:
    """As a reply brings it; the cost is that of the provider's bill."""
    with openai.OpenAI(base_url=lib.openai_url, api_key="sk-mine") as bare:
        reply = bare.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "hello"}]
        )
    told = lib.scrimp.record(reply.model, reply.usage)
    assert told.cost_nanousd == lib.sim.bill.total_nanousd


def test_a_model_without_a_price_costs_an_unknown_amount(lib: Library) -> None:
    """Booked, and never as $0."""
    told = lib.scrimp.record("house-model", {"input_tokens": 5, "output_tokens": 5})
    assert (told.cost, told.provider) == (None, "")
    assert lib.scrimp.report().total.unpriced_calls == 1


WRONG: tuple[tuple[Any, dict[str, Any], str], ...] = (
    ({"prompt_tokens": -5}, {}, "-5: a count is from 0 to 1000000000"),
    ({"prompt_tokens": 10**10}, {}, "10000000000: a count is from 0 to 1000000000"),
    ({"output_tokens": "many"}, {}, "'many', not a whole number"),
    ({"words": 5}, {}, "words"),
    (7, {}, "a int, not a mapping"),
    (USAGE, {"at": datetime(2025, 6, 1)}, "without a zone"),  # noqa: DTZ001 (that is the point)
    (USAGE, {"at": datetime(2999, 1, 1, tzinfo=UTC)}, "2999-01-01"),
    (USAGE, {"user": "x" * 200}, "200 characters; at most 128"),
    (USAGE, {"tags": tuple(map(str, range(20)))}, "20 tags; at most 16"),
    (USAGE, {"task": "smalltalk"}, "not a task type"),
    (USAGE, {"latency_ms": -1}, "latency_ms"),
)


@pytest.mark.parametrize(("usage", "more", "words"), WRONG)
def test_what_cannot_be_recorded_is_refused_in_words(
    lib: Library, usage: object, more: Any, words: str
) -> None:
    """With what was told and what may be; nothing is booked."""
    with pytest.raises(InvalidRequest) as refused:
        lib.scrimp.record("gpt-4o", usage, **more)
    assert words in str(refused.value)
    assert not lib.scrimp.report().total.calls


def test_the_report_has_the_numbers_of_the_command(lib: Library, tmp_path: Any) -> None:
    """Total and rows to the nano-dollar, and text when printed."""
    for text in ("one", "one", "two"):
        lib.scrimp.ask(text, model="gpt-4o-mini", user="anna")
    lib.scrimp.ask("three", model="claude-haiku-4-5", user="bob")
    spend = lib.scrimp.report()
    file = tmp_path / "scrimp.toml"
    file.write_text(f'state_dir = "{lib.scrimp._loaded.settings.state_path}"\n')
    shown = CliRunner().invoke(cli, ["report", "--json", "--config", str(file)])
    document = json.loads(shown.output)
    assert shown.exit_code == 0, shown.output
    assert decimal_usd(spend.total.cost_nanousd) == document["total"]["cost_usd"]
    assert spend.cost == Decimal(document["total"]["cost_usd"])
    assert spend.saved == Decimal(document["total"]["saved_usd"])
    assert [row.value for row in spend.rows] == [row["model"] for row in document["model"]]
    assert [row.saved_nanousd for row in spend.levers] == [
        row["saved_nanousd"] for row in document["lever"]
    ]
    text = str(spend)
    assert "calls   4, of them 1 answered by a lever (25.0%), 0 failed" in text
    assert "exact_cache" in text
    assert "claude-haiku-4-5" in text


def test_stats_are_one_users_sums(lib: Library) -> None:
    """Calls, hits, cost and saving; who made no call has zeros."""
    for text in ("one", "one"):
        lib.scrimp.ask(text, model="gpt-4o-mini", user="anna")
    lib.scrimp.ask("two", model="gpt-4o-mini", user="bob")
    anna, nobody = lib.scrimp.stats("anna"), lib.scrimp.stats("carl")
    assert (anna.calls, anna.hits) == (2, 1)
    assert anna.cost_nanousd == anna.saved_nanousd == lib.sim.bill.rows[0].billed_nanousd
    assert (nobody.calls, nobody.cost_nanousd) == (0, 0)


def test_a_period_must_have_two_ends_in_order(lib: Library) -> None:
    """The error has both."""
    with pytest.raises(ValueError, match="is not before"):
        lib.scrimp.report(datetime(2999, 1, 1, tzinfo=UTC))
    with pytest.raises(ValueError, match="without a zone"):
        lib.scrimp.report(datetime(2025, 1, 1))  # noqa: DTZ001 (that is the point)
    assert lib.scrimp.report(timedelta(days=2)).until - datetime.now(UTC) < timedelta(hours=1)
