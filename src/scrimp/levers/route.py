"""Send a call to the cheapest model that will do.

It starts at the model that was asked for (for `scrimp/auto`: the reference) and moves only as far
as rules, or evidence, allow. Hard filters come first. When the chosen model fails before anything
was sent, or choosing itself breaks, the call goes where it was headed, unless a filter forbids
that: routing makes no call fail that would have succeeded.
"""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import quote

from msgspec.structs import replace

from scrimp.calls import Call, Reply
from scrimp.errors import InvalidRequest, Rejected, Unavailable, UpstreamError
from scrimp.ledger.steps import same_place, sent_to, served_of, unserved
from scrimp.ledger.waited import promised
from scrimp.pipeline.chooser import Chooser, Chosen, as_asked
from scrimp.pipeline.router import Plan, Router
from scrimp.ports import Next
from scrimp.routing.wishes import is_choice, kept_by_filters_only

ROUTE = "x-scrimp-route"
"""Names the model that was chosen, and why."""
_PLAIN = "/:@+=, "
"""What stands in names of models as it is. A header has no other letters than Latin ones."""


class Route:
    """Implements `Lever`."""

    name: ClassVar[str] = "route"
    fail_closed: ClassVar[bool] = False

    def __init__(self, router: Router, chooser: Chooser) -> None:
        self._router = router
        self._chooser = chooser

    async def __call__(self, call: Call, next: Next) -> Reply:
        """Raises InvalidRequest where the filters leave no model, Unavailable where they break."""
        plan = self._plan(call)
        if plan is None:
            return await next(call)
        chosen = self._choose(call, plan)
        self._tell(call, plan, chosen)
        if _undrafted(call, chosen):
            call = replace(call, wish=replace(call.wish, cascade=False))
        try:
            reply = await self._ask(call, next, plan, chosen)
        except BaseException:
            self._chooser.unanswered(chosen)
            raise
        if promised(reply):  # a job: nothing was answered, so that there is nothing to judge
            self._chooser.unanswered(chosen)
            return reply
        served = served_of(call.trace.attempts, call.trace.lines)
        usage = reply.facts.usage
        if served is not None and usage is not None and reply.facts.complete:
            conversation, task = plan.asked.conversation, call.task.name
            self._router.seen.answered(conversation, served.target, task, usage.total_output_tokens)
        self._chooser.answered(call, chosen, reply)
        return reply

    def _plan(self, call: Call) -> Plan | None:
        """What breaks here costs the choice, never a demand that only a filter keeps."""
        try:
            return self._router.plan(call)
        except Rejected:
            raise
        except Exception as error:
            model, wish = call.request.model, call.wish
            if is_choice(model):  # it is headed for one of its own list
                wish = replace(wish, models=())
            if said := kept_by_filters_only(wish, model):
                raise Unavailable(
                    f"what this call says of '{said}' cannot be checked now ({type(error).__name__}"
                    f" while choosing a model): leave '{said}' out, or name a model that keeps it"
                ) from error
            raise  # the guard passes it on to where it is headed

    def _choose(self, call: Call, plan: Plan) -> Chosen:
        """By the chooser; where that breaks, the one asked for, which no draft stands in for."""
        try:
            return self._chooser.choose(call, plan)
        except Exception as error:  # noqa: BLE001 (else the guard asks whom a filter has removed)
            broken = as_asked(plan, "broke")
            return replace(broken, numbers={"error": type(error).__name__}, proven=True)

    async def _ask(self, call: Call, next: Next, plan: Plan, chosen: Chosen) -> Reply:
        """Of the chosen one, else of the one that the call was headed for where it may go there."""
        target, trace = chosen.offer.target, call.trace
        if same_place(target, call.target):
            return await next(call)
        first = len(trace.attempts)
        try:
            return await next(replace(call, target=target))
        except (UpstreamError, InvalidRequest) as error:  # that model's, or in no words of its own
            if call.sink.begun or call.wish.required or not _may_go_back(call, plan):
                raise
            tried = unserved(first, len(trace.attempts))
            status = error.status if isinstance(error, UpstreamError) else 400
            trace.note(self.name, "went_back", {**tried, "status": status})
            trace.headers[ROUTE] = f"{_said(call.target.model)}; {_said(chosen.offer.name)} failed"
        return await next(call)

    def _tell(self, call: Call, plan: Plan, chosen: Chosen) -> None:
        """In the trace and, before anything is sent, in the headers."""
        target = chosen.offer.target
        moved = {} if same_place(target, call.target) else sent_to(target)
        numbers = {
            **moved,
            "model": chosen.offer.name,
            **chosen.numbers,
            "candidates": _listed(plan),
        }
        if plan.removed:
            numbers["removed"] = ",".join(f"{name}:{why}" for name, why in plan.removed)
        call.trace.note(self.name, chosen.why, numbers)
        call.trace.headers[ROUTE] = f"{_said(chosen.offer.name)}; {chosen.why}"


def _undrafted(call: Call, chosen: Chosen) -> bool:
    """Drafts would be another policy than a proven one."""
    return chosen.proven and call.wish.cascade is None


def _may_go_back(call: Call, plan: Plan) -> bool:
    """False where a filter has removed what the call was headed for: its word is absolute."""
    return any(same_place(offer.target, call.target) for offer in plan.offers)


def _said(name: str) -> str:
    """A name for a header: aliases may be written in any letters."""
    return quote(name, safe=_PLAIN)


def _listed(plan: Plan) -> str:
    """Every candidate with what it is expected to cost, in nano-dollars."""
    return ",".join(
        f"{one.name}={'unknown' if one.cost_nanousd is None else one.cost_nanousd}"
        for one in plan.offers
    )
