"""`packed` of `scrimp.Scrimp`: many short questions under one context, several to a prompt."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Required, TypedDict, Unpack

from scrimp.client.asking import Answer, Question, ask
from scrimp.client.desk import Desk
from scrimp.client.engine import Engine
from scrimp.client.given import only, several, text_of
from scrimp.client.purses import purses_here
from scrimp.client.wrapping import Labels
from scrimp.errors import InvalidRequest
from scrimp.packing.tables import MOST_CALLS

PACK = 10
MAX_TOKENS = 100
_AT_ONCE = 200
"""So many questions at most are in the air."""


class PackOptions(TypedDict, total=False):
    """What may be said beside the questions; see `Scrimp.packed`."""

    context: Required[str]
    model: str
    max_tokens: int
    user: str
    task: str


class PackFace:
    """The part of `Scrimp` that asks several questions in one prompt."""

    _engine: Engine[Desk]

    def _model(self, asked: str) -> str:
        raise NotImplementedError

    def packed(
        self, questions: Iterable[str], *, pack: int = PACK, **options: Unpack[PackOptions]
    ) -> tuple[Answer, ...]:
        """Answers to short questions under one `context`, in their order, `pack` to a prompt.

        Each is a call of its own with its own part of usage and cost. What may not share a prompt
        (too long, not worth it), and what got no certain answer in company, is asked by itself.
        `max_tokens` bounds each answer (100). Raises what the first question raised that failed.
        """
        asked = self._asked(questions, pack, options)
        return self._engine.call(partial(_answers, asked=asked))

    async def apacked(
        self, questions: Iterable[str], *, pack: int = PACK, **options: Unpack[PackOptions]
    ) -> tuple[Answer, ...]:
        """The same, awaited."""
        asked = self._asked(questions, pack, options)
        return await self._engine.acall(partial(_answers, asked=asked))

    def _asked(
        self, questions: Iterable[str], pack: int, options: PackOptions
    ) -> tuple[Question, ...]:
        """Raises InvalidRequest."""
        only("packed", options, PackOptions)
        if type(pack) is not int or not 1 <= pack <= MOST_CALLS:
            raise InvalidRequest(f"pack is {pack}: a prompt holds 1 to {MOST_CALLS} questions")
        labels = Labels(options.get("user", ""), options.get("task", "")).headers()
        model, purses = self._model(options.get("model", "")), purses_here()
        most, context = (
            options.get("max_tokens", MAX_TOKENS),
            text_of("context", options.get("context")),
        )
        given = [
            text_of(f"question {at}", one) for at, one in enumerate(several("questions", questions))
        ]
        return tuple(
            Question(text, context, model, most, {**labels, **_company(size)}, purses)
            for group in _groups(given, pack)
            for text, size in ((text, len(group)) for text in group)
        )


def _groups(questions: Sequence[str], pack: int) -> Iterator[Sequence[str]]:
    for first in range(0, len(questions), pack):
        yield questions[first : first + pack]


def _company(size: int) -> dict[bytes, bytes]:
    """Leave with as many as there are: the last prompt waits for nobody."""
    return {b"x-scrimp-pack": b"off" if size == 1 else str(size).encode()}


async def _answers(desk: Desk, *, asked: Sequence[Question]) -> tuple[Answer, ...]:
    """All answers; when one question fails, the others are given up."""
    found: dict[int, Answer] = {}
    left = iter(enumerate(asked))

    async def work() -> None:
        for number, question in left:
            found[number] = await ask(desk.app, desk.intake, question, desk.paid)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(_AT_ONCE, len(asked))):
                group.create_task(work())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return tuple(found[number] for number in range(len(asked)))
