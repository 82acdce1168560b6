"""Requests and tokens per minute, parallel calls: who is let in, and what is told."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from scrimp.calls import Call, Reply
from scrimp.errors import InvalidRequest, RateLimited, Unavailable
from scrimp.levers.rate_limit import RateLimit
from scrimp.stores.memory_budgets import MemoryBudgets
from tests.support.budgets import DownStore, rules
from tests.support.core import FakeClock, attempt_of, call_of, chat_fields, reply_of, verdicts


class Door:
    """A rate limit with its clock; each call gets an id of its own."""

    def __init__(self, toml: str, *, down: bool = False) -> None:
        self.clock = FakeClock()
        store = DownStore() if down else MemoryBudgets.open(self.clock)
        self.lever = RateLimit(rules(toml), store, self.clock, lease_s=100.0)
        self.number = 0

    async def enter(self, call: Call | None = None) -> Call:
        """One call, whose attempt uses 11 tokens."""
        self.number += 1
        asked = call or call_of(chat_fields(max_tokens=10), id=f"call-{self.number}")

        async def below(call: Call) -> Reply:
            call.trace.attempts.append(attempt_of())
            return reply_of()

        await self.lever(asked, below)
        return asked


async def test_requests_over_the_limit_are_refused_until_the_minute_is_over() -> None:
    """No more than three in any minute; the refusal says how long to wait."""
    door = Door("[limits.all]\nrequests_per_minute = 3\n")
    for _ in range(3):
        await door.enter()
    with pytest.raises(RateLimited) as caught:
        await door.enter()
    assert 0 < caught.value.retry_after_s <= 65
    assert "limit 'all' (everyone, any 1 min) has 0 calls left of 3 calls" in str(caught.value)
    assert dict(caught.value.headers)["x-ratelimit-remaining-requests"] == "0"
    door.clock.pass_by(caught.value.retry_after_s)
    await door.enter()
    assert door.lever.denied == 1


async def test_tokens_are_held_by_estimate_and_settled_by_use() -> None:
    """A call of 11 tokens leaves 11 used, whatever was expected of it."""
    door = Door("[limits.all]\ntokens_per_minute = 60\n")
    for left in (49, 38):
        call = await door.enter()
        expected = int(call.trace.headers["x-ratelimit-remaining-tokens"])
        assert expected < left
    with pytest.raises(RateLimited):
        await door.enter(call_of(chat_fields("word " * 50, max_tokens=10), id="long"))


async def test_a_call_that_is_larger_than_its_limit_is_not_told_to_come_again_soon() -> None:
    """However long it waits, it will not fit."""
    door = Door("[limits.all]\ntokens_per_minute = 60\n")
    with pytest.raises(RateLimited, match="this call alone needs 1,0") as caught:
        await door.enter(call_of())
    assert caught.value.retry_after_s > 3600


async def test_parallel_calls_are_limited_while_they_last() -> None:
    """The third of two is refused; when one has ended, the next comes in."""
    door = Door("[limits.all]\nparallel = 1\n")
    inside, leave = asyncio.Event(), asyncio.Event()

    async def slow(call: Call) -> Reply:  # noqa: ARG001 (the port's)
        inside.set()
        await leave.wait()
        return reply_of()

    async with asyncio.TaskGroup() as group:
        group.create_task(_run(door, call_of(id="first"), slow))
        await inside.wait()
        with pytest.raises(RateLimited, match="at once"):
            await door.enter()
        leave.set()
    await door.enter()


async def _run(door: Door, call: Call, below: object) -> None:
    await door.lever(call, below)  # type: ignore[arg-type]  # a function of one call


async def test_what_fails_below_lets_go() -> None:
    """A refusal further down ends the call: it counts as a request, and holds no place."""
    door = Door("[limits.all]\nparallel = 1\nrequests_per_minute = 2\n")

    async def refuse(call: Call) -> Reply:  # noqa: ARG001 (the port's)
        raise InvalidRequest("no")

    with pytest.raises(InvalidRequest):
        await door.lever(call_of(id="x"), refuse)
    await door.enter()
    with pytest.raises(RateLimited, match="2 calls"):
        await door.enter()


async def test_each_key_has_its_own_counter() -> None:
    """`key = "*"`: one key's calls are not another's."""
    door = Door('[limits.each]\nkey = "*"\nrequests_per_minute = 1\n')
    for name in ("a", "b"):
        caller = call_of().caller
        await door.enter(call_of(id=f"call-{name}", caller=replace(caller, key=name)))


async def test_anthropics_headers_for_anthropics_clients() -> None:
    """Names and times as Anthropic gives them."""
    door = Door("[limits.all]\nrequests_per_minute = 3\n")
    call = call_of(
        {
            "model": "claude-haiku-4-5",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "x"}],
        },
        dialect="anthropic.messages",
        id="a",
    )
    await door.enter(call)
    assert call.trace.headers["anthropic-ratelimit-requests-limit"] == "3"
    assert call.trace.headers["anthropic-ratelimit-requests-reset"].startswith("2026-05-06T12:01")


async def test_a_store_that_is_down_lets_nobody_in() -> None:
    """A limit that cannot be checked is not a limit that is kept."""
    with pytest.raises(Unavailable):
        await Door("[limits.all]\nparallel = 1\n", down=True).enter()


async def test_a_soft_rate_is_told_and_not_enforced() -> None:
    """Tokens a minute as a soft budget: the trace has a line, the call goes on."""
    door = Door('[budgets.p]\ntokens = 5\nper = "minute"\n')
    call = await door.enter()
    assert verdicts(call, "rate_limit") == ["over_soft"]
