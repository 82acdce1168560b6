"""Budgets of calls that wait: the worst case is held all the time, then settled by the bill."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import openai
import pytest

from tests.support.defer import FAST, deferring, ended, fetch, openai_at, put_off
from tests.support.stage import Stage, until

SLOW = FAST.replace("gather_s = 0.05", "gather_s = 3600")


def budget(usd: str) -> str:
    """Everybody's, for a day."""
    return f'[budgets.ci]\nusd = "{usd}"\nper = "day"\n'


def standing(stage: Stage) -> dict[str, Any]:
    """How the one budget stands."""
    status, told = fetch(stage, "/v1/scrimp/budget")
    assert status == 200, told
    (found,) = told["budgets"]
    shown: dict[str, Any] = found
    return shown


def test_a_job_is_held_until_its_answer_settles_it() -> None:
    """At the worst case first; then what the batch took is used, and nothing is held."""
    fast = FAST.replace("gather_s = 0.05", "gather_s = 2")
    with deferring(fast=fast, top=budget("1")) as stage, openai_at(stage) as client:
        job_id = put_off(client, max_tokens=100)
        held = Decimal(standing(stage)["held"])
        ended(stage, job_id)
        until(lambda: Decimal(standing(stage)["held"]) == 0, limit_s=30)
        used = Decimal(standing(stage)["used"])
        assert used == Decimal(stage.sim.bill.total_nanousd) / 10**9
        assert held >= 2 * used > 0


def test_what_waits_leaves_no_room_for_more() -> None:
    """A job holds its worst case for as long as it waits, so the next one is refused at once."""
    with (
        deferring(fast=SLOW, top=budget("0.0001")) as stage,
        openai_at(stage) as client,
    ):
        put_off(client, max_tokens=100)
        with pytest.raises(openai.RateLimitError, match="budget 'ci'"):
            put_off(client, "Another one?", max_tokens=100)
        assert stage.sim.requests == ()


def test_a_job_that_is_called_off_gives_its_hold_back() -> None:
    """Nothing is used then."""
    with deferring(fast=SLOW, top=budget("1")) as stage, openai_at(stage) as client:
        job_id = put_off(client, max_tokens=100)
        assert fetch(stage, f"/v1/scrimp/jobs/{job_id}/cancel", method="POST")[0] == 200
        until(lambda: Decimal(standing(stage)["held"]) == 0, limit_s=30)
        assert Decimal(standing(stage)["used"]) == 0


def test_what_is_asked_alone_is_held_and_settled_once() -> None:
    """Its first hold goes when the second one comes; what is used is what was billed."""
    with deferring(top=budget("1")) as stage, openai_at(stage) as client:
        stage.sim.fault("item-errors=1:path=/v1/batches")
        job_id = put_off(client, max_tokens=100)
        (told,) = ended(stage, job_id)
        assert told["status"] == "done"
        until(lambda: Decimal(standing(stage)["held"]) == 0, limit_s=30)
        used = Decimal(standing(stage)["used"])
        assert used == Decimal(stage.sim.bill.total_nanousd) / 10**9 > 0
