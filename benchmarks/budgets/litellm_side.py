"""LiteLLM's budgets under callers at once; runs in LiteLLM's own environment, prints JSON.

Usage: litellm_side.py WHICH CALLERS BUDGET_CALLS DELAY_S, in an empty folder. WHICH is `manager`
(its BudgetManager, used as its documentation shows) or `router` (its provider budgets). The
provider is LiteLLM's own mock with a delay; what was spent is the sum of its `completion_cost`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm  # type: ignore[import-not-found]

MODEL = "gpt-4o-mini"
_MESSAGES = [{"role": "user", "content": "Say nothing in particular, please."}]
_ROUNDS = 60

Ask = Callable[[], Awaitable[Any]]
"""One call: the answer, or None when the budget refuses it."""


def _words(delay_s: float) -> dict[str, Any]:
    return {"messages": _MESSAGES, "mock_response": "Nothing in particular.", "mock_delay": delay_s}


def manager(budget_usd: float, delay_s: float) -> Ask:
    """Look, call, book: the three steps of its documentation."""
    budgets = litellm.BudgetManager(project_name="bench")
    budgets.create_budget(total_budget=budget_usd, user="ana")

    async def ask() -> Any:
        if budgets.get_current_cost(user="ana") > budgets.get_total_budget("ana"):
            return None
        answer = await litellm.acompletion(model=MODEL, **_words(delay_s))
        budgets.update_cost(completion_obj=answer, user="ana")
        return answer

    return ask


def router(budget_usd: float, delay_s: float) -> Ask:
    """A budget for the provider of its one deployment."""
    routes = litellm.Router(
        model_list=[{"model_name": MODEL, "litellm_params": {"model": MODEL, "api_key": "none"}}],
        provider_budget_config={"openai": {"time_period": "1d", "budget_limit": budget_usd}},
        num_retries=0,
    )

    async def ask() -> Any:
        try:
            return await routes.acompletion(model=MODEL, **_words(delay_s))
        except Exception as error:
            if "budget" not in str(error).lower():
                raise
            return None

    return ask


async def main(which: str, callers: int, budget_calls: int, delay_s: float) -> None:
    """Spend until every caller is refused."""
    one = await litellm.acompletion(model=MODEL, **_words(0))
    cost_usd = litellm.completion_cost(one)
    ask = {"manager": manager, "router": router}[which](budget_calls * cost_usd, delay_s)
    spent_usd, calls = 0.0, 0

    async def caller() -> None:
        nonlocal spent_usd, calls
        for _ in range(_ROUNDS):
            answer = await ask()
            if answer is None:
                return
            calls += 1
            spent_usd += litellm.completion_cost(answer)

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
    print(json.dumps({"calls": calls, "share": spent_usd / (budget_calls * cost_usd)}))


if __name__ == "__main__":
    _, given_which, given_callers, given_calls, given_delay = sys.argv
    asyncio.run(main(given_which, int(given_callers), int(given_calls), float(given_delay)))
