"""Over a soft budget: an older answer, a cheaper model, a shorter answer, and then a refusal.

It catches the refusal from below and walks the ladder; each rung calls `next` with leave to pass
soft budgets. Hard ones hold all the same. Nothing of it is remembered, and the client is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, assert_never

from msgspec.structs import replace

from scrimp.budgets import words
from scrimp.budgets.tables import LadderTable, Rung
from scrimp.calls import Call, HeldSink, Reply, Target
from scrimp.dialects.base import Dialect
from scrimp.dialects.shorten import shortened, wants_text, with_notice
from scrimp.errors import BudgetExceeded, StoreError
from scrimp.fingerprint import body_alike, fingerprint
from scrimp.ledger.steps import sent_to
from scrimp.likeness import Ignored
from scrimp.ports import Next, ReplyStore
from scrimp.routing.stand_ins import Admits, itself

DEGRADED = words.DEGRADED
NOTICE = "[This answer was limited to {tokens} tokens: budget '{budget}' is used up.]"
_JSON = (("content-type", "application/json"),)


@dataclass(frozen=True, slots=True)
class DegradeSettings:
    """`only` are ladders for some calls; the first that fits is taken, else `ladder`.

    `keeps_older` says whether answers beyond their time are kept at all, `ignored` what their keys
    ignore, `admits` whether one may be served that another model gave.
    """

    ladder: tuple[Rung, ...] = ("older_answer", "cheaper_model", "shorter_answer")
    only: tuple[LadderTable, ...] = ()
    keeps_older: bool = False
    cheaper_until_percent: int = 125
    shorter_until_percent: int = 150
    max_output_tokens: int = 100
    notice: str = NOTICE
    ignored: frozenset[Ignored] = frozenset()
    admits: Admits = itself


class Degrade:
    """`cheaper` gives the cheapest target that a call may be sent to instead, or None."""

    name: ClassVar[str] = "degrade"
    fail_closed: ClassVar[bool] = False

    def __init__(
        self,
        replies: ReplyStore,
        dialects: Mapping[str, Dialect],
        cheaper: Callable[[Call], Target | None],
        settings: DegradeSettings,
    ) -> None:
        self._replies = replies
        self._dialects = dialects
        self._cheaper = cheaper
        self._settings = settings

    async def __call__(self, call: Call, next: Next) -> Reply:
        """Raises BudgetExceeded where no rung bears the call."""
        denied: BudgetExceeded | None = None
        try:
            return await next(call)
        except BudgetExceeded as error:
            if not error.soft or call.sink.begun or call.purpose != "client":
                raise
            denied = error
        try:
            return await self._walk(call, next, denied)
        finally:
            denied = None  # its traceback leads back here: a ring that only the collector frees

    async def _walk(self, call: Call, next: Next, denied: BudgetExceeded) -> Reply:
        for rung in self._ladder(call, denied):
            try:
                reply = await self._step(rung, call, next, denied)
            except BudgetExceeded as error:
                call.trace.headers.pop(DEGRADED, None)
                call.trace.note(self.name, "denied", {"rung": rung, "budget": error.breach.budget})
                continue
            if reply is not None:
                return replace(reply, cacheable=False)
        call.trace.note(self.name, "refused", {"budget": denied.breach.budget})
        raise denied

    def _ladder(self, call: Call, denied: BudgetExceeded) -> tuple[Rung, ...]:
        path = call.path.partition("?")[0]
        for one in self._settings.only:
            asked = ((one.budget, denied.breach.budget), (one.task, call.task.name))
            if all(not wanted or wanted == given for wanted, given in (*asked, (one.path, path))):
                return one.ladder
        return self._settings.ladder

    async def _step(
        self, rung: Rung, call: Call, next: Next, denied: BudgetExceeded
    ) -> Reply | None:
        """The rung's reply; None where the rung is none for this call, and the trace says why."""
        used = _used_percent(denied)
        match rung:
            case "older_answer":
                return await self._older(call)
            case "cheaper_model":
                return await self._cheaper_model(call, next, used)
            case "shorter_answer":
                return await self._shorter(call, next, denied, used)
            case "pass":
                self._tell(call, rung, {"used_percent": used})
                return await next(replace(call, over_soft=True))
            case _:
                assert_never(rung)

    async def _older(self, call: Call) -> Reply | None:
        if not self._settings.keeps_older:
            return self._skip(call, "older_answer", "none_kept")
        if call.cache.mode != "default" or call.operation not in ("chat", "embeddings"):
            return self._skip(call, "older_answer", "not_asked")
        dialect = self._dialects[call.target.dialect]
        ignored = self._settings.ignored
        key = fingerprint(call, dialect, body_alike(call, dialect, ignored) if ignored else None)
        try:
            stored = await self._replies.get(key)
        except StoreError:
            return self._skip(call, "older_answer", "store_down")
        if stored is None or not self._settings.admits(call, stored.reply):
            return self._skip(call, "older_answer", "none")
        age_s = int((call.started_at - stored.stored_at).total_seconds())
        self._tell(call, "older_answer", {"age_s": age_s})
        return replace(stored.reply, served_by=self.name)

    async def _cheaper_model(self, call: Call, next: Next, used: int) -> Reply | None:
        if used >= self._settings.cheaper_until_percent:
            return self._skip(call, "cheaper_model", f"used_{used}_percent")
        target = self._cheaper(call) if call.operation == "chat" else None
        if target is None:
            return self._skip(call, "cheaper_model", "none_cheaper")
        self._tell(call, "cheaper_model", {**sent_to(target), "used_percent": used})
        return await next(replace(call, target=target, over_soft=True))

    async def _shorter(
        self, call: Call, next: Next, denied: BudgetExceeded, used: int
    ) -> Reply | None:
        """Held back whole, so that the notice can stand at its end."""
        if used >= self._settings.shorter_until_percent:
            return self._skip(call, "shorter_answer", f"used_{used}_percent")
        dialect, most = self._dialects[call.target.dialect], self._settings.max_output_tokens
        short = None
        if call.operation == "chat":
            short = shortened(call.request, dialect, call.target.model, most)
        if short is None:
            return self._skip(call, "shorter_answer", "not_for_this_call")
        self._tell(call, "shorter_answer", {"max_output_tokens": most, "used_percent": used})
        reply = await next(replace(call, request=short, sink=HeldSink(), over_soft=True))
        return self._with_notice(call, reply, dialect, denied.breach.budget)

    def _with_notice(self, call: Call, reply: Reply, dialect: Dialect, budget: str) -> Reply:
        facts, most = reply.facts, self._settings.max_output_tokens
        plain = facts.complete and facts.finish in ("complete", "truncated")
        if reply.body is None or not plain or call.task.name == "code":
            return reply
        if not wants_text(call.request):
            return reply
        body = dialect.from_stream(reply.body) if reply.framing == "sse" else reply.body
        notice = self._settings.notice.replace("{tokens}", str(most)).replace("{budget}", budget)
        noticed = with_notice(body, dialect.name, notice)
        if noticed is None:
            return reply
        headers = tuple(pair for pair in reply.headers if pair[0] != "content-type")
        return replace(reply, body=noticed, framing="json", headers=(*headers, *_JSON))

    def _tell(self, call: Call, rung: Rung, numbers: Mapping[str, int | float | str]) -> None:
        """In the trace, and in the headers before anything is sent."""
        call.trace.note(self.name, rung, numbers)
        call.trace.headers[DEGRADED] = rung

    def _skip(self, call: Call, rung: Rung, why: str) -> Reply | None:
        call.trace.note(self.name, "skipped_rung", {"rung": rung, "why": why})
        return None


def _used_percent(denied: BudgetExceeded) -> int:
    """How much of the limit is used, what is held for calls in the air included."""
    breach = denied.breach
    return (breach.used + breach.held) * 100 // breach.limit if breach.limit else 100
