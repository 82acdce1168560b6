"""Budgets of a program over real SDK clients and a provider that keeps its own bill."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from decimal import Decimal
from itertools import count
from pathlib import Path

import anthropic
import openai
import pytest

import scrimp
from scrimp.client.budget import Budget
from scrimp.client.own_budgets import Given
from scrimp.errors import BudgetExceeded
from scrimp.money import decimal_usd
from tests.support.library import Library, settings_for
from tests.support.stage import until

MOST_TOKENS = 20
DEAR = "What is the meaning of life, the universe and everything? Begin at the beginning."


@pytest.fixture
def gpt(lib: Library) -> openai.OpenAI:
    """A client that blocks."""
    return lib.scrimp.wrap(openai.OpenAI(base_url=lib.openai_url, api_key="sk-mine"))


@pytest.fixture
def agpt(lib: Library) -> openai.AsyncOpenAI:
    """A client that is awaited."""
    return lib.scrimp.wrap(openai.AsyncOpenAI(base_url=lib.openai_url, api_key="sk-mine"))


@pytest.fixture
def claude(lib: Library) -> anthropic.Anthropic:
    """The other vendor's."""
    return lib.scrimp.wrap(anthropic.Anthropic(base_url=lib.sim.url, api_key="sk-mine"))


def say(client: openai.OpenAI, text: str) -> str:
    """One chat."""
    reply = client.chat.completions.create(
        model="gpt-4o-mini",
        max_tokens=MOST_TOKENS,
        messages=[{"role": "user", "content": text}],
    )
    return reply.choices[0].message.content or ""


def exhaust(client: openai.OpenAI) -> None:
    """Other questions for ever."""
    for number in count():
        say(client, f"Question {number}: {DEAR}")


async def asay(client: openai.AsyncOpenAI, text: str) -> str:
    """One chat, awaited."""
    reply = await client.chat.completions.create(
        model="gpt-4o-mini",
        max_tokens=MOST_TOKENS,
        messages=[{"role": "user", "content": text}],
    )
    return reply.choices[0].message.content or ""


def billed(lib: Library) -> Decimal:
    """What the provider bills in all."""
    return Decimal(decimal_usd(sum(row.billed_nanousd for row in lib.sim.bill.rows)))


def settled(budget: Budget) -> bool:
    """True when nothing is held any more."""
    return not any(one.held for one in budget.remaining())


def test_a_block_spends_up_to_its_budget_and_not_beyond(lib: Library, gpt: openai.OpenAI) -> None:
    """To the nano-dollar what the provider bills; then the SDK's own error, which holds ours."""
    known = {"model": "gpt-4o-mini", "question": "What is the capital of France?"}
    with scrimp.budget(usd="0.0005") as budget:
        first = lib.scrimp.ask(**known, max_tokens=300)
        with pytest.raises(openai.RateLimitError, match=r"left of \$0\.0005") as error:
            exhaust(gpt)
        sent = len(lib.sim.requests)
        again = lib.scrimp.ask(**known, max_tokens=300)
    (one,) = budget.remaining()
    refusal = error.value.response.extensions["scrimp"]
    assert (again.answer, again.cached) == (first.answer, True)  # what is free goes on
    assert len(lib.sim.requests) == sent > 2
    assert one.used == billed(lib) <= Decimal("0.0005")
    assert isinstance(refusal, BudgetExceeded)
    assert (refusal.breach.limit, refusal.breach.window) == (500_000, "lifetime")
    assert refusal.breach.needed > refusal.breach.remaining
    assert error.value.response.headers["x-should-retry"] == "false"
    assert say(gpt, "Outside nothing holds.")


def test_both_vendors_and_questions_count_in_one_block(
    lib: Library, gpt: openai.OpenAI, claude: anthropic.Anthropic
) -> None:
    """And in each block around; what is asked of Scrimp itself is refused by its own error."""
    with scrimp.budget(usd=1) as outer, scrimp.budget(usd="0.01") as inner:
        say(gpt, DEAR)
        claude.messages.create(
            model="claude-haiku-4-5",
            max_tokens=MOST_TOKENS,
            messages=[{"role": "user", "content": DEAR}],
        )
        answer = lib.scrimp.ask("And you?", model="gpt-4o-mini", max_tokens=MOST_TOKENS)
        with pytest.raises(anthropic.RateLimitError, match="left of") as error:
            claude.messages.create(
                model="claude-opus-4-1",
                max_tokens=4000,
                messages=[{"role": "user", "content": DEAR}],
            )
        with pytest.raises(BudgetExceeded, match="left of") as refused:
            lib.scrimp.ask("And you there?", model="gpt-4o", max_tokens=4000)
    assert answer.cost
    assert not answer.degraded
    assert outer.remaining()[0].used == inner.remaining()[0].used == billed(lib)
    assert error.value.response.extensions["scrimp"].breach.budget == inner.name
    assert refused.value.breach.budget == inner.name
    assert len(lib.sim.bill.rows) == 3


async def test_tasks_share_the_budget_of_their_block(
    lib: Library, agpt: openai.AsyncOpenAI
) -> None:
    """Sixty at once, of which some are refused: never over, nothing stays held."""

    async def one(number: int) -> bool:
        try:
            await asay(agpt, f"Number {number}. {DEAR}")
        except openai.RateLimitError:
            return False
        return True

    async with scrimp.budget(usd="0.001") as budget:
        passed = await asyncio.gather(*(one(number) for number in range(60)))
    await asyncio.to_thread(until, lambda: settled(budget))
    (one_limit,) = await budget.aremaining()
    assert 0 < sum(passed) < 60
    assert one_limit.used == billed(lib) <= Decimal("0.001")


