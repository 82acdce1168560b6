"""Calls of the library that may wait: a job at once, its answer as `ask` gives it, later."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from anthropic import Anthropic
from msgspec.structs import replace
from openai.types.chat import ChatCompletion

import scrimp
from scrimp.client.desk import Desk
from scrimp.client.engine import ClosedError
from scrimp.errors import (
    Conflict,
    InvalidRequest,
    NotThere,
    Unauthenticated,
    Unavailable,
    UpstreamError,
)
from scrimp.jobs import Outcome
from scrimp.simulator import Simulator
from tests.support.library import Library, entries_of, library, settings_for
from tests.support.receivers import receiving
from tests.support.stage import until

FAST: dict[str, Any] = {
    "enabled": True,
    "least": "1s",
    "gather_s": 0.05,
    "poll_s": 0.05,
    "alone_s": 0,
    "lost_s": 1.0,
}
SLOW = {**FAST, "gather_s": 3600}
LIMIT_S = 60.0
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "What is it?"}]}
CLAUDE = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": CHAT["messages"]}


@pytest.fixture
def here() -> Iterator[Library]:
    """An engine whose calls may wait, and a provider."""
    with library(more={"defer": FAST}) as one:
        yield one


@contextmanager
def engine(sim: Simulator, folder: Path, defer: Mapping[str, Any]) -> Iterator[scrimp.Scrimp]:
    """An engine on a state folder that others had before it."""
    with scrimp.Scrimp(settings_for(sim.url, folder, {"defer": defer})) as one:
        yield one


def ending(one: scrimp.Scrimp, job_id: str, end: Outcome) -> None:
    """End a job as the work behind jobs would."""

    async def finish(desk: Any) -> None:
        desk.app.jobs.work.finish([(job_id, end)])

    one._engine.call(finish)


@pytest.mark.parametrize("call", [CHAT, CLAUDE])
def test_a_call_that_may_wait_is_answered_at_half_the_price(
    here: Library, call: dict[str, Any]
) -> None:
    """Text, cost and saving are there with the answer, and equal to the bill."""
    job = here.scrimp.defer(call, max_wait="12h")
    assert (job.why, job.state in ("queued", "in_batch", "done")) == ("", True)
    answer = job.result(LIMIT_S)
    (row,) = here.sim.bill.rows
    assert row.batch
    assert (str(answer) != "", answer.id, answer.cached) == (True, job.id, False)
    assert answer.cost_nanousd == row.billed_nanousd
    (entry,) = here.entries()
    assert (entry.id, entry.cost_nanousd) == (job.id, row.billed_nanousd)
    assert (entry.baseline_nanousd or 0) - row.billed_nanousd == answer.saved_nanousd
    assert answer.tokens.total_input_tokens > 0
    assert (job.state, job.result()) == ("done", answer)
    assert answer.answer.encode()[:10] in job.body()


async def test_the_same_awaited(here: Library) -> None:
    """On an event loop of the program's own."""
    job = await here.scrimp.adefer("What is it?", max_wait="12h", model="gpt-4o-mini")
    answer = await job.aresult(LIMIT_S)
    again = await here.scrimp.ajob(job.id)
    assert await again.aresult(LIMIT_S) == answer
    assert (await again.astate(), b"choices" in await again.abody()) == ("done", True)


def test_a_job_outlives_the_program(tmp_path: Path) -> None:
    """The next engine on the same folder finds it by its id, sends it, and has its answer."""
    with Simulator() as sim:
        with engine(sim, tmp_path, SLOW) as first:
            job = first.defer(CHAT, max_wait="12h")
            assert job.state == "queued"
        assert sim.requests == ()
        with engine(sim, tmp_path, FAST) as second:
            found = second.job(job.id)
            answer = found.result(LIMIT_S)
            assert (answer.id, len(sim.bill.rows)) == (job.id, 1)
            (entry,) = entries_of(second)
        with engine(sim, tmp_path, FAST) as third:
            assert third.job(job.id).result(LIMIT_S) == answer
        assert (entry.cost_nanousd, len(sim.bill.rows)) == (sim.bill.total_nanousd, 1)


def test_a_program_that_waited_longer_than_it_would_may_come_back(tmp_path: Path) -> None:
    """TimeoutError says how the job stands; it goes on."""
    with Simulator() as sim, engine(sim, tmp_path, SLOW) as one:
        job = one.defer(CHAT, max_wait="12h")
        with pytest.raises(TimeoutError, match=rf"{job.id} is queued after 0\.05 s"):
            job.result(0.05)
        assert job.state == "queued"


def test_an_answer_that_is_here_is_told_without_waiting(here: Library) -> None:
    """However short the time that is given."""
    job = here.scrimp.defer(CHAT, max_wait="12h")
    answer = job.result(LIMIT_S)
    assert here.scrimp.job(job.id).result(0) == answer


