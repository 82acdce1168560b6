"""Cheap first, then checks, then the next of the ladder; the model that was asked for is the last.

A draft is held back until every check has passed. Refused and truncated drafts are never scored:
they lead on and teach nothing. Bytes of an answer leave only once it is the answer: before that
comments at most, which no reader of a stream takes for one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, TypeVar

from msgspec.structs import replace

from scrimp.calls import Call, HeldSink, Reply, Target
from scrimp.checks.agreement import agree
from scrimp.checks.named import CHECKS, run
from scrimp.checks.reading import answer_from
from scrimp.checks.words import Answer, Failed, Passed, Unknown, Verdict
from scrimp.dialects.base import Dialect
from scrimp.errors import BudgetExceeded, Rejected, UpstreamError
from scrimp.ledger.steps import same_place, sent_to, served_after_all, served_of, unserved
from scrimp.pipeline.accepting import Acceptor, Ruling, Scored, decided_by_score
from scrimp.pipeline.cascade_books import CascadeBooks, Taught
from scrimp.pipeline.cascade_plan import (
    CASCADED,
    CascadeSettings,
    Checks,
    Ladder,
    Plan,
    Planner,
)
from scrimp.pipeline.checking import Checker, Draft, Judged
from scrimp.pipeline.held_stream import deliver_whole, kept_alive
from scrimp.pipeline.second_opinion import SecondOpinion, with_opinion
from scrimp.ports import Clock, Next
from scrimp.semantics.answers import text_of, why_not_kept

_MOST_BYTES = 1024 * 1024
_PROOFS = frozenset(("agreement", "function"))
"""Checks whose pass says that an answer is right, not only that nothing is seen to be wrong."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CascadeMeans:
    """Without `taught` no lessons are kept, without `acceptor` no least score is ever proven."""

    ladder: Ladder
    checker: Checker
    books: CascadeBooks
    clock: Clock
    dialects: Mapping[str, Dialect]
    taught: Taught | None = None
    acceptor: Acceptor | None = None


class _Tried(NamedTuple):
    """One draft: attempts `first` to `past` of the trace. Without an answer it was not scored.

    `ruling` is the certificate's, where its score had the last word.
    """

    target: Target
    reply: Reply
    answer: Answer | None
    judged: Judged
    first: int
    past: int
    ruling: Ruling | None = None


