"""Tell the provider's prefix cache what comes back, where reads are expected to pay for it.

A call that says itself how it is cached is never touched. A provider that refuses a field gets it
no more, and that call is sent again as it came.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

from msgspec.structs import replace

from scrimp.calls import Call, Reply
from scrimp.errors import UpstreamError
from scrimp.ledger.marked import by_itself
from scrimp.ledger.marked import marked as marks_in
from scrimp.ports import Clock, Next
from scrimp.prefixes.planning import Plan, Prices, plan
from scrimp.prefixes.prompt import encoded, prompt_of
from scrimp.prefixes.rules import Rules
from scrimp.prefixes.seen import Scope, Seen
from scrimp.prefixes.telling import (
    OWN_FIELDS,
    TOLD_FIELDS,
    Told,
    Way,
    parts_of,
    sorted_tools,
    told,
)

_ANY = "prompt_cache"
_MOST_REFUSALS = 1024
_NOTHING: frozenset[str] = frozenset()


class Terms(NamedTuple):
    """Rules and prices of a call's model, and in which words its prompt is marked."""

    rules: Rules
    prices: Prices
    way: Way


TermsOf = Callable[[Call], Terms | None]
"""None where nothing is to be told."""


class PrefixCache:
    """`seen` remembers, by tenant, provider and model, digests of what was sent."""

    name: ClassVar[str] = "prefix_cache"
    fail_closed: ClassVar[bool] = False

    def __init__(
        self, terms: TermsOf, clock: Clock, seen: Seen, *, sort_tools: bool = False
    ) -> None:
        self._terms = terms
        self._clock = clock
        self._seen = seen
        self._sort_tools = sort_tools
        self._withheld: dict[tuple[str, str], frozenset[str]] = {}

    async def __call__(self, call: Call, next: Next) -> Reply:
        """Pass on a call that says how it is cached, or the same one."""
        terms = self._terms_of(call)
        if terms is None:
            return await next(call)
        rules, prices, way = terms
        target, now_s, fields = call.target, self._clock.monotonic(), call.request.fields
        ordered = sorted_tools(fields) if self._sort_tools else None
        prompt = prompt_of(parts_of(ordered or fields, way), target.model)
        scope = self._scope(call, terms)
        found = plan(scope, prompt.pieces, prices, rules, now_s)
        withheld = self._withheld.get((target.provider, target.model), _NOTHING)
        made = told(ordered or fields, prompt, found, rules, way=way, withheld=withheld)
        if made is None and ordered is None:
            return await next(call)
        sent = (made.fields, made.new) if made is not None else (ordered or {}, ())
        body = encoded(sent[0], prompt, sent[1])
        request = replace(call.request, body=body, fields=sent[0])
        if made is None:
            return await next(replace(call, request=request))
        first = len(call.trace.attempts)
        try:
            reply: Reply | None = await next(replace(call, request=request))
        except UpstreamError as error:
            refused = _refused(error)
            if not refused or call.sink.begun:
                raise
            reply = None
        finally:
            self._note(call, made, found, rules, first)
        if reply is None:
            self._withhold(call, refused)
            return await next(call)
        if made.verdict == "marked":
            _learn(scope, found, rules.lives[found.life].seconds, now_s, reply)
        return reply

    def keeps(self, call: Call) -> bool | None:
        """Whether the provider now has a beginning of the call that was told to be written.

        None where that is not this lever's to say: the provider, or the call, does as it will.
        """
        terms = self._terms_of(call)
        if terms is None or not terms.rules.lives:
            return None
        prompt = prompt_of(parts_of(call.request.fields, terms.way), call.target.model)
        now_s = self._clock.monotonic()
        return any(one.until_s >= now_s for one in self._scope(call, terms).find(prompt.pieces))

    def _scope(self, call: Call, terms: Terms) -> Scope:
        lives_s = tuple([life.seconds for life in terms.rules.lives])
        target = call.target
        return self._seen.of((call.caller.tenant, target.provider, target.model), lives_s)

    def _terms_of(self, call: Call) -> Terms | None:
        request = call.request
        if call.operation != "chat" or request.stateful:
            return None
        if any(own in request.body for own in OWN_FIELDS):
            return None
        return self._terms(call)

    def _note(self, call: Call, made: Told, found: Plan, rules: Rules, first: int) -> None:
        if made.verdict == "keyed":
            call.trace.note(self.name, made.verdict)
            return
        numbers = dict(marks_in(first, len(call.trace.attempts)))
        if made.verdict == "marked":
            numbers |= {"marks": made.marks, "life": rules.lives[found.life].name}
        if rules.by_itself:
            numbers |= by_itself(found.tokens, found.untold_read, found.untold_written)
        call.trace.note(self.name, made.verdict, numbers)

    def _withhold(self, call: Call, refused: frozenset[str]) -> None:
        if len(self._withheld) >= _MOST_REFUSALS:
            self._withheld.clear()
        whose = (call.target.provider, call.target.model)
        self._withheld[whose] = self._withheld.get(whose, _NOTHING) | refused
        why = f"the provider refuses {', '.join(sorted(refused))}"
        call.trace.note(self.name, "withdrawn", {"why": why})


def _refused(error: UpstreamError) -> frozenset[str]:
    """The fields that the provider names in a refusal; all where it names them together."""
    if error.status not in (400, 422):
        return _NOTHING
    said = error.body.decode("utf-8", "replace")
    named = frozenset([name for name in TOLD_FIELDS if name in said])
    return named or (frozenset(TOLD_FIELDS) if _ANY in said else _NOTHING)


def _learn(scope: Scope, found: Plan, life_s: float, now_s: float, reply: Reply) -> None:
    """It is there only where the provider says that it wrote or read something."""
    usage = reply.facts.usage
    if usage is None:
        return
    if usage.cache_read_tokens or usage.cache_write_5m_tokens or usage.cache_write_1h_tokens:
        scope.written(found.digests, life_s, now_s)
