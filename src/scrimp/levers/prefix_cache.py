"""Mark what comes back for the provider's prefix cache, where reads are expected to pay for it.

A call that marks itself is never touched. A provider that refuses a mark gets none any more, and
that call is sent again without.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from msgspec.structs import replace

from scrimp.calls import Call, Reply
from scrimp.dialects.json_body import encode
from scrimp.errors import UpstreamError
from scrimp.ledger.marked import marked as marks_in
from scrimp.ports import Clock, Next
from scrimp.prefixes.placing import OWN_MARK, marked, places_of
from scrimp.prefixes.planning import Plan, Prices, plan
from scrimp.prefixes.rules import Rules
from scrimp.prefixes.seen import Scope, Seen

_REFUSED = b"cache_control"
_MOST_REFUSALS = 1024

Terms = Callable[[Call], tuple[Rules, Prices] | None]
"""Rules and prices of a call's model; None where nothing is to be marked."""


class PrefixCache:
    """`seen` remembers, by tenant, provider and model, digests of what was sent."""

    name: ClassVar[str] = "prefix_cache"
    fail_closed: ClassVar[bool] = False

    def __init__(self, terms: Terms, clock: Clock, seen: Seen) -> None:
        self._terms = terms
        self._clock = clock
        self._seen = seen
        self._refused: set[tuple[str, str]] = set()

    async def __call__(self, call: Call, next: Next) -> Reply:
        """Pass on a marked call, or the same one."""
        terms = self._terms_of(call)
        if terms is None:
            return await next(call)
        rules, prices = terms
        target, now_s = call.target, self._clock.monotonic()
        pieces, places = places_of(call.request.fields, target.model)
        lives_s = tuple([life.seconds for life in rules.lives])
        scope = self._seen.of((call.caller.tenant, target.provider, target.model), lives_s)
        found = plan(scope, pieces, prices, rules, now_s)
        if not found.marks:
            return await next(call)
        life = rules.lives[found.life]
        fields = marked(call.request.fields, [places[at] for at in found.marks], life.name)
        request = replace(call.request, body=encode(fields), fields=fields)
        first = len(call.trace.attempts)
        try:
            reply: Reply | None = await next(replace(call, request=request))
        except UpstreamError as error:
            if not _is_refusal(error) or call.sink.begun:
                raise
            reply = None
        finally:
            numbers = marks_in(first, len(call.trace.attempts))
            told = {**numbers, "marks": len(found.marks), "life": life.name}
            call.trace.note(self.name, "marked", told)
        if reply is None:
            self._refuse(call)
            return await next(call)
        _learn(scope, found, life.seconds, now_s, reply)
        return reply

    def _terms_of(self, call: Call) -> tuple[Rules, Prices] | None:
        request, target = call.request, call.target
        if call.operation != "chat" or request.stateful or OWN_MARK in request.body:
            return None
        if (target.provider, target.model) in self._refused:
            return None
        return self._terms(call)

    def _refuse(self, call: Call) -> None:
        if len(self._refused) >= _MOST_REFUSALS:
            self._refused.clear()
        self._refused.add((call.target.provider, call.target.model))
        call.trace.note(self.name, "withdrawn", {"why": "the provider refuses cache_control"})


def _is_refusal(error: UpstreamError) -> bool:
    return error.status in (400, 422) and _REFUSED in error.body


def _learn(scope: Scope, found: Plan, life_s: float, now_s: float, reply: Reply) -> None:
    """It is there only where the provider says that it wrote or read something."""
    usage = reply.facts.usage
    if usage is None:
        return
    if usage.cache_read_tokens or usage.cache_write_5m_tokens or usage.cache_write_1h_tokens:
        scope.written(found.digests, life_s, now_s)
