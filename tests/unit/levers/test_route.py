"""The lever's steps: where a call is sent, what is told, what happens when nothing comes of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from scrimp.calls import Call, Reply, ReplyFacts, Target
from scrimp.choosing import Wish
from scrimp.errors import UpstreamError
from scrimp.levers.route import ROUTE, Route
from scrimp.pipeline.chooser import Chosen
from scrimp.pipeline.router import Plan
from tests.support.core import attempt_of, call_of, numbers, reply_of, verdicts
from tests.support.routing import router

DEAR = Target("openai", "gpt-4o", "openai.chat")


@dataclass
class Told:
    """Chooses the offer of a name, and remembers what it hears."""

    name: str = "gpt-4o-mini"
    proven: bool = False
    heard: list[str] = field(default_factory=list)

    def choose(self, call: Call, plan: Plan) -> Chosen:
        """By name."""
        del call
        offer = next(one for one in plan.offers if one.name == self.name)
        return Chosen(offer, "told", {"p": 0.5}, proven=self.proven)

    def answered(self, call: Call, chosen: Chosen, reply: Reply) -> None:
        """Something came."""
        del call, chosen
        self.heard.append(f"answered {reply.status}")

    def unanswered(self, chosen: Chosen) -> None:
        """Nothing came."""
        self.heard.append(f"unanswered {chosen.offer.name}")


@dataclass
class Below:
    """The rest of the way: fails for models that it is told."""

    broken: tuple[str, ...] = ()
    error: BaseException = field(default_factory=lambda: UpstreamError("gone", status=500))
    calls: list[Call] = field(default_factory=list)

    async def __call__(self, call: Call) -> Reply:
        """One attempt."""
        self.calls.append(call)
        call.trace.attempts.append(attempt_of(target=call.target))
        if call.target.model in self.broken:
            raise self.error
        return reply_of()


def auto(**changes: object) -> Call:
    """Headed for the dear one."""
    body = {"model": "scrimp/auto", "messages": [{"role": "user", "content": "Hello"}]}
    return replace(call_of(body), **{"target": DEAR, "wish": Wish("auto"), **changes})


async def test_the_call_goes_where_was_chosen_and_headers_and_trace_say_why() -> None:
    """With every candidate and its expected cost."""
    told, below = Told(), Below()
    call = auto()
    await Route(router(), told)(call, below)
    assert [one.target.model for one in below.calls] == ["gpt-4o-mini"]
    assert call.trace.headers[ROUTE] == "gpt-4o-mini; told"
    line = numbers(call, "route")
    assert (line["to_model"], line["p"]) == ("gpt-4o-mini", 0.5)
    assert "gpt-4o=" in str(line["candidates"])
    assert told.heard == ["answered 200"]


async def test_a_model_that_fails_is_left_for_the_one_asked_for_unless_bytes_have_left() -> None:
    """What the first try cost stands against the route."""
    told, below = Told(), Below(broken=("gpt-4o-mini",))
    call = auto()
    await Route(router(), told)(call, below)
    assert [one.target.model for one in below.calls] == ["gpt-4o-mini", "gpt-4o"]
    assert verdicts(call, "route") == ["told", "went_back"]
    begun = auto()
    await begun.sink.start(200, ())
    with pytest.raises(UpstreamError):
        await Route(router(), Told())(begun, Below(broken=("gpt-4o-mini",)))


@pytest.mark.parametrize("error", [UpstreamError("gone", status=500), asyncio.CancelledError()])
async def test_a_call_that_ends_without_an_answer_asks_for_no_comparison(
    error: BaseException,
) -> None:
    """The chooser hears of it, whoever is to blame."""
    told = Told()
    below = Below(broken=("gpt-4o-mini", "gpt-4o"), error=error)
    with pytest.raises(type(error)):
        await Route(router(), told)(auto(), below)
    assert told.heard == ["unanswered gpt-4o-mini"]


async def test_a_call_that_was_put_off_teaches_nothing() -> None:
    """Its promise is no answer: nobody compares it, though an attempt had been made before."""
    told = Told()

    async def puts_off(call: Call) -> Reply:
        call.trace.attempts.append(attempt_of(target=call.target))
        return replace(reply_of(), status=202, served_by="defer", facts=ReplyFacts())

    reply = await Route(router(), told)(auto(), puts_off)
    assert (reply.status, told.heard) == (202, ["unanswered gpt-4o-mini"])


async def test_a_proven_choice_is_not_drafted_by_others_unless_the_call_asks_for_it() -> None:
    """A cascade below would be another policy than the one that was proven."""
    below = Below()
    await Route(router(), Told(proven=True))(auto(), below)
    await Route(router(), Told())(auto(), below)
    asked = auto(wish=Wish("auto", cascade=True))
    await Route(router(), Told(proven=True))(asked, below)
    assert [one.wish.cascade for one in below.calls] == [False, None, True]