def test_threads_that_are_given_the_context_share_it_too(lib: Library, gpt: openai.OpenAI) -> None:
    """Thirty-two threads by `copy_context`: never over; a thread without it is not held."""

    def one(number: int) -> bool:
        try:
            say(gpt, f"Number {number}. {DEAR}")
        except openai.RateLimitError:
            return False
        return True

    with scrimp.budget(usd="0.001") as budget, ThreadPoolExecutor(32) as pool:
        asked = [pool.submit(copy_context().run, one, number) for number in range(60)]
        passed = [future.result() for future in asked]
        bill = billed(lib)
        outside = threading.Thread(target=one, args=(1000,))
        outside.start()
        outside.join()
    assert 0 < sum(passed) < 60
    assert budget.remaining()[0].used == bill <= Decimal("0.001")
    assert billed(lib) > bill


def test_a_budget_lasts_over_many_event_loops(lib: Library) -> None:
    """`asyncio.run` again and again, one budget, one bill."""
    budget = scrimp.budget(usd=1)

    async def once(number: int) -> None:
        async with budget:
            await lib.scrimp.aask(f"{number}?", model="gpt-4o-mini", max_tokens=MOST_TOKENS)

    for number in range(3):
        asyncio.run(once(number))
    assert budget.remaining()[0].used == billed(lib)
    assert len(lib.sim.bill.rows) == 3


def test_a_stream_that_is_read_after_its_block_is_its_blocks(
    lib: Library, gpt: openai.OpenAI
) -> None:
    """Held when it begins, settled when it ends; one that is left settles within its bounds."""
    with scrimp.budget(usd=1) as budget:
        stream = gpt.chat.completions.create(
            model="gpt-4o-mini",
            max_tokens=MOST_TOKENS,
            stream=True,
            messages=[{"role": "user", "content": DEAR}],
        )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    until(lambda: settled(budget))
    assert budget.remaining()[0].used == billed(lib)


def test_a_call_that_fails_leaves_nothing_held(lib: Library, gpt: openai.OpenAI) -> None:
    """A refusal of the provider's costs nothing; a failure is charged at most its worst case."""
    with scrimp.budget(usd=1) as budget:
        lib.sim.fault("503")
        with pytest.raises(openai.InternalServerError):
            say(gpt, DEAR)
    until(lambda: settled(budget))
    assert budget.remaining()[0].used == Decimal(0)


def test_a_function_counts_its_calls_and_not_its_estimate_too(
    lib: Library, gpt: openai.OpenAI
) -> None:
    """Sync and awaited; each run settles what the provider bills."""
    budget = scrimp.budget(usd={"day": "0.5", "lifetime": "0.6"}, cost="0.1")

    @budget
    def work(text: str) -> str:
        return say(gpt, text)

    @budget
    async def awork(text: str) -> str:
        return str(await lib.scrimp.aask(text, model="gpt-4o-mini", max_tokens=MOST_TOKENS))

    for number in range(8):
        assert work(f"{number}. {DEAR}")
    assert asyncio.run(awork("And at last?"))
    day, life = budget.remaining()
    assert day.used == life.used == billed(lib)
    assert day.held == 0


def test_an_engine_has_a_budget_for_its_life(tmp_path: Path, lib: Library) -> None:
    """A number is the whole of what it may spend; clients and questions alike."""
    with scrimp.Scrimp(settings_for(lib.sim.url, tmp_path), budget="0.0003") as one:
        client = one.wrap(openai.OpenAI(base_url=lib.openai_url, api_key="sk-mine"))
        with pytest.raises(openai.RateLimitError, match="budget 'Scrimp'"):
            exhaust(client)
        with pytest.raises(BudgetExceeded):
            one.ask("And now?", model="gpt-4o", max_tokens=2000)
        (standing,) = one.remaining()
    assert standing.used == billed(lib) <= Decimal("0.0003")


def test_an_engine_keeps_its_budgets_by_window(tmp_path: Path, lib: Library) -> None:
    """They survive restarts, stand beside those of the settings, and add up over engines."""
    rules = {
        "all": {"usd": 50, "per": "month"},
        "anna": {"user": "anna", "usd": 1, "per": "lifetime"},
    }
    settings = settings_for(lib.sim.url, tmp_path, {"budgets": rules})
    budgets: list[Given] = [{"lifetime": "0.5", "week": 2}, scrimp.budget(tokens=100_000)]
    for number in range(2):
        with scrimp.Scrimp(settings, budget=budgets) as one:
            one.ask(f"{number}?", model="gpt-4o-mini", max_tokens=MOST_TOKENS, user="anna")
            tokens, life, week, month, anna = one.remaining("anna")
            names = [entry.budget for entry in one.remaining()]
    assert names[1:] == ["Scrimp", "Scrimp", "all"]
    assert life.used == week.used == month.used == anna.used == billed(lib)
    assert (life.limit, week.window, month.scope) == (Decimal("0.5"), "week", "everyone")
    assert tokens.used == sum(
        row.usage.input_tokens + row.usage.output_tokens for row in lib.sim.bill.rows
    )


def test_over_a_soft_budget_an_answer_is_degraded_before_it_is_refused(
    tmp_path: Path, lib: Library
) -> None:
    """A shorter answer, and it says so."""
    more = {"degrade": {"ladder": ["shorter_answer"], "max_output_tokens": 16}}
    with scrimp.Scrimp(settings_for(lib.sim.url, tmp_path, more), model="gpt-4o-mini") as one:
        with scrimp.budget(usd="0.000001", soft=True, name="soft"):
            answer = one.ask("Tell me everything of Rome.")
        plain = one.ask("Tell me everything of Rome.", max_tokens=MOST_TOKENS)
    assert answer.degraded
    assert "budget 'soft'" in str(answer)
    assert not plain.degraded
