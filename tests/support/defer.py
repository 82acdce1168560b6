"""A gateway whose calls may wait, for tests: everything that takes hours takes milliseconds."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import anthropic
import openai

from scrimp.simulator import Settings, Simulator
from tests.support.gateway import gateway
from tests.support.stage import Stage, until

FAST = (
    'enabled = true\nleast = "1s"\ngather_s = 0.05\npoll_s = 0.05\nalone_s = 0\nlost_s = 1.0\n'
    "tries = 2\n"
)
WAIT = {"x-scrimp-max-wait": "24h"}
LIMIT_S = 60.0


@contextmanager
def deferring(
    *, more: str = "", fast: str = FAST, top: str = "", sim: Settings | None = None
) -> Iterator[Stage]:
    """A provider and a gateway. `more` is TOML behind the table [defer], `top` before it."""
    settings = sim or Settings()
    with (
        Simulator(settings=settings) as provider,
        gateway(provider.url, more=f"{top}\n[defer]\n{fast}{more}") as scrimp,
    ):
        yield Stage(provider, scrimp)


def asked(text: str = "How do I reset my password?") -> list[Any]:
    """Messages."""
    return [{"role": "user", "content": text}]


def openai_at(stage: Stage, key: str = "k") -> openai.OpenAI:
    """OpenAI's SDK."""
    return openai.OpenAI(base_url=stage.gateway.openai_url, api_key=key, max_retries=0, timeout=60)


def anthropic_at(stage: Stage, key: str = "k") -> anthropic.Anthropic:
    """Anthropic's SDK."""
    return anthropic.Anthropic(base_url=stage.url, api_key=key, max_retries=0, timeout=60)


def put_off(client: openai.OpenAI, text: str = "How do I reset it?", **more: Any) -> str:
    """A chat that may wait; the id of its job."""
    headers = WAIT | more.pop("headers", {})
    told = client.chat.completions.create(
        model=more.pop("model", "gpt-4o-mini"), messages=asked(text), extra_headers=headers, **more
    )
    kind: str = told.object
    assert kind == "scrimp.job", told
    job_id: str = told.id
    return job_id


def fetch(
    stage: Stage,
    path: str,
    *,
    key: str = "k",
    method: str = "GET",
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, Any]:
    """Status and JSON of one of the gateway's own paths; with a body by POST."""
    sent = dict(headers or {})
    if key:
        sent["authorization"] = f"Bearer {key}"
    data = None
    if body is not None:
        sent["content-type"], data, method = (
            "application/json",
            json.dumps(body).encode(),
            "POST",
        )
    request = urllib.request.Request(  # noqa: S310 (the gateway under test)
        f"{stage.url}{path}", data=data, method=method, headers=sent
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 (the same)
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def job(stage: Stage, job_id: str, *, key: str = "k") -> dict[str, Any]:
    """A job as its client sees it."""
    status, told = fetch(stage, f"/v1/scrimp/jobs/{job_id}", key=key)
    assert status == 200, told
    found: dict[str, Any] = told
    return found


def ended(stage: Stage, *job_ids: str, key: str = "k") -> list[dict[str, Any]]:
    """The jobs once all of them are over and booked."""

    def over() -> bool:
        jobs = [job(stage, one, key=key) for one in job_ids]
        return all(one["ended_at"] is not None for one in jobs)

    until(over, limit_s=LIMIT_S)
    until(lambda: not unbooked(stage), limit_s=LIMIT_S)
    return [job(stage, one, key=key) for one in job_ids]


def unbooked(stage: Stage) -> int:
    """How many jobs are over and not in the ledger yet."""
    jobs = stage.gateway.app.jobs
    assert jobs is not None
    return len(jobs.work.unbooked(limit=1000))
