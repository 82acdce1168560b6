"""The way of a call: every lever, first to last, with the reason for its place.

`guards` also stand in the short chain, which control traffic and background calls take.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """One lever's place. `guard` is true for those that no call may go round."""

    name: str
    reason: str
    guard: bool = False


ORDER: tuple[Place, ...] = (
    Place("record", "sees everything, books the call whatever happens below", guard=True),
    Place("rate_limit", "refuse before any work, what is remembered included", guard=True),
    Place("watch", "sees calls that repeat before they are answered from memory", guard=True),
    Place("exact_cache", "a free answer before anything costs"),
    Place("coalesce", "equal calls in the air share one flight; what is remembered needs none"),
    Place("semantic_cache", "costs a look by meaning; what is known word for word needs none"),
    Place("degrade", "over a soft budget: catches the refusal from below and walks the ladder"),
    Place("trim", "a smaller call before a model is chosen for it: old turns go"),
    Place("compact", "the same for the texts of what is left"),
    Place("clamp_output", "and for the answer: before a model is chosen by what it will cost"),
    Place("route", "the cheapest model that will do, of those that the budget still bears"),
    Place("cascade", "cheap first, then checks: each step may still fall back"),
    Place("pack", "calls that go to one model share a prompt: one hold, one retry, one fallback"),
    Place("fallback", "another target after an error that retries did not mend", guard=True),
    Place("prefix_cache", "provider prompt caching; must see the shape of what is sent"),
    Place("defer", "what may wait leaves here, as it would be sent; below is only being sent"),
    Place("retry", "same target again, above the budget, so that each try is held", guard=True),
    Place("budget", "innermost: every paid attempt holds its worst case, then settles", guard=True),
)
