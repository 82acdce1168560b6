"""Clients that hold a connection without asking, and a gateway that is about to end."""

from __future__ import annotations

import json

import pytest

from scrimp.simulator import Simulator
from tests.support import raw_http
from tests.support.gateway import gateway
from tests.support.spoken import BOTH, OPENAI, Spoken
from tests.support.stage import staged, until


@BOTH
@pytest.mark.parametrize("part", ["head", "body"])
def test_a_request_that_does_not_come_to_an_end_is_ended(spoken: Spoken, part: str) -> None:
    """408 in the vendor's words after the limit; nobody else waits; no call was made of it."""
    whole = raw_http.request(spoken.path, spoken.body(), spoken.headers)
    cut = 60 if part == "head" else len(whole) - 5
    with staged(more="[server]\nhead_timeout_s = 0.5\nbody_timeout_s = 0.5\n") as stage:
        with raw_http.connect(stage.url) as slow, raw_http.connect(stage.url) as mute:
            slow.sendall(whole[:cut])
            spoken.answered(stage.url)
            answer = raw_http.read(slow)
            assert answer.status == 408
            spoken.check_shape(json.loads(answer.body))
            assert mute.recv(1) == b""
        assert len(stage.gateway.entries()) == 1
        assert len(stage.sim.requests) == 1


def test_a_draining_gateway_is_not_ready_and_answers_what_is_on_its_way() -> None:
    """On a connection that was there before: 503 of `/readyz`, a call is served, both the last."""
    with Simulator() as sim, gateway(sim.url) as running:
        running._server.linger_s = 10.0
        ready = raw_http.head("/readyz", {"connection": "keep-alive"}, method="GET")
        call = raw_http.request(OPENAI.path, OPENAI.body(), {"connection": "keep-alive"})
        with raw_http.connect(running.url) as one, raw_http.connect(running.url) as other:
            one.sendall(ready)
            assert raw_http.read(one, method="GET").status == 200
            other.sendall(call)
            assert raw_http.read(other).status == 200
            running._server.should_exit = True
            until(lambda: running._server.server_state.draining)
            one.sendall(ready)
            told = raw_http.read(one, method="GET")
            assert (told.status, told.headers["connection"]) == (503, "close")
            assert json.loads(told.body)["status"] == "draining"
            other.sendall(call)
            answered = raw_http.read(other)
            assert (answered.status, answered.headers["connection"]) == (200, "close")
        running.stop()
