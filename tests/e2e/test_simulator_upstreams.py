"""Several upstreams in one simulator, each with its own health and its own bill."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import pytest

from scrimp.simulator import Settings, Simulator
from scrimp.simulator.fleet import Fleet

CHAT: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "Reset my password?"}],
}


def call(url: str) -> None:
    """One chat completion by OpenAI's SDK."""
    with openai.OpenAI(base_url=url, api_key="k", max_retries=0) as client:
        client.chat.completions.create(**CHAT)


def test_each_has_its_own_faults_and_bill() -> None:
    """The second fails, the others do not, and each bills what it served."""
    with Simulator(upstreams=3) as sim:
        first, second, third = sim.upstreams
        second.fault("503")
        for upstream in (first, third, third):
            call(upstream.openai_url)
        with pytest.raises(openai.InternalServerError):
            call(second.openai_url)
        assert [len(one.bill.rows) for one in sim.upstreams] == [1, 0, 2]
        assert [len(one.requests) for one in sim.upstreams] == [1, 1, 2]
        assert third.requests[0].path == "/v1/chat/completions"


def test_the_simulator_itself_is_the_first() -> None:
    """So that everything that knows one upstream goes on as it was."""
    with Simulator(upstreams=2) as sim:
        call(sim.openai_url)
        call(sim.upstreams[0].openai_url)
        assert len(sim.bill.rows) == len(sim.upstreams[0].bill.rows) == 2
        with anthropic.Anthropic(
            base_url=sim.upstreams[1].url, api_key="k", max_retries=0
        ) as claude:
            claude.messages.create(
                model="claude-haiku-4-5", max_tokens=50, messages=CHAT["messages"]
            )
        assert sim.upstreams[1].bill.rows[0].path == "/v1/messages"


def test_each_may_have_its_own_settings() -> None:
    """A slow one beside a quick one; limits are each one's own."""
    with Simulator(upstreams=(Settings(), Settings(requests_per_minute=1))) as sim:
        quick, limited = sim.upstreams
        for _ in range(3):
            call(quick.openai_url)
        call(limited.openai_url)
        with pytest.raises(openai.RateLimitError):
            call(limited.openai_url)


def test_control_is_under_each_base_path() -> None:
    """`/u2/_sim/faults` is the second's; a number that is not there is a wrong path."""
    with Simulator(upstreams=2) as sim:
        with openai.OpenAI(base_url=sim.openai_url, api_key="k", max_retries=0) as client:
            client.post(f"{sim.url}/u2/_sim/faults", body={"fault": "500"}, cast_to=object)
        call(sim.openai_url)
        with pytest.raises(openai.InternalServerError):
            call(sim.upstreams[1].openai_url)
        with pytest.raises(openai.NotFoundError):
            call(f"{sim.url}/u3/v1")


def test_faults_can_be_given_at_the_start() -> None:
    """For all, or for one by its number; one that is not there is an error."""
    fleet = Fleet((Settings(), Settings()))
    fleet.plan("503:count=1")
    fleet.plan("u2/429:count=1")
    first, second = fleet.providers
    kinds = [
        [fault.kind if (fault := one.plan.next("/")) else "" for _ in range(3)]
        for one in (first, second)
    ]
    assert kinds == [["503", "", ""], ["503", "429", ""]]
    with pytest.raises(ValueError, match="upstream 3, but there are 2"):
        fleet.plan("u3/429")
    with pytest.raises(ValueError, match="one upstream at least"):
        Simulator(upstreams=0)