async def test_many_jobs_are_waited_for_at_once(here: Library) -> None:
    """Each has its own answer; nobody is waited for afterwards, and the sums are the bill."""
    calls = [{"prompt": f"What is {n}?", "model": "gpt-4o-mini"} for n in range(40)]
    jobs = [await here.scrimp.adefer(one, max_wait="12h") for one in calls]
    answers = await asyncio.gather(*(one.aresult(LIMIT_S) for one in jobs))
    assert [one.id for one in answers] == [one.id for one in jobs]
    assert sum(one.cost_nanousd or 0 for one in answers) == here.sim.bill.total_nanousd
    assert len(here.sim.bill.rows) == len(calls)

    async def awaited(desk: Desk) -> int:
        return len(desk.awaited)

    assert await here.scrimp._engine.acall(awaited) == 0


def test_closing_the_engine_ends_the_waiting_and_not_the_job(tmp_path: Path) -> None:
    """Who waits hears that it was closed; the next engine has the job."""
    with Simulator() as sim:
        with engine(sim, tmp_path, SLOW) as one, ThreadPoolExecutor(1) as pool:
            job = one.defer(CHAT, max_wait="12h")
            waiting = pool.submit(job.result)
            one.close(grace_s=0)
            with pytest.raises(ClosedError):
                waiting.result(LIMIT_S)
        with engine(sim, tmp_path, FAST) as another:
            assert another.job(job.id).result(LIMIT_S).cost_nanousd == sim.bill.total_nanousd


def test_a_job_that_was_not_sent_is_called_off(tmp_path: Path) -> None:
    """It is never asked; who waits for it hears so, and nothing was paid."""
    with Simulator() as sim, engine(sim, tmp_path, SLOW) as one:
        job = one.defer(CHAT, max_wait="12h")
        job.cancel()
        assert job.state == "cancelled"
        with pytest.raises(Conflict, match="called off"):
            job.result(LIMIT_S)
        assert sim.requests == ()


def test_a_call_that_the_provider_refuses_raises_its_error(here: Library) -> None:
    """With status and body as the provider gave them, and nothing to pay."""
    job = here.scrimp.defer({**CHAT, "n": 129}, max_wait="12h")
    with pytest.raises(UpstreamError) as raised:
        job.result(LIMIT_S)
    assert (raised.value.status, b"error" in raised.value.body, job.state) == (400, True, "failed")
    assert here.sim.bill.rows == ()


@pytest.mark.parametrize(
    ("end", "kind", "said"),
    [
        (Outcome("failed", 401, why="revoked", error="key 'a' was revoked"), Unauthenticated, "a"),
        (Outcome("failed", 504, why="expired", error="too late"), UpstreamError, "too late"),
        (Outcome("failed", 429, why="refused", error="no room"), Unavailable, "no room"),
        (Outcome("failed", 500, why="interrupted", error="lost"), UpstreamError, "lost"),
    ],
)
def test_what_ends_without_an_answer_says_why(
    tmp_path: Path, end: Outcome, kind: type[Exception], said: str
) -> None:
    """Revoked, expired, refused, interrupted: each is raised, and none is waited for for ever."""
    with Simulator() as sim, engine(sim, tmp_path, SLOW) as one:
        job = one.defer(CHAT, max_wait="12h")
        ending(one, job.id, end)
        with pytest.raises(kind, match=said):
            job.result(LIMIT_S)
        assert job.state == "failed"


def test_what_cannot_wait_is_answered_at_once_and_says_why(tmp_path: Path) -> None:
    """Too short a wait, and what is remembered: the answer is in the value itself."""
    with Simulator() as sim, engine(sim, tmp_path, {"enabled": True}) as one:
        job = one.defer({**CHAT, "temperature": 0}, max_wait="5m")
        assert (job.why, job.state) == ("too_soon", "done")
        assert job.result().cost_nanousd == sim.bill.total_nanousd
        with pytest.raises(Conflict, match="did not wait"):
            job.cancel()
        known = one.defer({**CHAT, "temperature": 0}, max_wait="12h")
        assert (known.why, known.result().cached) == ("exact_cache", True)
        assert known.result().cost_nanousd == 0
        with scrimp.budget(usd=1):
            assert one.defer({**CHAT, "user": "b"}, max_wait="12h").why == "own_purse"


def test_an_engine_with_a_budget_of_its_own_answers_at_once(tmp_path: Path) -> None:
    """It holds in this process alone, and a job may outlive it."""
    settings = {"defer": {"enabled": True}}
    with (
        Simulator() as sim,
        scrimp.Scrimp(settings_for(sim.url, tmp_path, settings), budget={"day": "1.00"}) as one,
    ):
        assert one.defer(CHAT, max_wait="12h").why == "own_purse"


