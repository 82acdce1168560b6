"""Two calls that leave the model to Scrimp, and one whose provider is down, after the day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scrimp.demo.broken import Newest
from scrimp.demo.stage import ATTEMPTS, Stage

DEAR, CHEAP, OTHER = "gpt-4o", "gpt-4o-mini", "claude-haiku-4-5"
_EASY = "What is the capital of Peru?"
_HARD = "Prove that the square root of two is irrational, step by step."
_URGENT = "Which tram goes to the harbour tonight? One line."


@dataclass(frozen=True, slots=True)
class Routed:
    """Who answered the easy question, the hard one, and the one in the place of who was down."""

    easy_by: str
    easy_saved_nanousd: int
    hard_by: str
    instead_by: str

    @property
    def good(self) -> bool:
        """True when each went where it should."""
        cheaper = self.easy_by == CHEAP and self.easy_saved_nanousd > 0
        return cheaper and self.hard_by == DEAR and self.instead_by == OTHER


async def leave_it_to_scrimp(stage: Stage, books: Newest, clients: Any) -> Routed:
    """Ask. `clients` is an open `demo.clients.Clients`. Raises ScrimpError and StoreError."""
    for model, question in (("scrimp/auto", _EASY), ("scrimp/auto", _HARD), (DEAR, _URGENT)):
        if question == _URGENT:
            await stage.take_down(attempts=ATTEMPTS)
        fields = {
            "model": model,
            "max_completion_tokens": 100,
            "messages": [{"role": "user", "content": question}],
        }
        await clients.headers_of(fields, tag="demo:routed")
    await stage.settled()
    instead, hard, easy = books.recent(3)
    saved = dict(easy.saved).get("route", 0)
    return Routed(easy.model, saved, hard.model, instead.model)
