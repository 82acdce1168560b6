"""Which line of instructions a call gets that asks for a shorter answer, and what it costs.

A conversation keeps what its first turn was given, so that a prefix that the provider has cached is
not broken. A line that is expected to cost more than it saves is refused, and the client told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

from cachetools import LRUCache
from msgspec.structs import replace

from scrimp.calls import Call, Reply
from scrimp.clamping import limits, placing
from scrimp.clamping.outputs import Key, Outputs
from scrimp.clamping.presets import Brief, brief_of
from scrimp.clamping.worth import Expected, Prices, expected, line_tokens
from scrimp.ledger.smaller import SMALLER, saved_line
from scrimp.ledger.steps import served_of
from scrimp.money import PICO_PER_NANO
from scrimp.tasks import classify

BRIEF = "x-scrimp-brief"
"""The header of a call that asks for a short answer: the preset, or why it was refused."""
_THREADS = 4_096
_CHARACTERS_PER_TOKEN = 4

Terms = Callable[[Call], Prices | None]
"""What a token of a call costs; None where nobody knows."""


class Line(NamedTuple):
    """A preset, and the fields of the call with its line."""

    brief: Brief
    fields: dict[str, Any]


def key_of(call: Call, brief: str = "") -> Key:
    """Under which a call's length is remembered."""
    target, effort = call.target, limits.effort_of(call.request.fields)
    return Key(call.caller.tenant, call.task.name, target.provider, target.model, effort, brief)


class Briefing:
    """`presets` are those of the settings, by task; `most` their limits, by task."""

    name: ClassVar[str] = "clamp_output"

    def __init__(
        self,
        outputs: Outputs,
        terms: Terms,
        presets: Mapping[str, Brief],
        most: Mapping[str, int],
    ) -> None:
        self._outputs = outputs
        self._terms = terms
        self._presets = presets
        self._most = most
        self._threads: LRUCache[int, str] = LRUCache(_THREADS)

    def line(self, call: Call) -> Line | None:
        """None where nothing is asked for, or not worth it; trace and header say what was done."""
        if not call.wish.brief and not self._presets:
            return None
        first, answered = placing.opening(call.request.fields, call.target.dialect)
        thread = hash((call.caller.tenant, call.target.model, first))
        known = self._threads.get(thread) if answered else None
        brief = self._chosen(call, first, known, answered=answered)
        told = None
        if brief is not None:
            told = placing.instructed(call.request.fields, call.target.dialect, brief.text)
        self._threads[thread] = "" if brief is None or told is None else brief.name
        if brief is None or told is None:
            return None
        call.trace.headers[BRIEF] = brief.name
        return Line(brief, told)

    def book(self, call: Call, brief: Brief, reply: Reply) -> None:
        """What the line itself has cost: how long the answer would have been nobody knows."""
        served = served_of(call.trace.attempts, call.trace.lines)
        if served is None or served.cost.basis != "usage" or reply.facts.usage is None:
            return
        there = replace(call, target=replace(served.target, dialect=call.target.dialect))
        if (prices := self._terms(there)) is None:
            return
        tokens = line_tokens(brief)
        nanousd = -(-tokens * prices.fresh // PICO_PER_NANO)
        call.trace.note(self.name, SMALLER, saved_line(self.name, -tokens, -nanousd))

    def _chosen(self, call: Call, first: str, known: str | None, *, answered: bool) -> Brief | None:
        """That of the call, else of the conversation so far, else of its task."""
        own = call.wish.brief
        if own:
            brief = brief_of(own)
        elif known is not None:
            brief = brief_of(known)
        else:
            brief = self._presets.get(_task(call, first, answered=answered))
        if brief is None:
            return None
        if why := _unfit(brief, call):
            self._refused(call, {"brief": brief.name, "why": why}, why)
            return None
        if not own and known is not None:
            call.trace.note(self.name, "brief", {"brief": brief.name, "as": "before"})
            return brief
        return self._paid(call, brief, broken=known is not None and known != brief.name)

    def _paid(self, call: Call, brief: Brief, *, broken: bool) -> Brief | None:
        """The preset where its line is worth what it costs, or nobody knows."""
        prices = self._terms(call)
        numbers: dict[str, int | float | str] = {"brief": brief.name}
        if prices is None:
            call.trace.note(self.name, "brief", {**numbers, "price": "unknown"})
            return brief
        limits_known = (call.request.max_output_tokens, self._most.get(call.task.name))
        plain, told = self._outputs.of(key_of(call)), self._outputs.of(key_of(call, brief.name))
        worth = expected(
            brief,
            prices,
            (plain, told),
            limit=min([one for one in limits_known if one], default=None),
            broken_tokens=len(call.request.body) // _CHARACTERS_PER_TOKEN if broken else 0,
        )
        numbers |= _numbers(worth)
        if worth.picousd < 0 and not brief.always:
            why = "it would cost more than it saves"
            self._refused(call, {**numbers, "why": why}, why)
            return None
        call.trace.note(self.name, "brief", numbers)
        return brief

    def _refused(self, call: Call, numbers: Mapping[str, int | float | str], why: str) -> None:
        call.trace.note(self.name, "brief_refused", numbers)
        call.trace.headers[BRIEF] = f"refused: {why}"


def _task(call: Call, first: str, *, answered: bool) -> str:
    """Of a conversation the task of its first question: the newest one's may change with each."""
    if answered and call.task.source == "classifier" and first:
        return classify(first)
    return call.task.name


def _unfit(brief: Brief, call: Call) -> str:
    """Why a call must not be told this; empty where it may."""
    request = call.request
    if request.stateful:
        return "the conversation is the provider's"
    if brief.kind in ("json", "object", "code"):
        if placing.has_form(request.fields):
            return "the call has its own form"
        if request.fields.get("tools"):
            return "the call has tools"
    return ""


def _numbers(worth: Expected) -> dict[str, int | float | str]:
    return {
        "expected_tokens": worth.after,
        "instead_of": worth.before,
        "worth_picousd": worth.picousd,
    }
