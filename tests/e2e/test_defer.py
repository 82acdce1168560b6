"""Calls that may wait: a job at once, the answer later, at half the price, paid and booked once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from anthropic.types import Message
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from scrimp.shell.wire import sha256_hex
from tests.support.defer import (
    WAIT,
    anthropic_at,
    asked,
    deferring,
    ended,
    fetch,
    openai_at,
    put_off,
)
from tests.support.gateway import gateway
from tests.support.stage import Stage, until


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A provider and a gateway whose calls may wait."""
    with deferring() as staged:
        yield staged


def exact(stage: Stage) -> tuple[int, int, int]:
    """What the ledger says of all calls: cost, saving, baseline; they add up."""
    entries = stage.gateway.entries()
    cost = sum(one.cost_nanousd or 0 for one in entries)
    saved = sum(part for one in entries for _, part in one.saved)
    baseline = sum(one.baseline_nanousd or 0 for one in entries)
    assert cost + saved == baseline
    return cost, saved, baseline


def test_a_chat_that_may_wait_is_a_job_and_then_an_answer(stage: Stage) -> None:
    """By OpenAI's SDK: 202 with the job, then the answer in its own type, at half the price."""
    with openai_at(stage) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="gpt-4o-mini", messages=asked(), extra_headers=WAIT
        )
        assert raw.status_code == 202
        promise = raw.parse()
        assert (promise.choices, promise.usage) == ([], None)
        assert raw.headers["x-scrimp-job"] == promise.id == raw.headers["x-scrimp-id"]
        assert raw.headers["x-scrimp-served-by"] == "defer"
        (told,) = ended(stage, promise.id)
        assert told["status"] == "done"
        answer = client.get(f"/scrimp/jobs/{promise.id}/answer", cast_to=ChatCompletion)
    assert answer.choices[0].message.content
    (row,) = stage.sim.bill.rows
    assert row.batch
    (entry,) = stage.gateway.entries()
    assert (entry.id, entry.cost_nanousd) == (promise.id, row.billed_nanousd)
    assert entry.saved == (("defer", (entry.baseline_nanousd or 0) - row.billed_nanousd),)
    assert abs((entry.baseline_nanousd or 0) - 2 * row.billed_nanousd) <= 4
    assert entry.attempts[0].service_tier == "batch"
    assert told["cost_usd"] is not None
    assert told["saved_usd"] is not None


def test_responses_travel_in_batches_too(stage: Stage) -> None:
    """With an id, and nothing where their output will be."""
    with openai_at(stage) as client:
        promise = client.responses.create(model="gpt-4.1", input="Hello?", extra_headers=WAIT)
        assert (promise.output, promise.output_text) == ([], "")
        ended(stage, promise.id)
        answer = client.get(f"/scrimp/jobs/{promise.id}/answer", cast_to=Response)
    assert answer.output_text
    assert exact(stage)[0] == stage.sim.bill.total_nanousd


def test_messages_travel_in_batches_too(stage: Stage) -> None:
    """By Anthropic's SDK, to Anthropic's batches."""
    with anthropic_at(stage) as client:
        promise = client.messages.create(
            model="claude-haiku-4-5", max_tokens=200, messages=asked(), extra_headers=WAIT
        )
        kind: str = promise.type
        assert (kind, promise.content) == ("scrimp.job", [])
        ended(stage, promise.id)
        answer = client.get(f"/v1/scrimp/jobs/{promise.id}/answer", cast_to=Message)
    assert answer.content
    assert answer.usage.service_tier == "batch"
    cost, saved, _ = exact(stage)
    assert cost == stage.sim.bill.total_nanousd
    assert abs(saved - cost) <= 4


def test_many_calls_are_one_batch_and_each_gets_its_own_answer(stage: Stage) -> None:
    """Answers come back to the call that asked, and all of them are billed and booked once."""
    with openai_at(stage) as client:
        jobs = {put_off(client, f"What is {n}?"): n for n in range(12)}
        assert {one["status"] for one in ended(stage, *jobs)} == {"done"}
        for job_id in jobs:
            answer = client.get(f"/scrimp/jobs/{job_id}/answer", cast_to=ChatCompletion)
            assert answer.choices[0].message.content
    rows = stage.sim.bill.rows
    assert sorted(row.client_id for row in rows) == sorted(f"scrimp-{one}" for one in jobs)
    assert exact(stage)[0] == stage.sim.bill.total_nanousd
    assert {one.id for one in stage.gateway.entries()} == set(jobs)


