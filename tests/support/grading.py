"""A grading judge by script: reads the names and texts that it is shown, and answers as told."""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec.structs import replace

from scrimp.calls import Booked, Call, Cost, Reply
from scrimp.dialects import DIALECTS
from tests.support.core import answer_fields, reply_of

_LABELS = re.compile(r"(\w+)=GRADE (\w+)=GRADE")

Say = Callable[[tuple[str, str], tuple[str, str]], str]
"""What is said of two names and the two texts under them, in the order in which they stand."""


def by_text(**worth: int) -> Say:
    """An honest judge: grades an answer by its first word."""

    def say(labels: tuple[str, str], texts: tuple[str, str]) -> str:
        told = zip(labels, (worth[text.split()[0]] for text in texts), strict=True)
        return " ".join(f"{label}={grade}" for label, grade in told)

    return say


def shown(system: str, user: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Names and texts of the two answers in a judge's prompt."""
    found = _LABELS.search(system)
    assert found, system
    parts = re.split(r"\n\n(?=\[\S+ answer \w+\]\n)", user)[1:]
    one, two = (part.split("]\n", 1)[1].rpartition("\n[")[0] for part in parts)
    return (found[1], found[2]), (one, two)


class Grader:
    """Implements `Next`: keeps the calls, books what each has cost."""

    def __init__(
        self, say: Say, *, finish: str = "stop", model: str = "claude-haiku-4-5-20251001"
    ) -> None:
        self.calls: list[Call] = []
        self._say = say
        self._finish = finish
        self._model = model

    async def __call__(self, call: Call) -> Reply:
        """Answer, and book."""
        self.calls.append(call)
        call.trace.booked = Booked(Cost.exact(100, price_version="t", lines=()), 0)
        system, user = (turn["content"] for turn in call.request.fields["messages"])
        said = self._say(*shown(system, user))
        body = answer_fields(said, finish=self._finish)
        facts = replace(DIALECTS["openai.chat"].read_reply(body), model=self._model)
        return reply_of(body=body, facts=facts)
