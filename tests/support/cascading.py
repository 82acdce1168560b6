"""A cascade over a provider by script: answers and errors by model, what was asked and taught."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec.structs import replace

from scrimp.calls import FREE_COST, Call, Finish, Reply, ReplyFacts, Target
from scrimp.choosing import Lesson
from scrimp.dialects import DIALECTS
from scrimp.dialects.json_body import encode
from scrimp.errors import UpstreamError
from scrimp.levers.cascade import Cascade, CascadeMeans
from scrimp.pipeline.accepting import Acceptor
from scrimp.pipeline.cascade_books import CascadeBooks, Taught
from scrimp.pipeline.cascade_plan import CascadeSettings, Steps
from scrimp.pipeline.checking import Checker, CheckFunction, Score
from scrimp.routing.stop_loss import StopLoss
from tests.support.core import (
    USAGE,
    FakeClock,
    attempt_of,
    call_of,
    chat_fields,
    flat_price,
    reply_of,
)

CHEAP = Target("openai", "cheap", "openai.chat")
MID = Target("openai", "mid", "openai.chat")
OTHER = Target("openai", "other", "openai.chat")
TARGETS = {"cheap": CHEAP, "mid": MID, "other": OTHER}
GOOD = "The answer is 4, since 2 + 2 = 4."
BAD = "The answer is 5, since 2 + 2 = 5."
SUMS = (("arithmetic", ""),)
CHEAP_FIRST = Steps(("cheap",), SUMS)


def answering(text: str, finish: Finish = "complete", **changes: Any) -> Reply:
    """A whole reply that says this."""
    body = encode(
        {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text},
                    "finish_reason": "stop",
                }
            ],
        }
    )
    facts = ReplyFacts(usage=USAGE, model="m", finish=finish, complete=True)
    return reply_of(body=body, facts=facts, **changes)


Answers = Mapping[str, Reply | BaseException]


class Provider:
    """What lies below: an answer or an error by model, one attempt each."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.seen: list[Call] = []
        self.meanwhile: Callable[[Call], Awaitable[None]] | None = None

    async def __call__(self, call: Call) -> Reply:
        """One attempt; chunks go to a live sink as they would."""
        model = call.target.model
        self.asked.append(model)
        self.seen.append(call)
        assert not call.sink.begun, "nothing may be asked once bytes of this call have left"
        if self.meanwhile is not None:
            await self.meanwhile(call)
        answer = self.answers[model]
        if isinstance(answer, BaseException):
            if isinstance(answer, UpstreamError):
                call.trace.attempts.append(
                    attempt_of(target=call.target, outcome="failed", usage=None, cost=FREE_COST)
                )
            raise answer
        price = {"cheap": 1, "mid": 3, "other": 1}.get(model, 13)
        cost = replace(flat_price(USAGE, call.target, call.started_at, ""), nanousd=price)
        call.trace.attempts.append(attempt_of(target=call.target, cost=cost))
        if call.sink.live and call.request.stream:
            await call.sink.start(200, ())
            await call.sink.write(b"live")
        return answer


class ListLessons:
    """Implements `Lessons`."""

    def __init__(self) -> None:
        self.all: list[Lesson] = []

    def add(self, lesson: Lesson) -> None:
        """Keep it."""
        self.all.append(lesson)


def scoring(chance: float) -> Checker:
    """One that has learned this."""
    return Checker({}, lambda *_: Score(chance, 0.7), limit_s=5.0)


def judged_by(function: CheckFunction, limit_s: float = 30.0) -> Checker:
    """One with a program's own check."""
    return Checker({"mine": function}, None, limit_s=limit_s)


class Kitchen:
    """A cascade over a provider by script."""

    def __init__(
        self,
        answers: Answers,
        *,
        steps: Steps = CHEAP_FIRST,
        checker: Checker | None = None,
        stop: StopLoss | None = None,
        acceptor: Acceptor | None = None,
        **settings: Any,
    ) -> None:
        self.provider = Provider(answers)
        self.clock = FakeClock()
        self.lessons = ListLessons()
        self.cheaper: Callable[[str], bool] = lambda _: True

        def ladder(call: Call, names: tuple[str, ...]) -> tuple[Target, ...]:
            del call
            return tuple(TARGETS[name] for name in names if self.cheaper(name))

        means = CascadeMeans(
            ladder=ladder,
            checker=checker or Checker({}, None, limit_s=5.0),
            books=CascadeBooks(flat_price, self.clock, stop),
            clock=self.clock,
            dialects=DIALECTS,
            taught=Taught(self.lessons, lambda *_: b"f", "v"),
            acceptor=acceptor,
        )
        self.lever = Cascade(means, CascadeSettings(steps=steps, **settings))

    async def ask(self, call: Call) -> Reply:
        """One call."""
        return await self.lever(call, self.provider)


def asking(**changes: Any) -> Call:
    """A call for the dear model."""
    return call_of(chat_fields(model="dear"), **changes)


def answer_in(reply: Reply) -> str:
    """Its text."""
    return "".join(DIALECTS["openai.chat"].reply_texts(reply.body or b""))
