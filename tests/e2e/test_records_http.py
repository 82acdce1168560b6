"""`POST /v1/scrimp/calls`: calls made elsewhere, told to the gateway."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from scrimp.shell.wire import sha256_hex
from scrimp.simulator import Simulator
from tests.support.gateway import RunningGateway, gateway

KEY = "sk-scrimp-one"
KEYS = f"""
[[keys]]
name = "one"
sha256 = "{sha256_hex(KEY)}"
team = "blue"
task = "extraction"
tags = ["night"]
"""
CALL = {
    "model": "claude-haiku-4-5",
    "usage": {"input_tokens": 1000, "cache_read_input_tokens": 500, "output_tokens": 200},
    "at": "2026-02-01T12:00:00Z",
    "user": "anna",
    "tags": ["batch"],
}


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    """A provider that is never asked."""
    with Simulator() as running:
        yield running


@pytest.fixture
def open_gateway(sim: Simulator) -> Iterator[RunningGateway]:
    """A gateway without keys."""
    with gateway(sim.url) as running:
        yield running


def post(
    running: RunningGateway, body: object, *, key: str = "", method: str = "POST"
) -> tuple[int, Any]:
    """Tell; status and JSON of the answer."""
    request = urllib.request.Request(  # noqa: S310 (a test's own server)
        f"{running.url}/v1/scrimp/calls",
        data=body if isinstance(body, bytes) else json.dumps(body).encode(),
        headers={"content-type": "application/json", **({"x-api-key": key} if key else {})},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 (a test's own server)
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_a_told_call_is_booked_with_its_id_and_cost(
    sim: Simulator, open_gateway: RunningGateway
) -> None:
    """201, exact money, nothing sent to a provider; the same id again is 200 and books nothing."""
    status, told = post(open_gateway, {**CALL, "id": "job-1"})
    again, same = post(open_gateway, {**CALL, "id": "job-1"})
    assert (status, again) == (201, 200)
    # $1 in, $0.10 from the prefix cache, $5 out per million tokens
    assert (told["cost_nanousd"], told["cost_usd"]) == (2_050_000, "0.00205")
    assert (same["id"], same["again"]) == (told["id"], True)
    (entry,) = open_gateway.entries()
    assert (entry.id, entry.cost_nanousd) == (told["id"], 2_050_000)
    assert (entry.operation, entry.served_by, entry.tenant) == ("recorded", "recorded", "local")
    assert (entry.user, entry.tags, entry.at.isoformat()) == (
        "anna",
        ("batch",),
        "2026-02-01T12:00:00+00:00",
    )
    assert not sim.requests


def test_a_told_call_belongs_to_the_key_that_tells(sim: Simulator) -> None:
    """Its labels hold; without a key nobody tells anything."""
    with gateway(sim.url, more=KEYS) as running:
        refused, _ = post(running, CALL)
        status, told = post(running, CALL, key=KEY)
        (entry,) = running.entries()
    assert (refused, status) == (401, 201)
    assert (entry.id, entry.tenant, entry.key, entry.team) == (told["id"], "key:one", "one", "blue")
    assert (entry.task, entry.tags) == ("extraction", ("night", "batch"))


WRONG: tuple[tuple[object, str], ...] = (
    (b"{", "cannot be recorded"),
    (b"[]", "cannot be recorded"),
    ({"usage": {}}, "model"),
    ({**CALL, "colour": "red"}, "colour"),
    ({**CALL, "usage": {"prompt_tokens": -1}}, "-1: a count is from 0 to 1000000000"),
    ({**CALL, "usage": {"prompt_tokens": 1.5}}, "1.5"),
    ({**CALL, "at": "2026-02-01T12:00:00"}, "without a zone"),
    ({**CALL, "at": "2999-02-01T12:00:00Z"}, "2999"),
    ({**CALL, "at": "yesterday"}, "at"),
    ({**CALL, "id": "x" * 300}, "300 characters; at most 128"),
    ({**CALL, "user": "a\nb"}, "control characters"),
)


@pytest.mark.parametrize(("body", "words"), WRONG)
def test_what_cannot_be_recorded_is_a_400_with_both_numbers(
    open_gateway: RunningGateway, body: object, words: str
) -> None:
    """And nothing is booked."""
    status, answer = post(open_gateway, body)
    assert status == 400
    assert words in answer["error"]["message"]
    assert not open_gateway.entries()


def test_other_methods_are_told_which_one(sim: Simulator, open_gateway: RunningGateway) -> None:
    """The path is ours: nothing of it is passed on."""
    status, answer = post(open_gateway, b"{}", method="PUT")
    assert (status, answer["error"]["message"]) == (405, "/v1/scrimp/calls takes POST, not PUT")
    assert not sim.requests
