"""Tell the provider's prefix cache what comes back, where reads are expected to pay for it.

A call that says itself how it is cached is never told otherwise; where it speaks of Anthropic's
marks to a provider of another dialect, they are passed on. A provider that refuses a field gets it
no more, and that call is sent again as it came. Where a prompt parts from one that was sent before,
and goes on like it, the trace says where, and what that costs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from msgspec.structs import replace

from scrimp.calls import Call, Reply
from scrimp.dialects.attribution import ATTRIBUTION, without_attribution
from scrimp.dialects.json_body import encode
from scrimp.errors import UpstreamError
from scrimp.ledger.marked import by_itself
from scrimp.ledger.marked import marked as marks_in
from scrimp.ledger.prefixes import BROKEN, broken
from scrimp.money import PICO_PER_NANO
from scrimp.ports import Clock, Next
from scrimp.prefixes.breaking import LEAST_LOST_TOKENS, AllBreaks, Broken
from scrimp.prefixes.planning import Plan, plan
from scrimp.prefixes.prompt import (
    OWN_FIELDS,
    Keys,
    Lengths,
    Part,
    Place,
    Prompt,
    encoded,
    prompt_of,
    without_marks,
)
from scrimp.prefixes.rules import Rules
from scrimp.prefixes.seen import Scope, Seen
from scrimp.prefixes.telling import (
    TOLD_FIELDS,
    Terms,
    Told,
    Way,
    parts_of,
    passed_on,
    says_itself,
    sorted_tools,
    told,
)
from scrimp.values import Value

_ANY = "prompt_cache"
_MOST_REFUSALS = 1024
_NOTHING: frozenset[str] = frozenset()


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
        self._breaks = AllBreaks()
        self._keys = Keys()
        self._lengths = Lengths()
        self._sort_tools = sort_tools
        self._withheld: dict[tuple[str, str], frozenset[str]] = {}
        self.broken: Counter[str] = Counter()
        self.lost_nanousd: Counter[str] = Counter()

    async def __call__(self, call: Call, next: Next) -> Reply:
        """Pass on a call that says how it is cached, or the same one."""
        terms = self._terms_of(call)
        if terms is None:
            return await next(self._unattributed(call))
        look = self._look(call, terms)
        silent = look.own and not _is_passed_on(call, terms.way)
        reply = await (next(call) if silent else self._tell(call, next, terms, look))
        if look.broken is not None:
            self._note_broken(call, terms, look, look.broken, reply)
        return reply

    def _look(self, call: Call, terms: Terms) -> _Look:
        """What is known of the prompt; it is learned from."""
        fields, now_s = call.request.fields, self._clock.monotonic()
        ordered = sorted_tools(fields) if self._sort_tools else None
        prompt = self._prompt(parts_of(ordered or fields, terms.way), call)
        own = says_itself(call.request, prompt, terms.way)
        if own:
            ordered, parts = None, parts_of(fields, terms.way)
            prompt = self._prompt(without_marks(parts), call)
        name = _scope_name(call)
        scope = self._seen.of(name, terms.rules.lives_s)
        found = plan(scope, prompt.pieces, terms.prices, terms.rules, now_s)
        broken = self._breaks.of(name, terms.rules).look(prompt, found.known, now_s)
        return _Look(prompt, found, scope, now_s, ordered, broken, own)

    async def _tell(self, call: Call, next: Next, terms: Terms, look: _Look) -> Reply:
        found, fields = look.found, look.ordered or call.request.fields
        withheld = self._withheld.get((call.target.provider, call.target.model), _NOTHING)
        if look.own:
            made = passed_on(fields, look.prompt, found, terms, keys=self._keys, withheld=withheld)
        else:
            made = told(fields, look.prompt, found, terms, keys=self._keys, withheld=withheld)
        if made is None:
            return await next(call if look.ordered is None else _with(call, look, fields, ()))
        first = len(call.trace.attempts)
        try:
            reply: Reply | None = await next(_with(call, look, made.fields, made.new))
        except UpstreamError as error:
            refused = _refused(error)
            if not refused or call.sink.begun:
                raise
            reply = None
        finally:
            self._note(call, made, found, terms.rules, first)
        if reply is None:
            why = f"the provider refuses {', '.join(sorted(refused))}"
            call.trace.note(self.name, "withdrawn", {"why": why})
            reply = await next(call)
            self._withhold(call, refused)  # a call that fails without them too tells nothing
            return reply
        if made.verdict == "marked":
            _learn(look, terms.rules.lives[found.life].seconds, reply)
        return reply

    def keeps(self, call: Call) -> bool | None:
        """Whether the provider now has a beginning of the call that was told to be written.

        None where that is not this lever's to say: the provider, or the call, does as it will.
        """
        terms = self._terms_of(call)
        if terms is None or not terms.rules.lives:
            return None
        prompt = self._prompt(parts_of(call.request.fields, terms.way), call)
        if says_itself(call.request, prompt, terms.way):
            return None
        now_s, scope = (
            self._clock.monotonic(),
            self._seen.of(_scope_name(call), terms.rules.lives_s),
        )
        return any(one.until_s >= now_s for one in scope.find(prompt.pieces))

    def _prompt(self, parts: Iterable[Part], call: Call) -> Prompt:
        return prompt_of(parts, call.target.model, self._lengths)

    def _terms_of(self, call: Call) -> Terms | None:
        if call.operation != "chat" or call.request.stateful:
            return None
        return self._terms(call)

    def _unattributed(self, call: Call) -> Call:
        """Where no Claude is asked: without the line that Claude Code writes for Anthropic."""
        given, target = call.request, call.target
        if target.dialect != "anthropic.messages" or "claude" in target.model.lower():
            return call
        system = given.fields.get("system")
        if (kept := without_attribution(system)) is system:
            return call
        fields = {name: one for name, one in given.fields.items() if name != "system"}
        if kept:
            fields["system"] = kept
        call.trace.note(self.name, "left_out", {"line": ATTRIBUTION})
        return replace(call, request=replace(given, body=encode(fields), fields=fields))

    def _note(self, call: Call, made: Told, found: Plan, rules: Rules, first: int) -> None:
        if made.verdict == "keyed":
            call.trace.note(self.name, made.verdict)
            return
        numbers = dict(marks_in(first, len(call.trace.attempts)))
        if made.verdict == "marked":
            numbers |= {"marks": made.marks, "life": rules.lives[found.life].name}
        elif made.marks:
            numbers |= {"marks": made.marks}
        if rules.by_itself:
            numbers |= by_itself(found.tokens, found.untold_read, found.untold_written)
        call.trace.note(self.name, made.verdict, numbers)

    def _note_broken(
        self, call: Call, terms: Terms, look: _Look, found: Broken, reply: Reply
    ) -> None:
        """What could have been read for less; never more than what was not read."""
        usage = reply.facts.usage
        if usage is None or not look.prompt.tokens:
            return
        read = usage.cache_read_tokens + usage.cache_read_audio_tokens
        tokens = found.lost(usage.total_input_tokens, read, look.prompt.tokens)
        lost = tokens * (terms.prices.fresh - terms.prices.read) // PICO_PER_NANO
        if tokens < LEAST_LOST_TOKENS or lost <= 0:
            return
        self.broken[found.kind] += 1
        self.lost_nanousd[found.kind] += lost
        said = broken(found.at, found.line, found.kind, tokens=tokens, lost_nanousd=lost)
        call.trace.note(self.name, BROKEN, said)

    def _withhold(self, call: Call, refused: frozenset[str]) -> None:
        if len(self._withheld) >= _MOST_REFUSALS:
            self._withheld.clear()
        whose = (call.target.provider, call.target.model)
        self._withheld[whose] = self._withheld.get(whose, _NOTHING) | refused


class _Look(Value, frozen=True, gc=False):
    """What is known of a call's prompt. `ordered` are its fields, where its tools were sorted.

    `own`: its client says itself how it is cached.
    """

    HIDDEN = frozenset({"ordered"})

    prompt: Prompt
    found: Plan
    scope: Scope
    now_s: float
    ordered: dict[str, Any] | None
    broken: Broken | None
    own: bool


def _scope_name(call: Call) -> tuple[str, ...]:
    return (call.caller.tenant, call.target.provider, call.target.model)


def _is_passed_on(call: Call, way: Way) -> bool:
    """Anthropic's marks say nothing to another provider unless they become marks of its own."""
    return way == "messages" and OWN_FIELDS[1] not in call.request.body


def _with(call: Call, look: _Look, fields: Mapping[str, Any], new: tuple[Place, ...]) -> Call:
    given = call.request
    body = (
        encoded(given.body, given.fields, fields, new) if look.ordered is None else encode(fields)
    )
    return replace(call, request=replace(call.request, body=body, fields=fields))


def _refused(error: UpstreamError) -> frozenset[str]:
    """The fields that the provider names in a refusal; all where it names them together."""
    if error.status not in (400, 422):
        return _NOTHING
    said = error.body.decode("utf-8", "replace")
    named = frozenset([name for name in TOLD_FIELDS if name in said])
    return named or (frozenset(TOLD_FIELDS) if _ANY in said else _NOTHING)


def _learn(look: _Look, life_s: float, reply: Reply) -> None:
    """It is there only where the provider says that it wrote or read something."""
    usage = reply.facts.usage
    if usage is None:
        return
    if usage.cache_read_tokens or usage.cache_write_5m_tokens or usage.cache_write_1h_tokens:
        look.scope.written(look.found.digests, life_s, look.now_s)
