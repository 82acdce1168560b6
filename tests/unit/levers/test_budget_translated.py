"""What is held for a call that is translated: the worst case of what its provider gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from scrimp.budgets.worst import WorstCase
from scrimp.calls import Call, Reply, Target
from scrimp.levers.budget import Budget, BudgetSettings, Measure
from scrimp.ports import Count
from scrimp.stores.memory_budgets import MemoryBudgets
from scrimp.targets import Provider, Targets
from scrimp.translation.translator import Translator
from tests.support.budgets import book, rules
from tests.support.core import FakeClock, LetterEncoder, call_of, chat_fields, reply_of
from tests.support.translating import CHAT, MESSAGES, PIXEL

HARD = '[budgets.all]\nusd = 1\nper = "day"\nhard = true\n'
CLAUDE = "claude-haiku-4-5"


class SeeingEncoder(LetterEncoder):
    """Counts nothing but remembers what it was shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Mapping[str, Any]]] = []

    async def count_request(self, model: str, fields: Mapping[str, Any], dialect: str) -> Count:  # noqa: ARG002 (the port's)
        """Remember."""
        self.seen.append((dialect, fields))
        return Count(1000, 1000, 1000, "seen")


async def test_an_image_is_held_as_its_provider_counts_it() -> None:
    """OpenAI and Anthropic count the same image otherwise; the way below gets the client's call."""
    clock, encoder = FakeClock(), SeeingEncoder()
    claude = Provider("anthropic", frozenset({MESSAGES}), lambda _: True)
    targets = Targets([claude], {}, {})
    translator = Translator(
        targets.spoken, lambda target: book().find(target.model, target.provider), ()
    )
    store = MemoryBudgets.open(clock)
    measure = Measure(WorstCase(book(), {}, {}), encoder, clock, translator.as_sent)
    lever = Budget(rules(HARD), store, measure, BudgetSettings(paths={}))
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    fields = chat_fields(messages=[{"role": "user", "content": [image]}]) | {"model": CLAUDE}
    call = replace(call_of(fields), target=Target("anthropic", CLAUDE, CHAT))
    below: list[Call] = []

    async def end(one: Call) -> Reply:
        below.append(one)
        return reply_of()

    await lever(call, end)
    assert below == [call]
    assert below[0].request is call.request
    ((dialect, counted),) = encoder.seen
    assert dialect == MESSAGES
    assert counted["messages"][0]["content"][0]["type"] == "image"
    held = next(line for line in call.trace.lines if line.lever == "budget")
    most = dict(held.numbers)["held_nanousd"]
    assert isinstance(most, int)
    assert most >= 64_000 * 5_000  # all that it may write: nobody set a limit
