"""What is done with an answer that was cut at a limit which the client has not set.

It is gone on with where its model goes on with its own text, a bounded number of times, and joined;
else it may be asked for again without the limit. Nothing is asked once bytes have left for the
client. What cannot be had (a budget is used up, a provider fails) leaves the answer as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple

from msgspec.structs import replace

from scrimp.calls import Call, HeldSink, Reply, Target
from scrimp.choosing import ITSELF
from scrimp.clamping import continuing
from scrimp.clamping.continuing import How
from scrimp.dialects.base import Dialect
from scrimp.dialects.json_body import encode
from scrimp.errors import Rejected, UpstreamError
from scrimp.ledger.joined import part
from scrimp.ledger.steps import served_after_all, served_of, unserved
from scrimp.ports import Next

CONTINUED = "x-scrimp-continued"
"""The header of an answer that was cut and is whole: in how many parts, or asked for again."""


class Cut(NamedTuple):
    """A call as the client meant it, and the limit that was set beside it (None: none).

    `own` is the client's own limit, which all parts together keep.
    """

    call: Call
    limit: int | None
    own: int | None


class Mender:
    """`spoken` and `vendor` know providers; without `again` nothing is asked for twice."""

    name: ClassVar[str] = "clamp_output"

    def __init__(
        self,
        spoken: Callable[[str, str], str],
        vendor: Callable[[str], str],
        dialects: Mapping[str, Dialect],
        *,
        continues: int,
        again: bool,
    ) -> None:
        self._spoken = spoken
        self._vendor = vendor
        self._dialects = dialects
        self._continues = continues
        self._again = again

    async def mend(self, cut: Cut, reply: Reply, next: Next) -> Reply:
        """The whole answer, or as much of it as could be had."""
        for number in range(self._continues):
            if reply.facts.finish != "truncated":
                break
            step = self._next_part(cut, reply)
            if isinstance(step, str):
                cut.call.trace.note(self.name, "cannot_continue", {"why": step})
                if number == 0 and self._again and cut.limit is not None:
                    return await self._asked_again(cut, reply, next)
                break
            more = await self._part(cut, reply, step, next)
            if more is None:
                break
            reply = more
            cut.call.trace.headers[CONTINUED] = f"in {number + 2} parts"
        return reply

    def _next_part(self, cut: Cut, reply: Reply) -> tuple[Call, str, How] | str:
        """The call for the next part, the text so far, and how it is gone on with; or why not."""
        call, request = cut.call, cut.call.request
        dialect, served = self._dialects[call.target.dialect], _served(call)
        if why := continuing.why_not(request.fields, dialect.name):
            return why
        spoken = self._spoken(served.provider, dialect.name)
        vendor = self._vendor(served.provider)
        how, why = continuing.how_to_go_on(dialect.name, spoken, vendor, served.model)
        if how is None:
            return why
        body = reply.body or b""
        body = dialect.from_stream(body) if reply.framing == "sse" else body
        said = continuing.cut_text(body, dialect.name)
        if said is None:
            return "it is not one plain text"
        left = None if cut.own is None else cut.own - _written(reply)
        if left is not None and left <= 0:
            return f"the client's own limit of {cut.own} tokens is reached"
        fields = continuing.going_on(request.fields, said, how, left)
        if fields is None:
            return "the conversation ends with an answer already"
        there = Target(served.provider, served.model, call.target.dialect)
        return (
            replace(
                call,
                request=replace(
                    request, body=encode(fields), fields=fields, max_output_tokens=left
                ),
                target=there,
                sink=HeldSink(),
                wish=replace(ITSELF, brief=call.wish.brief),
            ),
            said,
            how,
        )

    async def _part(
        self, cut: Cut, reply: Reply, step: tuple[Call, str, How], next: Next
    ) -> Reply | None:
        """Both parts as one; None where the next one could not be had."""
        there, said, how = step
        trace, before = cut.call.trace, _number(cut.call)
        trace.note(self.name, "continued", {**part(before), "characters": len(said)})
        first, why = len(trace.attempts), "the parts do not fit"
        try:
            more = await next(there)
        except (UpstreamError, Rejected) as error:
            why = type(error).__name__
        else:
            dialect = self._dialects[there.target.dialect]
            whole = continuing.joined(
                (reply, more),
                said,
                dialect,
                repeats=how == "prefix"
                and self._spoken(there.target.provider, dialect.name) == dialect.name,
            )
            if whole is not None:
                return whole
        trace.note(self.name, "kept", served_after_all(before, before + 1))
        trace.note(self.name, "not_continued", {**unserved(first, len(trace.attempts)), "why": why})
        return None

    async def _asked_again(self, cut: Cut, reply: Reply, next: Next) -> Reply:
        """The same call without the limit; the first answer was made in vain."""
        trace, before = cut.call.trace, _number(cut.call)
        trace.note(self.name, "asked_again", unserved(before, before + 1))
        first = len(trace.attempts)
        try:
            whole = await next(cut.call)
        except (UpstreamError, Rejected) as error:
            told = {**unserved(first, len(trace.attempts)), "why": type(error).__name__}
            trace.note(self.name, "kept", served_after_all(before, before + 1))
            trace.note(self.name, "not_answered", told)
            return reply
        trace.headers[CONTINUED] = "asked again"
        return whole


def _served(call: Call) -> Target:
    """Who gave the answer."""
    found = served_of(call.trace.attempts, call.trace.lines)
    return call.target if found is None else found.target


def _number(call: Call) -> int:
    """Which attempt gave the answer."""
    attempts = call.trace.attempts
    found = served_of(attempts, call.trace.lines)
    return next((at for at, one in enumerate(attempts) if one is found), len(attempts))


def _written(reply: Reply) -> int:
    usage = reply.facts.usage
    return 0 if usage is None else usage.total_output_tokens