def test_an_answer_of_a_batch_is_remembered(stage: Stage) -> None:
    """The same call again is a hit, at once and for nothing, though it would wait."""
    with openai_at(stage) as client:
        ended(stage, put_off(client, "What is the same?", temperature=0))
        raw = client.chat.completions.with_raw_response.create(
            model="gpt-4o-mini",
            messages=asked("What is the same?"),
            temperature=0,
            extra_headers=WAIT,
        )
    assert raw.status_code == 200
    assert raw.headers["x-scrimp-served-by"] == "exact_cache"


_ROUTED = """
[route]
enabled = true
calls = "all"
depth = "rules"
models = ["gpt-4o-mini", "gpt-4o"]
reference = "gpt-4o"
[route.rungs]
simple = ["gpt-4o-mini"]
medium = ["gpt-4o-mini"]
complex = ["gpt-4o"]
expert = ["gpt-4o"]
"""


def test_what_a_cheaper_model_answered_in_a_batch_is_its_own_answer(tmp_path: Path) -> None:
    """It is remembered as such: once nothing is routed, the dear model answers for itself."""
    kept = f'[exact_cache]\nengine = "sqlite"\npath = "{tmp_path / "answers.sqlite"}"\n'
    dear: dict[str, Any] = {"model": "gpt-4o", "temperature": 0}
    text = "What is this?"
    with deferring(top=kept + _ROUTED) as stage, openai_at(stage) as client:
        ended(stage, put_off(client, text, **dear))
        assert {row.model for row in stage.sim.bill.rows} == {"gpt-4o-mini-2024-07-18"}
        with gateway(stage.sim.url, more=kept) as plain:
            elsewhere = Stage(stage.sim, plain)
            with openai_at(elsewhere) as other:
                raw = other.chat.completions.with_raw_response.create(messages=asked(text), **dear)
        assert "exact_cache=not_admitted" in raw.headers["x-scrimp-trace"]
        assert raw.parse().model.startswith("gpt-4o-2")


def test_a_call_says_how_long_in_its_metadata(stage: Stage) -> None:
    """Where a client can set no header."""
    with openai_at(stage) as client:
        job_id = put_off(client, headers={}, metadata={"scrimp_max_wait": "2h"})
        ended(stage, job_id)


def test_a_key_may_wait_by_its_setting() -> None:
    """All of its calls, and nobody else's."""
    keys = "".join(f'[[keys]]\nname = "{name}"\nsha256 = "{sha256_hex(name)}"\n' for name in KEYS)
    with deferring(more=f'keys = {{ nightly = "24h" }}\n{keys}') as stage:
        with openai_at(stage, "nightly") as client:
            told = client.chat.completions.create(model="gpt-4o-mini", messages=asked())
            kind: str = told.object
            assert kind == "scrimp.job"
            ended(stage, told.id, key="nightly")
            for path in ("", "/answer"):
                there = f"/v1/scrimp/jobs/{told.id}{path}"
                assert fetch(stage, there, key="nightly")[0] == 200
                assert fetch(stage, there, key="other")[0] == 404
            assert fetch(stage, "/v1/scrimp/jobs", key="other")[1]["data"] == []
        with openai_at(stage, "other") as client:
            told = client.chat.completions.create(model="gpt-4o-mini", messages=asked())
            assert told.object == "chat.completion"
            for path in (f"/v1/scrimp/jobs/{told.id}", f"/v1/scrimp/jobs/{told.id}/answer"):
                assert fetch(stage, path, key="other")[0] == 404


KEYS = ("nightly", "other")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"stream": True}, "streams"),
        ({"extra_headers": {"x-scrimp-max-wait": "0"}}, ""),
        ({"service_tier": "priority"}, "own_tier"),
        ({"web_search_options": {}}, "provider_tools"),
    ],
)
def test_what_cannot_wait_goes_live(stage: Stage, more: dict[str, Any], why: str) -> None:
    """And the trace says why; nothing is left behind."""
    with openai_at(stage) as client:
        given: dict[str, Any] = {"extra_headers": WAIT} | more
        raw = client.chat.completions.with_raw_response.create(
            model="gpt-4o-mini", messages=asked(), **given
        )
        assert raw.status_code == 200
        parsed: Any = raw.parse()
        if "stream" in more:  # unread, it would be broken off whenever the client closes
            list(parsed)
    (entry,) = stage.gateway.entries()
    told = [dict(line.numbers).get("why") for line in entry.trace if line.lever == "defer"]
    assert told == ([why] if why else [])
    assert fetch(stage, "/v1/scrimp/jobs") == (200, {"data": [], "next": None})


