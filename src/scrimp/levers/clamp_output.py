"""Shorter outputs: a limit by task, a line that asks for less, stop sequences; cut answers told.

What was measured is advice until settings say otherwise, a client's own limit is never raised, and
thoughts are never taken from a model that thinks. What a provider refuses of all this is withdrawn,
and the call sent without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from msgspec.structs import replace

from scrimp.calls import Call, HeldSink, Reply
from scrimp.clamping import limits, placing
from scrimp.clamping.outputs import Key, Lengths, Outputs
from scrimp.clamping.presets import Brief
from scrimp.dialects.base import Dialect
from scrimp.dialects.json_body import encode
from scrimp.errors import Rejected, UpstreamError
from scrimp.ledger.lengths import teach
from scrimp.ledger.steps import served_of
from scrimp.pipeline.briefing import Briefing, key_of
from scrimp.pipeline.held_stream import deliver_whole, kept_alive
from scrimp.pipeline.mended import Cut, Mender
from scrimp.ports import Clock, Entry, Next

MAX_TOKENS = "x-scrimp-max-tokens"
"""The header of a call whose answer has a limit of ours, or might have one."""
TRUNCATED = "x-scrimp-truncated"
"""The header of an answer that was cut: by whose limit, and at how many tokens."""

_MOST_REFUSALS = 1_024
_LEARNED_FROM = ("complete", "tool_calls", "truncated")


@dataclass(frozen=True, slots=True)
class ClampSettings:
    """As `clamping.tables.ClampOutputSection` has them. Off, only calls' own wishes are done.

    `max_tokens` (without thoughts) and `stop` are by task.
    """

    enabled: bool = True
    enforce: bool = False
    headroom: int = 25
    lower: bool = False
    hold_streams: bool = False
    keep_alive_s: float = 15.0
    max_tokens: Mapping[str, int] = field(default_factory=dict)
    stop: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Others(NamedTuple):
    """What is known of all the models that a call may be sent to.

    `why` not all would take a limit that is set for its own (empty: they would); `json_mode`:
    whether all have the one of its dialect.
    """

    why: str = ""
    json_mode: bool = True


@dataclass(frozen=True, slots=True)
class ClampMeans:
    """Without `mender` cut answers are told, and stay as they are."""

    outputs: Outputs
    briefing: Briefing
    others: Callable[[Call], Others]
    clock: Clock
    dialects: Mapping[str, Dialect]
    mender: Mender | None = None


class _Limit(NamedTuple):
    """Tokens, by what, and whether they are to be set or only advised."""

    tokens: int
    told: str
    set: bool


class _Plan(NamedTuple):
    """The call as the client meant it, and as it is sent; `added` are fields of ours."""

    plain: Call
    sent: Call
    added: tuple[str, ...]
    limit: int | None
    key: Key
    brief: Brief | None


class ClampOutput:
    """Remembers how long answers were, and which of its fields models refuse."""

    name: ClassVar[str] = "clamp_output"
    fail_closed: ClassVar[bool] = False

    def __init__(self, means: ClampMeans, settings: ClampSettings) -> None:
        self._means = means
        self._settings = settings
        self._refused: set[tuple[str, str, str]] = set()

    async def __call__(self, call: Call, next: Next) -> Reply:
        """Raises what comes from below."""
        if call.operation != "chat" or call.target.dialect not in placing.SHAPES:
            return await next(call)
        if not self._settings.enabled and not call.wish.brief:
            return await next(call)
        plan = self._plan(call)
        if self._is_held(plan):
            return await self._held(call, plan, next)
        return await self._answered(plan, next)

    def teach(self, entries: Sequence[Entry]) -> int:
        """Learn from calls of before; how many told something."""
        return teach(self._means.outputs, entries)

    def _plan(self, call: Call) -> _Plan:
        line = self._means.briefing.line(call)
        if line is not None:
            call = _with(call, line.fields)
        brief = None if line is None else line.brief
        key = key_of(call, "" if brief is None else brief.name)
        others = self._means.others(call)
        fields, added, limit = dict(call.request.fields), list[str](), None
        found = self._limit(call, key, others.why)
        if found is not None and found.set:
            names = limits.limit_names(fields, call.target.dialect, call.target.model)
            fields |= dict.fromkeys(names, found.tokens)
            limit = found.tokens
            added += names
        fields = self._stopped(call, fields, others.why, added)
        if brief is not None and brief.kind == "object":
            fields = self._in_json_mode(call, fields, added, allowed=others.json_mode)
        sent = _with(call, fields, limit) if added else call
        return _Plan(call, sent, tuple(added), limit, key, brief)

    def _limit(self, call: Call, key: Key, why: str) -> _Limit | None:
        """What bounds the answer, told in trace and header; None where the client's own is tighter.

        A limit of the settings is set; a measured one where that is asked for.
        """
        own = call.request.max_output_tokens
        found = self._bound(call, key)
        if found is None or (own is not None and own <= found.tokens):
            return None
        if found.set:
            if own is not None and not self._settings.lower:
                why = "the client has its own"
            names = limits.limit_names(call.request.fields, call.target.dialect, key.model)
            if not why and not self._usable(names, call):
                why = "the provider refuses it"
            found = found._replace(set=not why)
        verdict = "set" if found.set else "advised"
        numbers: dict[str, int | float | str] = {"max_tokens": found.tokens, "by": found.told}
        if own is not None:
            numbers["own"] = own
        if why and not found.set:
            numbers["why"] = why
        call.trace.note(self.name, verdict, numbers)
        call.trace.headers[MAX_TOKENS] = f"{verdict} {found.tokens} ({found.told})"
        return found

    def _bound(self, call: Call, key: Key) -> _Limit | None:
        if not self._settings.enabled:
            return None
        fields, lengths = call.request.fields, self._means.outputs.of(key)
        budget = limits.thinking_budget(fields)
        if (most := self._settings.max_tokens.get(call.task.name)) is not None:
            thoughts = budget or _thoughts(fields, call.target.model, lengths)
            return _Limit(most + thoughts, "settings", set=True)
        bound = None if lengths is None else lengths.bound()
        if lengths is None or bound is None:
            return None
        most = limits.rounded(bound * (100 + self._settings.headroom) // 100) + budget
        return _Limit(most, f"99 % of {lengths.calls} answers", set=self._settings.enforce)

    def _stopped(
        self, call: Call, fields: dict[str, Any], why: str, added: list[str]
    ) -> dict[str, Any]:
        """With the stop sequences of the task, where the client has none.

        Responses have no field for them, and OpenAI's models that think refuse them.
        """
        stops = self._settings.stop.get(call.task.name)
        if not stops:
            return fields
        name, dialect = placing.stop_name(call.target.dialect), call.target.dialect
        if not why and not name:
            why = f"{dialect} has none"
        elif not why and limits.may_think(fields, call.target.model):
            why = "a model that thinks takes none"
        elif not why and not self._usable((name,), call):
            why = "the provider refuses them"
        new = None if why else placing.stopped(fields, dialect, stops)
        if new is None:
            call.trace.note(self.name, "no_stops", {"why": why or "the client has its own"})
            return fields
        added.append(name)
        call.trace.note(self.name, "stops", {"sequences": len(new[name])})
        return new

    def _in_json_mode(
        self, call: Call, fields: dict[str, Any], added: list[str], *, allowed: bool
    ) -> dict[str, Any]:
        """With the provider's JSON mode beside the line; where there is none the line alone."""
        mode = placing.in_json_mode(fields, call.target.dialect) if allowed else None
        if mode is None or not self._usable((mode[1],), call):
            call.trace.note(self.name, "json_mode", {"mode": "by the line alone"})
            return fields
        added.append(mode[1])
        call.trace.note(self.name, "json_mode", {"mode": mode[1]})
        return mode[0]

    def _usable(self, names: tuple[str, ...], call: Call) -> bool:
        """Whether the model has refused none of these fields."""
        place = (call.target.provider, call.target.model)
        return not any((*place, name) in self._refused for name in names)

    def _is_held(self, plan: _Plan) -> bool:
        """Whether a stream is held back until it is whole."""
        call = plan.plain
        if self._means.mender is None or not self._settings.hold_streams:
            return False
        mendable = plan.limit is not None or call.request.max_output_tokens is None
        return mendable and call.request.stream and call.sink.live

    async def _held(self, call: Call, plan: _Plan, next: Next) -> Reply:
        """The whole answer to a stream; comments keep its line open meanwhile."""
        nobody = HeldSink()
        plain, sent = replace(plan.plain, sink=nobody), replace(plan.sent, sink=nobody)
        work = self._answered(plan._replace(plain=plain, sent=sent), next)
        try:
            clock, every_s = self._means.clock, self._settings.keep_alive_s
            reply = await kept_alive(call.sink, clock, every_s, work)
        except Rejected as error:
            if call.sink.begun:  # status 200 is gone: the stream must tell it
                raise UpstreamError(str(error), status=error.status, sent=False) from error
            raise
        if call.sink.begun:
            await deliver_whole(call, reply, self._means.dialects[call.target.dialect])
        return reply

    async def _answered(self, plan: _Plan, next: Next) -> Reply:
        reply, plan = await self._asked(plan, next)
        if reply.facts.finish == "truncated":
            reply = await self._cut(plan, reply, next)
        if self._settings.enabled:
            self._learn(plan, reply)
        if plan.brief is not None:
            self._means.briefing.book(plan.plain, plan.brief, reply)
        return reply

    async def _asked(self, plan: _Plan, next: Next) -> tuple[Reply, _Plan]:
        """Where a provider refuses fields of ours it is asked once more, without them."""
        try:
            return await next(plan.sent), plan
        except UpstreamError as error:
            refused = _named_in(error, plan.added)
            if not refused or plan.sent.sink.begun:
                raise
        call = plan.plain
        call.trace.headers.pop(MAX_TOKENS, None)
        why = f"the provider refuses {', '.join(refused)}"
        call.trace.note(self.name, "withdrawn", {"why": why})
        reply = await next(call)  # a call that fails without them, too, tells nothing of the model
        if len(self._refused) >= _MOST_REFUSALS:
            self._refused.clear()
        place = (call.target.provider, call.target.model)
        self._refused |= {(*place, name) for name in refused}
        return reply, plan._replace(sent=call, added=(), limit=None)

    async def _cut(self, plan: _Plan, reply: Reply, next: Next) -> Reply:
        """Tell it, and mend it where nothing has left and the limit was not the client's."""
        call, usage, limit = plan.plain, reply.facts.usage, plan.limit
        own = call.request.max_output_tokens
        whose = "scrimp" if limit is not None else "model" if own is None else "client"
        most = limit if limit is not None else own
        numbers: dict[str, int | float | str] = {"whose": whose}
        if most is not None:
            numbers["max_tokens"] = most
        if usage is not None:
            numbers["output_tokens"] = usage.total_output_tokens
            numbers["reasoning_tokens"] = usage.reasoning_tokens
        call.trace.note(self.name, "truncated", numbers)
        at = "" if most is None else f" at {most} tokens"
        call.trace.headers[TRUNCATED] = f"{whose}'s limit{at}"
        mender = self._means.mender
        if mender is None or whose == "client" or call.sink.begun or call.purpose != "client":
            return reply
        mended = await mender.mend(Cut(call, limit, own), reply, next)
        if mended.facts.finish != "truncated":
            call.trace.headers.pop(TRUNCATED, None)
        return mended

    def _learn(self, plan: _Plan, reply: Reply) -> None:
        """How long a whole answer was; of one that was cut, that it was longer."""
        call, facts = plan.plain, reply.facts
        if facts.usage is None or call.request.n > 1 or not facts.complete:
            return
        if facts.finish not in _LEARNED_FROM:
            return
        key, served = plan.key, served_of(call.trace.attempts, call.trace.lines)
        if served is not None:
            key = key._replace(provider=served.target.provider, model=served.target.model)
        lengths: Lengths = self._means.outputs.take(key)
        tokens, thought = facts.usage.total_output_tokens, facts.usage.reasoning_tokens
        lengths.add(tokens, thought, cut=facts.finish == "truncated")


def _with(call: Call, fields: dict[str, Any], limit: int | None = None) -> Call:
    request = replace(call.request, body=encode(fields), fields=fields)
    if limit is not None:
        request = replace(request, max_output_tokens=limit)
    return replace(call, request=request)


def _thoughts(fields: Mapping[str, Any], model: str, lengths: Lengths | None) -> int:
    """Tokens that a model needs for thoughts, beside its answer."""
    if lengths is not None and lengths.is_measured:
        return limits.rounded(lengths.longest_thought * 5 // 4) if lengths.longest_thought else 0
    return limits.THINKING_TOKENS if limits.may_think(fields, model) else 0


def _named_in(error: UpstreamError, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of our fields that a refusal names."""
    if error.status not in (400, 422):
        return ()
    return tuple(name for name in names if name.encode() in error.body)