def test_a_call_of_one_name_is_one_job(here: Library) -> None:
    """A program that is run again pays once."""
    first = here.scrimp.defer(CHAT, max_wait="12h", name="night 7 ✓")
    second = here.scrimp.defer(CHAT, max_wait="12h", name="night 7 ✓")
    assert first.id == second.id
    assert first.result(LIMIT_S) == second.result(LIMIT_S)
    assert len(here.sim.bill.rows) == len(here.entries()) == 1


def test_what_is_wrong_is_said_before_anything_is_kept(here: Library) -> None:
    """A wait, a name, a call and an id that cannot be."""
    one = here.scrimp
    with pytest.raises(InvalidRequest, match="max_wait: not a time: 'soon'"):
        one.defer(CHAT, max_wait="soon")
    with pytest.raises(InvalidRequest, match="name has 300 characters"):
        one.defer(CHAT, max_wait="12h", name="x" * 300)
    with pytest.raises(InvalidRequest, match="names no model"):
        one.defer("What is it?", max_wait="12h")
    with pytest.raises(NotThere, match="no job 'nobody'"):
        one.job("nobody")
    assert here.entries() == []


def test_without_the_setting_no_call_is_made(tmp_path: Path) -> None:
    """Who asks for half the price does not get the whole one unawares."""
    with Simulator() as sim, engine(sim, tmp_path, {}) as one:
        with pytest.raises(InvalidRequest, match="enabled = true"):
            one.defer(CHAT, max_wait="12h")
        with pytest.raises(InvalidRequest, match="enabled = true"):
            one.job("any")
        assert sim.requests == ()


def test_a_wrapped_client_with_the_key_of_the_settings_may_wait(here: Library) -> None:
    """It gets its job, and its answer in the SDK's own type; another client sees neither."""
    own = openai.OpenAI(base_url=here.openai_url, api_key="sk-provider-openai", timeout=60)
    client = here.scrimp.wrap(own)
    promise = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "What is it?"}],
        extra_headers={"x-scrimp-max-wait": "24h"},
    )
    kind: str = promise.object
    assert (kind, promise.choices) == ("scrimp.job", [])
    path = f"/scrimp/jobs/{promise.id}"

    def done() -> bool:
        told: Any = client.get(path, cast_to=object)
        return bool(told["status"] == "done")

    until(done, limit_s=LIMIT_S)
    answer = client.get(f"{path}/answer", cast_to=ChatCompletion)
    assert answer.choices[0].message.content
    (row,) = here.sim.bill.rows
    assert row.batch
    other = here.scrimp.wrap(openai.OpenAI(base_url=here.openai_url, api_key="sk-other"))
    with pytest.raises(openai.NotFoundError):
        other.get(path, cast_to=object)
    with pytest.raises(NotThere):
        here.scrimp.job(promise.id)
    assert not any("scrimp" in one.path for one in here.sim.requests)


def test_a_wrapped_client_with_a_key_of_its_own_goes_live(here: Library) -> None:
    """Its key is never written down: it is answered at once, and the trace says why."""
    client = here.scrimp.wrap(Anthropic(base_url=here.sim.url, api_key="sk-mine", timeout=60))
    told = client.messages.create(
        model="claude-haiku-4-5",
        max_tokens=100,
        messages=[{"role": "user", "content": "What is it?"}],
        extra_headers={"x-scrimp-max-wait": "24h"},
    )
    assert told.content
    (entry,) = here.entries()
    whys = [dict(one.numbers).get("why") for one in entry.trace if one.lever == "defer"]
    assert whys == ["own_credential"]


def test_a_webhook_is_told_of_a_programs_jobs(tmp_path: Path) -> None:
    """The address of the call where it is allowed, else that of the settings; signed as ever."""
    with receiving() as receiver, Simulator() as sim:
        hook = {"url": f"{receiver.url}/all", "allow": [f"{receiver.url}/mine/"]}
        loaded = settings_for(sim.url, tmp_path, {"defer": {**FAST, "webhook": hook}})
        loaded = replace(loaded, alert_secrets={"SCRIMP_WEBHOOK_SECRET": "shared"})
        with scrimp.Scrimp(loaded) as one:
            own = one.defer(CHAT, webhook=f"{receiver.url}/mine/1")
            settings = one.defer(CLAUDE)
            with pytest.raises(InvalidRequest, match="webhook"):
                one.defer(CHAT, webhook="https://elsewhere.example/")
            until(lambda: len(receiver.posted) == 2, limit_s=LIMIT_S)
        heard = {posted.headers["x-scrimp-job"]: posted.path for posted in receiver.posted}
        assert heard[own.id].endswith("/mine/1")
        assert heard[settings.id].endswith("/all")
        assert all(posted.headers["x-scrimp-signature"] for posted in receiver.posted)
