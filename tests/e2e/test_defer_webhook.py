"""Webhooks of jobs from end to end: signed, after failures, after a restart, to allowed places."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openai
import pytest
from openai.types.chat import ChatCompletion

from scrimp.settings import Loaded, parse
from scrimp.simulator import Simulator
from tests.support.defer import FAST, LIMIT_S, ended, fetch, job, openai_at, put_off
from tests.support.gateway import RunningGateway
from tests.support.receivers import Posted, Receiver, receiving
from tests.support.stage import Stage, until

SECRET = "a shared secret"


@contextmanager
def running(sim: Simulator, state: Path, webhook: str) -> Iterator[Stage]:
    """A gateway with `webhook` in its table."""
    text = (
        f'state_dir = "{state}"\n[defer]\n{FAST}[defer.webhook]\n'
        f'{webhook}\n[providers.openai]\nbase_url = "{sim.url}/v1"\n'
        'dialects = ["openai.chat"]\nkey_env = "OPENAI_KEY"\n'
    )
    settings = parse(text.encode(), source="the test")
    secrets = {"SCRIMP_WEBHOOK_SECRET": SECRET}
    gateway = RunningGateway(Loaded(settings, "the test", {"openai": "sk-x"}, "", secrets))
    gateway.start()
    try:
        yield Stage(sim, gateway)
    finally:
        gateway.stop()


def checked(posted: Posted) -> dict[str, object]:
    """What a receiver reads who trusts nobody."""
    stamp = posted.headers["x-scrimp-timestamp"]
    expected = hmac.new(SECRET.encode(), stamp.encode() + b"." + posted.body, hashlib.sha256)
    assert posted.headers["x-scrimp-signature"] == f"v1={expected.hexdigest()}"
    assert abs(time.time() - int(stamp)) < 300
    told: dict[str, object] = json.loads(posted.body)
    assert posted.headers["x-scrimp-job"] == told["id"]
    return told


def told_once(stage: Stage, receiver: Receiver, job_id: str) -> dict[str, object]:
    """What arrived last, once the job knows that it was taken."""
    until(lambda: job(stage, job_id)["told_at"] is not None, limit_s=LIMIT_S)
    return checked(receiver.posted[-1])


def test_a_webhook_that_fails_first_is_told_again(tmp_path: Path) -> None:
    """Each try is signed anew; the job is done all the while, and the answer is where it says."""
    with (
        receiving(500, 503, 200) as receiver,
        Simulator() as sim,
        running(sim, tmp_path, f'url = "{receiver.url}"') as stage,
        openai_at(stage) as client,
    ):
        job_id = put_off(client, "a very private question")
        (over,) = ended(stage, job_id)
        assert over["status"] == "done"
        told = told_once(stage, receiver, job_id)
        assert len(receiver.posted) == 3
        assert (told["id"], told["status"]) == (job_id, "done")
        assert "body" not in told
        assert all(b"private" not in one.body for one in receiver.posted)
        status, answer = fetch(stage, str(told["answer"]))
        assert (status, answer["object"]) == (200, "chat.completion")
        assert all("x-scrimp-webhook" not in row.model for row in sim.bill.rows)


def test_news_survive_a_restart(tmp_path: Path) -> None:
    """What a dead receiver did not take is told by the next gateway, once it lives."""
    with receiving() as receiver, Simulator() as sim:
        with running(sim, tmp_path, 'url = "http://127.0.0.1:9/"') as stage:
            with openai_at(stage) as client:
                job_id = put_off(client)
            ended(stage, job_id)
            assert job(stage, job_id)["told_at"] is None
        with running(sim, tmp_path, f'url = "{receiver.url}"') as stage:
            assert told_once(stage, receiver, job_id)["id"] == job_id
        assert len(receiver.posted) == 1


def test_a_call_names_an_address_that_is_allowed(tmp_path: Path) -> None:
    """With the answer, as these settings have it; the address leaves no gateway."""
    with (
        receiving() as own,
        receiving() as other,
        Simulator() as sim,
        running(
            sim, tmp_path, f'url = "{own.url}"\nallow = ["{other.url}"]\nanswers = true'
        ) as stage,
        openai_at(stage) as client,
    ):
        job_id = put_off(client, headers={"x-scrimp-webhook": other.url})
        told = told_once(stage, other, job_id)
        answer = client.get(f"/scrimp/jobs/{job_id}/answer", cast_to=ChatCompletion)
        assert told["body"] == answer.model_dump(exclude_unset=True)
        assert own.posted == []
        with pytest.raises(openai.BadRequestError, match="not an address that this gateway"):
            put_off(client, headers={"x-scrimp-webhook": f"{other.url}/elsewhere"})


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    """Whoever receives news cannot send the gateway anywhere else."""
    with (
        receiving() as inner,
        receiving(307, headers={"location": inner.url}) as receiver,
        Simulator() as sim,
        running(sim, tmp_path, f'url = "{receiver.url}"') as stage,
        openai_at(stage) as client,
    ):
        job_id = put_off(client)
        ended(stage, job_id)
        until(lambda: bool(receiver.posted), limit_s=LIMIT_S)
        assert job(stage, job_id)["told_at"] is None
    assert inner.posted == []


def test_a_receiver_that_hangs_keeps_no_job_waiting(tmp_path: Path) -> None:
    """Further calls are put off, answered and booked meanwhile; the gateway counts and closes."""
    with (
        receiving(0) as receiver,
        Simulator() as sim,
        running(sim, tmp_path, f'url = "{receiver.url}"\ntimeout_s = 60.0') as stage,
        openai_at(stage) as client,
    ):
        first = put_off(client)
        until(lambda: bool(receiver.posted), limit_s=LIMIT_S)
        over = ended(stage, first, put_off(client, "And then?"))
        assert [one["status"] for one in over] == ["done", "done"]
        until(lambda: counted(stage, "jobs_untold") == 2, limit_s=LIMIT_S)
        assert counted(stage, 'jobs{state="done"}') == 2
        assert counted(stage, "jobs_overdue") == 0


def counted(stage: Stage, name: str) -> int | None:
    """What `/metrics` shows of it."""
    with urllib.request.urlopen(f"{stage.url}/metrics", timeout=30) as answer:  # noqa: S310 (the gateway under test)
        lines = answer.read().decode().splitlines()
    shown = [line.split()[-1] for line in lines if line.startswith(f"scrimp_{name} ")]
    return int(shown[0]) if shown else None
