"""Many users whom nobody has seen before, all at once: each has its budget from the first call."""

from __future__ import annotations

import asyncio
from collections import Counter

import aiohttp

from tests.support.admin import AdminClient
from tests.support.spoken import OPENAI
from tests.support.stage import Stage, staged

USERS = 250
EACH = 4
UNTOLD = 503  # the budgets cannot be asked now


async def _all_at_once(stage: Stage, key: str) -> Counter[tuple[str, int]]:
    """Every user's calls at the same time; how often each user got which status."""
    body = OPENAI.body()
    told: Counter[tuple[str, int]] = Counter()
    connector, url = aiohttp.TCPConnector(limit=64), stage.url + OPENAI.path
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:

        async def ask(user: str) -> None:
            headers = {
                "authorization": f"Bearer {key}",
                "content-type": "application/json",
                "x-scrimp-user": user,
                "x-scrimp-cache": "no-store",
            }
            status = UNTOLD
            while status == UNTOLD:  # a disk that stands still: ask again, as every SDK does
                async with session.post(url, data=body, headers=headers) as answer:
                    await answer.read()
                    status = answer.status
            told[user, status] += 1

        for _ in range(EACH):
            for number in range(USERS):
                group.create_task(ask(f"new-{number}"))
    return told


def test_a_thousand_first_calls_of_new_users_are_each_held_to_a_budget() -> None:
    """One call each: of four at once exactly one is let in, for every user."""
    with staged() as stage:
        admin = AdminClient(stage.url)
        key = admin.make("/keys", {"name": "shop", "trusted": True})["secret"]
        admin.put("/budgets/each", {"end_user": "*", "calls": 1, "per": "lifetime"})
        told = asyncio.run(_all_at_once(stage, key))
        assert len(stage.sim.requests) == USERS
        for number in range(USERS):
            user = f"new-{number}"
            heard = {status: n for (whose, status), n in told.items() if whose == user}
            assert heard == {200: 1, 429: EACH - 1}, user
        standing = admin.get("/budgets/each/standing?scope=new-7")["items"]
        assert [one["used"] for one in standing] == ["1"]
