"""Runs the checks of a draft: those of this house, what was learned, a program's own functions.

Whatever breaks, hangs or cannot tell is `Unknown`: the cascade then asks on, and the trace says so.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import NamedTuple, Protocol

from scrimp.checks.named import CHECKS, run
from scrimp.checks.words import PASSED, Answer, Failed, Passed, Question, Unknown, Verdict
from scrimp.choosing import Place
from scrimp.pipeline.apart import in_a_thread
from scrimp.values import Value

CheckFunction = Callable[[str, str], "bool | Awaitable[bool | None] | None"]
"""A program's own check: question and answer in; None where it cannot tell."""


class Score(Value, frozen=True):
    """The chance that a draft will do, and the least with which it may be served.

    `certified` says whether that least is proven or only given; above 1 it is neither. `fit` is the
    version of what was learned, empty where nobody says.
    """

    chance: float
    least: float
    certified: bool = False
    fit: str = ""


class Scores(Protocol):
    """What was learned of answers."""

    def __call__(self, place: Place, model: str, question: str, answer: str) -> Score | None:
        """None where nothing was learned of that model there. Never raises."""
        ...


class Judged(NamedTuple):
    """What each check said of a draft, by its name; `score` where there is one."""

    verdicts: tuple[tuple[str, Verdict], ...]
    score: Score | None = None

    @property
    def failed(self) -> bool:
        """True where the draft is surely not what was asked for."""
        return any(isinstance(verdict, Failed) for _, verdict in self.verdicts)

    @property
    def passed(self) -> bool:
        """True where every check passed, and there was one."""
        return bool(self.verdicts) and all(isinstance(v, Passed) for _, v in self.verdicts)

    @property
    def why(self) -> str:
        """What stands against the draft: the first check that failed, or cannot tell."""
        told = [(n, v) for n, v in self.verdicts if not isinstance(v, Passed)]
        name, verdict = min(told, key=lambda one: isinstance(one[1], Unknown), default=("", PASSED))
        return "" if isinstance(verdict, Passed) else f"{name}: {verdict.why}"


class Draft(NamedTuple):
    """What is judged: an answer, to what, by which model, on which route."""

    question: Question
    answer: Answer
    place: Place
    model: str


class Checker:
    """`functions` are a program's own checks by name, `accept` the least score that is given."""

    def __init__(
        self,
        functions: Mapping[str, CheckFunction],
        scores: Scores | None,
        *,
        limit_s: float,
        accept: float | None = None,
    ) -> None:
        self._functions = functions
        self._scores = scores
        self._limit_s = limit_s
        self._accept = accept

    async def __call__(self, draft: Draft, checks: tuple[tuple[str, str], ...]) -> Judged:
        """What the checks say, `agreement` apart; the first failure spares the rest."""
        found: list[tuple[str, Verdict]] = []
        score: Score | None = None
        for name, argument in checks:
            if name in CHECKS:
                verdict = run(name, draft.question, draft.answer, argument)
            elif name == "score":
                score, verdict = self._scored(draft, argument)
            elif name == "function":
                verdict = await self._own(draft, argument)
            else:
                continue
            found.append((name, verdict))
            if isinstance(verdict, Failed):
                break
        return Judged(tuple(found), score)

    def _scored(self, draft: Draft, argument: str) -> tuple[Score | None, Verdict]:
        """A low score is no proof that the draft is wrong: it cannot tell."""
        found = None
        if self._scores is not None:
            text = draft.question.text
            found = self._scores(draft.place, draft.model, text, draft.answer.text)
        if found is None:
            return None, Unknown("nothing was learned of this model here")
        given = float(argument) if argument else self._accept
        least = found.least if given is None else given
        certified = found.certified and given is None
        score = Score(found.chance, least, certified, found.fit)
        if found.chance >= least:
            return score, PASSED
        short = f"{found.chance:.3f} of {least:.3f}"
        return score, Unknown(short if least <= 1 else "no least score is proven, and none given")

    async def _own(self, draft: Draft, argument: str) -> Verdict:
        function = self._functions.get(argument)
        if function is None and not argument and len(self._functions) == 1:
            function = next(iter(self._functions.values()))
        if function is None:
            return Unknown(f"there is no function '{argument[:40]}'")
        try:
            async with asyncio.timeout(self._limit_s):
                said = await _answered(function, draft.question.text, draft.answer.text)
        except TimeoutError:
            return Unknown(f"nothing within {self._limit_s:g} s")
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():  # the call itself is over
                raise
            return Unknown("broke (CancelledError)")
        except (Exception, SystemExit) as error:  # noqa: BLE001 (a stranger's function: it asks on)
            return Unknown(f"broke ({type(error).__name__})")
        if said is None:
            return Unknown("cannot tell")
        return PASSED if said else Failed("said no")


async def _answered(function: CheckFunction, question: str, answer: str) -> bool | None:
    """A plain function runs in a thread of its own: one that hangs holds up nobody, and no exit."""
    if inspect.iscoroutinefunction(function):
        said = await function(question, answer)
    else:
        said = await in_a_thread("scrimp check", partial(function, question, answer))
        if inspect.isawaitable(said):
            said = await said
    if said is not None and said not in (True, False):  # a text, a generator: no word of its own
        raise TypeError(f"a check says True, False or None, not {type(said).__name__}")
    return None if said is None else bool(said)
