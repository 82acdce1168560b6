"""How `scrimp compare` asks and judges: through the engine, priced and booked, past every cache."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from scrimp.app import App
from scrimp.calls import Call, Finish, HeldSink, Target, Trace
from scrimp.choosing import ITSELF
from scrimp.dialects.detect import dialect_of
from scrimp.dialects.shorten import shortened
from scrimp.errors import ConfigError, InvalidRequest, Rejected, ScrimpError
from scrimp.judges.preference import Duel, Graded, Preference, Words, check_judge, same_model
from scrimp.remembered import CacheControl
from scrimp.routing.wishes import is_choice
from scrimp.semantics.answers import declines, text_of
from scrimp.shell.intake import Asked, Identity, Intake
from scrimp.shell.routes import ROUTES
from scrimp.studies.questions import Question, body_of
from scrimp.studies.records import Answer

if TYPE_CHECKING:
    from scrimp.studies.records import Finish as Ended

TAG = "scrimp-compare"
"""Of all calls of comparisons: budgets and reports may name it."""
_DIALECTS = ("openai.chat", "anthropic.messages")
_PATHS = {route.dialect: path for path, route in ROUTES.items()}
_JSON = (b"content-type", b"application/json")
_VERSION = (b"anthropic-version", b"2023-06-01")  # docs.anthropic.com, API versions
_ENDS: dict[Finish, Ended] = {
    "truncated": "truncated",
    "refused": "refused",
    "tool_calls": "no_text",
}
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_LABEL = 4


@dataclass(frozen=True, slots=True)
class Asks:
    """What is asked of whom. `judge` is empty where nobody is; `most_tokens` bounds answers."""

    models: tuple[str, ...]
    judge: str
    most_tokens: int


class Bench:
    """Asks models and a judge in one engine. Raises UnknownModel, InvalidRequest, ConfigError."""

    def __init__(self, app: App, asks: Asks) -> None:
        self._app = app
        self._asks = asks
        self._intake = Intake(app, tenant_secret=b"")
        self._arms = {name: self._native(name) for name in asks.models}
        _check_arms(self._arms)
        self._judge: Preference | None = None
        if asks.judge:
            self._judge = self._judge_of(self._native(asks.judge))

    def check(self, questions: Sequence[Question]) -> None:
        """Raises InvalidRequest for a question that one of the models cannot be asked."""
        for question in questions:
            for model in self._arms:
                try:
                    self._call(model, question)
                except Rejected as error:
                    raise InvalidRequest(f"line {question.line}: {error}") from error

    def body(self, model: str, question: Question) -> bytes:
        """What a model is sent."""
        name, most = self._dialect(model, question), self._asks.most_tokens
        body = body_of(question, model, name, most)
        if question.body is not None:
            return body
        dialect = self._app.dialects[name]
        short = shortened(dialect.read_request(body), dialect, self._arms[model].model, most)
        return body if short is None else short.body

    @property
    def judge_dialect(self) -> str:
        """In which dialect the judge is asked."""
        return self._native(self._asks.judge).dialect

    async def ask(self, model: str, question: Question) -> Answer:
        """One answer; a failure is one, too."""
        call = self._call(model, question)
        clock = self._app.clock
        begun = clock.monotonic()
        try:
            reply = await self._app.handle(call)
        except ScrimpError as error:
            return Answer("failed", cost_nanousd=_cost(call), call=call.id, error=str(error))
        text = text_of(reply, self._app.dialects[call.target.dialect])
        ended = _ENDS.get(reply.facts.finish, "complete" if text.strip() else "no_text")
        return Answer(
            finish="refused" if ended == "complete" and declines(text) else ended,
            text=text,
            cost_nanousd=_cost(call),
            latency_ms=round((clock.monotonic() - begun) * 1000, 1),
            reported=reply.facts.model,
            call=call.id,
        )

    async def grade(self, question: Question, one: Answer, two: Answer) -> Graded:
        """What the judge says of two answers."""
        assert self._judge is not None  # noqa: S101 - told to the type checker
        who = self._call(self._asks.models[0], question)
        duel = Duel(question.prompt, one.text, two.text, (one.reported, two.reported))
        return await self._judge(who, duel)

    def _judge_of(self, target: Target) -> Preference:
        arms = tuple(self._arms.values())
        check_judge(target, arms)
        app = self._app
        return Preference(
            app.handle,
            target,
            arms,
            means=(app.dialects, app.clock, app.new_id),
            words=Words(lambda: secrets.token_hex(8), _labels),
        )

    def _native(self, name: str) -> Target:
        """Where a model is asked, best in a dialect that its provider speaks itself."""
        if is_choice(name):
            raise InvalidRequest(f"'{name}' chooses a model for each call; compare needs models")
        found: list[Target] = []
        failure: Rejected | None = None
        for dialect in _DIALECTS:
            try:
                found.append(self._app.targets.resolve(name, dialect))
            except Rejected as error:  # another dialect, or nobody at all
                failure = failure or error
        for target in found:
            if target.dialect in self._app.settings.providers[target.provider].dialects:
                return target
        if found:
            return found[0]
        assert failure is not None  # noqa: S101 - told to the type checker
        raise failure

    def _dialect(self, model: str, question: Question) -> str:
        if question.body is None:
            return self._arms[model].dialect
        return dialect_of({**question.body, "model": model})

    def _call(self, model: str, question: Question) -> Call:
        path = _PATHS[self._dialect(model, question)]
        raw = [_JSON, _VERSION] if path == _PATHS["anthropic.messages"] else [_JSON]
        asked = Asked(
            id=self._app.new_id(),
            identity=Identity(),
            method="POST",
            path=path,
            headers=dict(raw),
            raw=raw,
            body=self.body(model, question),
            sink=HeldSink(),
            trace=Trace(),
        )
        call = self._intake.call(asked, ROUTES[path])
        return replace(
            call,
            purpose="audit",
            cache=CacheControl("no-store"),
            caller=replace(call.caller, tags=(TAG,)),
            wish=ITSELF,
        )


def _check_arms(arms: dict[str, Target]) -> None:
    """Raises ConfigError where two names mean one model: it would be compared with itself."""
    seen: list[tuple[str, Target]] = []
    for name, target in arms.items():
        for other, theirs in seen:
            if target.provider == theirs.provider and same_model(target.model, theirs.model):
                raise ConfigError(f"'{other}' and '{name}' are one model, '{target.model}'")
        seen.append((name, target))


def _cost(call: Call) -> int | None:
    """What it has cost; None where nobody knows. What never left has cost nothing."""
    if call.trace.booked is None:
        return 0 if not call.trace.attempts else None
    return call.trace.booked.cost.nanousd


def _labels() -> tuple[str, str]:
    """Two names for answers that no answer can know. Consonants: no word among them."""
    one, two = ("".join(secrets.choice(_LETTERS) for _ in range(_LABEL)) for _ in range(2))
    return (one, two) if one != two else _labels()