def test_a_wait_that_cannot_be_read_is_refused(stage: Stage) -> None:
    """With the way to write it."""
    with openai_at(stage) as client, pytest.raises(openai.BadRequestError, match="like 90s, 30m"):
        put_off(client, headers={"x-scrimp-max-wait": "soon"})
    assert stage.gateway.entries() == []


def test_a_call_asked_twice_by_one_name_is_one_job(stage: Stage) -> None:
    """A client that never saw its 202 asks again and pays once."""
    with openai_at(stage) as client:
        named = {"idempotency-key": "mine-1"}
        first = put_off(client, headers=named)
        assert put_off(client, headers=named) == first
        ended(stage, first)
    assert len(stage.sim.bill.rows) == len(stage.gateway.entries()) == 1


def test_a_request_that_the_provider_refuses_ends_its_job(stage: Stage) -> None:
    """The SDK raises its own exception when it fetches the answer; nothing was paid."""
    with openai_at(stage) as client:
        job_id = put_off(client, n=129)
        (told,) = ended(stage, job_id)
        assert (told["status"], told["error"]["why"]) == ("failed", "refused")
        with pytest.raises(openai.BadRequestError):
            client.get(f"/scrimp/jobs/{job_id}/answer", cast_to=ChatCompletion)
    (entry,) = stage.gateway.entries()
    assert (entry.cost_nanousd, entry.status, stage.sim.bill.rows) == (0, 400, ())


def test_a_job_that_was_not_sent_can_be_called_off() -> None:
    """Afterwards it is not asked, and costs nothing."""
    with deferring(fast='enabled = true\nleast = "1s"\ngather_s = 3600\n') as stage:
        with openai_at(stage) as client:
            job_id = put_off(client)
        status, told = fetch(stage, f"/v1/scrimp/jobs/{job_id}/cancel", method="POST")
        assert (status, told["status"]) == (200, "cancelled")
        assert fetch(stage, f"/v1/scrimp/jobs/{job_id}/cancel", method="POST")[0] == 200
        assert fetch(stage, f"/v1/scrimp/jobs/{job_id}/answer")[0] == 409
        assert stage.sim.requests == ()


def test_a_job_in_a_batch_cannot_be_called_off() -> None:
    """It may be paid already, and says so."""
    with deferring() as stage:
        stage.sim.fault("stall=1:path=/v1/batches:count=1")
        with openai_at(stage) as client:
            job_id = put_off(client)
        until(lambda: any(one.path == "/v1/batches" for one in stage.sim.requests))
        status, told = fetch(stage, f"/v1/scrimp/jobs/{job_id}/cancel", method="POST")
        assert (status, told["error"]["type"] != "") == (409, True)


def test_an_answer_that_is_not_here_yet_is_a_202() -> None:
    """With the job in it, and when to ask again."""
    with deferring(fast='enabled = true\nleast = "1s"\ngather_s = 3600\n') as stage:
        with openai_at(stage) as client:
            job_id = put_off(client)
        status, told = fetch(stage, f"/v1/scrimp/jobs/{job_id}/answer")
        assert (status, told["status"]) == (202, "queued")


def test_jobs_are_off_until_they_are_switched_on() -> None:
    """The header changes nothing then."""
    with deferring(fast="") as stage, openai_at(stage) as client:
        told = client.chat.completions.create(
            model="gpt-4o-mini", messages=asked(), extra_headers=WAIT
        )
        assert told.choices[0].message.content
        assert fetch(stage, "/v1/scrimp/jobs")[0] == 404


def test_anthropics_client_raises_its_own_error_for_a_job_that_failed(stage: Stage) -> None:
    """A request that only the provider finds wrong."""
    with anthropic_at(stage) as client:
        promise = client.messages.create(
            model="claude-haiku-4-5", max_tokens=0, messages=asked(), extra_headers=WAIT
        )
        ended(stage, promise.id)
        with pytest.raises(anthropic.APIStatusError) as raised:
            client.get(f"/v1/scrimp/jobs/{promise.id}/answer", cast_to=Message)
    assert raised.value.status_code == 400