class Cascade:
    """Asks cheaper models first. Does nothing where none is cheaper, or nothing can be checked."""

    name: ClassVar[str] = "cascade"
    fail_closed: ClassVar[bool] = False

    def __init__(self, means: CascadeMeans, settings: CascadeSettings) -> None:
        self._means = means
        self._settings = settings
        self._plan = Planner(settings, means.ladder, means.books, means.dialects)

    async def __call__(self, call: Call, next: Next) -> Reply:
        """Raises what the last step raises, where no draft can stand in for it."""
        plan = self._plan(call)
        if isinstance(plan, str):
            if plan:
                call.trace.note(self.name, "skipped", {"why": plan})
            return await next(call)
        since, tried = len(call.trace.attempts), list[_Tried]()
        try:
            await self._waiting(call, self._drafts(call, next, plan, tried))
            if tried and tried[-1].judged.passed:
                reply, held = self._accept(call, tried[-1]), True
            else:
                held = call.sink.begun
                reply = await self._last(call, next, plan, tried)
            self._compare(call, tried, reply)
        except BaseException:
            self._withdraw(tried)
            raise
        finally:
            # whatever came of it: a client that left has paid for its drafts, too
            if not any(one.ruling is not None and one.ruling.proving for one in tried):
                self._means.books.add(call, plan.place, since)
        if held and call.sink.begun:
            await deliver_whole(call, reply, plan.dialect)
        return reply

    async def _waiting(self, call: Call, work: Awaitable[T]) -> T:
        """The same, with comments for a client that waits for a stream."""
        if not (call.request.stream and call.sink.live):
            return await work
        return await kept_alive(call.sink, self._means.clock, self._settings.keep_alive_s, work)

    async def _drafts(self, call: Call, next: Next, plan: Plan, tried: list[_Tried]) -> None:
        """Drafts up to the first that passes; the attempts of those before are marked unserved."""
        for target in plan.ladder:
            first = len(call.trace.attempts)
            one: _Tried | None = None
            try:
                one = await self._draft(call, next, plan, target)
            except Exception as error:  # noqa: BLE001 (else the guard serves what nobody accepted)
                call.trace.note(self.name, "broke", {"error": type(error).__name__})
            if one is not None:
                tried.append(one)
                if one.judged.passed:
                    return
            why = "no answer" if one is None else one.judged.why
            told = {"model": target.model, "why": why}
            numbers = {**unserved(first, len(call.trace.attempts)), **told}
            call.trace.note(self.name, "not_served", numbers)

    async def _draft(self, call: Call, next: Next, plan: Plan, target: Target) -> _Tried | None:
        """None where it gave no answer: an error of a cheap model is no reason to fail."""
        first = len(call.trace.attempts)
        there = replace(
            call, target=target, sink=HeldSink(), wish=replace(call.wish, fallback=False)
        )
        second: SecondOpinion | None = None
        if plan.second is not None and plan.second != target:
            second = SecondOpinion(call, plan.second, number=first)
        opinion: Reply | None = None
        try:
            if second is not None and plan.parallel:
                reply, opinion = await with_opinion(next(there), second.ask(next))
            else:
                reply = await next(there)
            past = len(call.trace.attempts)
            answer, judged = await self._judge(plan, target, reply)
            if second is not None and not plan.parallel and not judged.failed and answer:
                opinion = await second.ask(next)
        except (UpstreamError, Rejected) as error:
            failed: dict[str, int | float | str] = {"model": target.model}
            failed["status"] = error.status
            call.trace.note(self.name, "no_draft", failed)
            return None
        finally:
            if second is not None:
                second.join(self.name)
        if answer is not None and any(name == "agreement" for name, _ in plan.checks):
            verdict = self._agreement(plan, target, answer, opinion)
            judged = judged._replace(verdicts=(*judged.verdicts, ("agreement", verdict)))
        one = self._ruled(call, plan, _Tried(target, reply, answer, judged, first, past))
        try:
            self._note(call, plan, one)
        except BaseException:
            self._withdraw([one])
            raise
        return one

    def _ruled(self, call: Call, plan: Plan, one: _Tried) -> _Tried:
        """The same, as its certificate rules where its score has the last word."""
        acceptor = self._means.acceptor
        if acceptor is None or one.answer is None or not decided_by_score(one.judged):
            return one
        score = one.judged.score
        chance, version = (None, "") if score is None else (score.chance, score.fit)
        made = (one.first, one.past)
        drafted = (plan.place, plan.question, one.answer, one.target)
        scored = Scored(*drafted, plan.checks, plan.models, chance, version, *made)
        ruling = acceptor.rule(call, scored)
        return one._replace(judged=ruling.said(one.judged), ruling=ruling)

    def _compare(self, call: Call, tried: list[_Tried], reply: Reply) -> None:
        """Hand on what was ruled on; another model's answer than the one asked for says nothing."""
        if not any(one.ruling for one in tried):
            return
        served = served_of(call.trace.attempts, call.trace.lines)
        accepted = tried[-1].judged.passed
        if not accepted and (served is None or not same_place(served.target, call.target)):
            self._withdraw(tried)
            return
        acceptor = self._means.acceptor
        for one in tried:
            if acceptor is not None and one.ruling is not None:
                acceptor.compare(call, one.ruling, one.reply, None if accepted else reply)

    def _withdraw(self, tried: list[_Tried]) -> None:
        acceptor = self._means.acceptor
        for one in tried:
            if acceptor is not None and one.ruling is not None:
                acceptor.withdraw(one.ruling)

    async def _judge(
        self, plan: Plan, target: Target, reply: Reply
    ) -> tuple[Answer | None, Judged]:
        """What the checks say of a draft; no answer where there is none that may be scored."""
        if why := _unscored(reply, plan.dialect):
            return None, Judged((("whole", Unknown(why)),))
        answer = answer_from(reply, plan.dialect)
        if answer is None:
            return None, Judged((("whole", Unknown("cannot be read")),))
        draft = Draft(plan.question, answer, plan.place, target.model)
        return answer, await self._means.checker(draft, _with_form(plan, answer))

    def _agreement(
        self, plan: Plan, target: Target, answer: Answer, opinion: Reply | None
    ) -> Verdict:
        if plan.second is None or plan.second == target:
            return Unknown("there is no second model that is cheaper")
        if opinion is None or _unscored(opinion, plan.dialect):
            return Unknown("the second model gave no answer")
        other = answer_from(opinion, plan.dialect)
        verdict = (
            Unknown("cannot be read") if other is None else agree(plan.question, answer, other)
        )
        # which of the two is wrong nobody knows: that is no proof against the draft
        return Unknown(verdict.why) if isinstance(verdict, Failed) else verdict

    def _note(self, call: Call, plan: Plan, one: _Tried) -> None:
        """What was found out about a draft, in the trace and for those who learn."""
        judged = one.judged
        numbers: dict[str, int | float | str] = {"model": one.target.model}
        if judged.score is not None:
            numbers["p"] = round(judged.score.chance, 4)
            if judged.score.fit:
                numbers["fit"] = judged.score.fit
            if judged.score.least <= 1:
                numbers["least"] = round(judged.score.least, 4)
                numbers["certified"] = int(judged.score.certified)
        if one.ruling is not None:
            numbers.update(one.ruling.numbers)
        for name, verdict in judged.verdicts:
            numbers[name] = type(verdict).__name__.lower()
        call.trace.note(self.name, "checked", numbers)
        if one.answer is None:
            return
        if judged.failed:
            self._teach(call, plan, one, quality=0.0)
        elif (
            judged.passed
            and one.ruling is None
            and any(name in _PROOFS for name, _ in judged.verdicts)
        ):
            self._teach(call, plan, one, quality=1.0)

    def _teach(
        self, call: Call, plan: Plan, one: _Tried, *, quality: float, reference: str = ""
    ) -> None:
        taught = self._means.taught
        if taught is None or one.answer is None or one.past <= one.first:
            return
        attempt = call.trace.attempts[one.past - 1]
        lesson = taught.lesson(call, plan.place, (plan.question, one.answer), attempt)
        loss = None if not reference else 1.0 - quality
        at = self._means.clock.now()
        taught.add(replace(lesson, at=at, quality=quality, loss=loss, reference=reference))

    def _accept(self, call: Call, one: _Tried) -> Reply:
        numbers: dict[str, int | float | str] = {
            **sent_to(one.target),
            "attempts": len(call.trace.attempts),
        }
        call.trace.note(self.name, "accepted", numbers)
        call.trace.headers[CASCADED] = f"accepted {one.target.model}"
        return one.reply

    async def _last(self, call: Call, next: Next, plan: Plan, tried: list[_Tried]) -> Reply:
        """The model that was asked for: live where nothing has left yet, else held and whole."""
        call.trace.headers[CASCADED] = f"escalated {call.target.model}"
        call.trace.note(self.name, "escalated", {"drafts": len(tried)})
        first, held = len(call.trace.attempts), call.sink.begun
        try:
            if held:
                reply = await self._waiting(call, next(replace(call, sink=HeldSink())))
            else:
                reply = await next(call)
        except (UpstreamError, Rejected) as error:
            if call.sink.begun and not held:
                raise  # its answer broke off on its way to the client: no other can follow
            best = None
            if isinstance(error, UpstreamError | BudgetExceeded):
                best = self._best(call, tried, first, type(error).__name__)
            if best is not None:
                return best
            if held and isinstance(error, Rejected):  # status 200 is gone: the stream must tell it
                raise UpstreamError(str(error), status=error.status, sent=False) from error
            raise
        return self._weighed(call, plan, tried, reply)

    def _best(self, call: Call, tried: list[_Tried], first: int, why: str) -> Reply | None:
        """The strongest draft against which nothing is proven, in place of an error."""
        fit = [one for one in tried if one.answer is not None and not one.judged.failed]
        if not fit:
            return None
        best, past = fit[-1], len(call.trace.attempts)
        call.trace.note(self.name, "served", served_after_all(best.first, best.past))
        call.trace.note(self.name, "failed", unserved(first, past))
        call.trace.note(self.name, "best_effort", {**sent_to(best.target), "why": why})
        call.trace.headers[CASCADED] = f"best_effort {best.target.model}"
        return replace(best.reply, cacheable=False)

    def _weighed(self, call: Call, plan: Plan, tried: list[_Tried], reply: Reply) -> Reply:
        """The last answer is served in any case; where it fails, too, it is not remembered."""
        answer = None if _unscored(reply, plan.dialect) else answer_from(reply, plan.dialect)
        if answer is None:
            return reply
        if tried and (draft := tried[-1]).answer is not None and not draft.judged.failed:
            verdict = agree(plan.question, draft.answer, answer)
            drawn = draft.ruling is not None and draft.ruling.drawn  # then a judge teaches
            if not isinstance(verdict, Unknown) and not drawn:
                quality = float(isinstance(verdict, Passed))
                self._teach(call, plan, draft, quality=quality, reference=call.target.model)
        failed = [
            name
            for name, argument in _with_form(plan, answer)
            if name in CHECKS and isinstance(run(name, plan.question, answer, argument), Failed)
        ]
        if not failed:
            return reply
        call.trace.note(self.name, "best_effort", {"failed": ", ".join(failed)})
        call.trace.headers[CASCADED] = f"best_effort {call.target.model}"
        return replace(reply, cacheable=False)


def _with_form(plan: Plan, answer: Answer) -> Checks:
    """The checks, and those of the form that the call itself asks for."""
    names = {name for name, _ in plan.checks}
    checks = plan.checks
    if answer.tool_uses and "tool_arguments" not in names:
        checks = (("tool_arguments", ""), *checks)
    if plan.question.wants_json and not answer.tool_uses and "json" not in names:
        checks = (("json", ""), *checks)
    return checks


def _unscored(reply: Reply, dialect: Dialect) -> str:
    """Why a reply must be judged neither right nor wrong; empty when it may."""
    facts = reply.facts
    if not facts.complete or reply.body is None:
        return "not whole"
    if facts.finish not in ("complete", "tool_calls"):
        return facts.finish
    if facts.finish == "tool_calls":
        return ""
    why = why_not_kept(reply, text_of(reply, dialect), _MOST_BYTES)
    return why if why == "refusal" else ""
