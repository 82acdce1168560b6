"""What holds for a call: the settings, the user's rules and the call's own wish, in one. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from scrimp.calls import Call
from scrimp.choosing import Depth, Wish
from scrimp.routing.by_rules import Rule, Subject, first_rule
from scrimp.routing.question import Asked
from scrimp.routing.tables import RouteSection, usual_wish
from scrimp.routing.wishes import chooses, demands
from scrimp.values import Value


class Wanted(Value, frozen=True):
    """`own` is True where the call names a model of its own, from which it only moves down.

    With `stays` it does not move at all: filters say whether its own model may answer it. `rule` is
    the first of the user's that fits, and its number from 1.
    """

    wish: Wish
    depth: Depth
    own: bool
    stays: bool = False
    rule: Rule | None = None


def wanted(wish: Wish, section: RouteSection, subject: Subject, *, own: bool) -> Wanted | None:
    """None where the choice of the model is none of Scrimp's business."""
    stays, asks = Wanted(wish, "rules", own, stays=True) if demands(wish) else None, chooses(wish)
    if wish.mode == "off" or (not asks and (section.calls == "auto" or not section.enabled)):
        return stays
    found = first_rule(subject, section.rules)
    if found is not None and found[1].off and not asks:
        return stays
    if wish.mode == "default":
        wish = replace(wish, mode="auto")
    if wish.max_loss is None and wish.floor is None and wish.budget_nanousd is None:
        usual = usual_wish(section)
        wish = replace(
            wish, max_loss=usual.max_loss, floor=usual.floor, budget_nanousd=usual.budget_nanousd
        )
    # who says "cheap", "fast" or a rung has chosen; who has a rule of their own, too
    chosen = wish.mode == "cheap" or wish.low_latency or wish.rung is not None or wish.constrained
    ruled = found is not None and bool(found[1].model or found[1].rung)
    depth: Depth = wish.depth or ("rules" if chosen or ruled else section.depth)
    return Wanted(wish, depth, own, rule=found)


def subject_of(call: Call, asked: Asked) -> Subject:
    """What rules look at of a call."""
    caller = call.caller
    return Subject(
        text=asked.text,
        task=call.task.name,
        asked=call.request.model,
        key=caller.key,
        team=caller.team,
        tags=caller.tags,
        input_tokens=asked.input_tokens,
        tools=asked.tools,
    )
