"""`Scrimp.ask`: one question, one value with the answer and what it cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypedDict
from urllib.parse import quote

import msgspec

from scrimp.app import App
from scrimp.calls import Call, Finish, HeldSink, Reply, Trace, Usage
from scrimp.client.given import only, text_of
from scrimp.client.purses import Pocket, purses_here
from scrimp.client.wrapping import Labels
from scrimp.errors import InvalidRequest, UpstreamError
from scrimp.ledger.booking import total_usage
from scrimp.ledger.steps import served_of
from scrimp.levers.degrade import DEGRADED
from scrimp.money import decimal_usd
from scrimp.routing.tables import reference_of
from scrimp.routing.wishes import is_choice, named_wish
from scrimp.shell.deliver import present
from scrimp.shell.intake import Asked, Identity, Intake
from scrimp.shell.routes import ROUTES

_PATHS = ("/v1/chat/completions", "/v1/messages")
_MOST_TOKENS = 4096  # Anthropic's API will have a limit; OpenAI's has one of its own


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `context` goes before the question, as the system's part."""

    text: str
    context: str
    model: str
    max_tokens: int | None
    headers: Mapping[bytes, bytes]
    purses: tuple[Pocket, ...]


class AskOptions(TypedDict, total=False):
    """What may be said beside a question; see `Scrimp.ask`."""

    context: str
    model: str
    user: str
    task: str
    max_tokens: int | None
    brief: str


def question_of(text: str, model: str, options: AskOptions) -> Question:
    """What is asked, and who pays for it here and now. Raises InvalidRequest."""
    only("ask", options, AskOptions)
    headers = Labels(options.get("user", ""), options.get("task", "")).headers()
    if brief := options.get("brief", ""):
        headers[b"x-scrimp-brief"] = quote(text_of("brief", brief), safe=" ,").encode()
    context, most = text_of("context", options.get("context") or ""), options.get("max_tokens")
    return Question(text_of("question", text), context, model, most, headers, purses_here())


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and what it took. `str` of it is the text.

    `source` is `upstream`, or the lever that answered. `tokens` and `cost` are what this call used
    and cost: nothing when it was `cached`. `cost` is exact US dollars, None when no price is known
    (never to be read as $0). `complexity` is the rung on which rules have put the question, None
    where they were not asked; `task` is the task type. `degraded` is True when a budget made the
    answer cheaper than asked for.
    """

    answer: str
    source: str
    model: str
    provider: str
    task: str
    tokens: Usage
    cost_nanousd: int | None
    saved_nanousd: int | None
    cached: bool
    finish: Finish
    id: str
    complexity: str | None = None
    degraded: bool = False

    def __str__(self) -> str:
        """The text alone."""
        return self.answer

    @property
    def cost(self) -> Decimal | None:
        """Exact US dollars."""
        return None if self.cost_nanousd is None else Decimal(decimal_usd(self.cost_nanousd))


Pay = Callable[[Call, tuple[Pocket, ...]], Call]
"""The same call with all budgets that pay for it."""


async def ask(app: App, intake: Intake, question: Question, pay: Pay) -> Answer:
    """Raises Rejected and UpstreamError."""
    path = _path(app, question.model)
    route = ROUTES[path]
    asked = Asked(
        id=app.new_id(),
        identity=Identity(),
        method="POST",
        path=path,
        headers=question.headers,
        raw=[(b"content-type", b"application/json"), *_version(path)],
        body=_body(question, path),
        sink=HeldSink(),
        trace=Trace(),
    )
    call = pay(intake.call(asked, route), question.purses)
    reply = await app.handle(call)
    _, body = present(app.dialects[route.dialect], reply, call)
    return answer_of(call, reply, _text(path, body))


def _path(app: App, model: str) -> str:
    """Where a model is asked: in the first dialect that its provider speaks.

    Raises UnknownModel and InvalidRequest.
    """
    if is_choice(model):
        wish, section = named_wish(model), app.settings.route
        model = next(filter(None, (wish.required, *wish.models, reference_of(section))), "")
        if not model:
            return _PATHS[0]  # where the intake says what is missing
    for path in _PATHS[:-1]:
        try:
            app.targets.resolve(model, ROUTES[path].dialect, native_only=True)
        except InvalidRequest:
            continue
        return path
    app.targets.resolve(model, ROUTES[_PATHS[-1]].dialect, native_only=True)
    return _PATHS[-1]


def _version(path: str) -> tuple[tuple[bytes, bytes], ...]:
    """The version that Anthropic's API must be told (docs.anthropic.com, API versions)."""
    return ((b"anthropic-version", b"2023-06-01"),) if path == _PATHS[-1] else ()


def _body(question: Question, path: str) -> bytes:
    user = {"role": "user", "content": question.text}
    body: dict[str, Any] = {"model": question.model}
    if path == _PATHS[-1]:
        body["max_tokens"] = question.max_tokens or _MOST_TOKENS
        if question.context:
            body["system"] = question.context
        body["messages"] = [user]
    else:
        system = {"role": "system", "content": question.context}
        body["messages"] = [system, user] if question.context else [user]
        if question.max_tokens is not None:
            body["max_completion_tokens"] = question.max_tokens
    return msgspec.json.encode(body)


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Message


class _Chat(msgspec.Struct):
    choices: list[_Choice]


class _Block(msgspec.Struct):
    type: str
    text: str = ""


class _Messages(msgspec.Struct):
    content: list[_Block]


def _text(path: str, body: bytes) -> str:
    """What was said. Raises UpstreamError for what is no answer."""
    try:
        if path == _PATHS[-1]:
            blocks = msgspec.json.decode(body, type=_Messages).content
            return "".join(block.text for block in blocks if block.type == "text")
        message = msgspec.json.decode(body, type=_Chat).choices[0].message
    except (msgspec.DecodeError, IndexError) as error:
        raise UpstreamError("the provider's reply holds no answer", status=502) from error
    return message.content or message.refusal or ""


def _rung(trace: Trace) -> str | None:
    """The rung that a question was put on, where rules have chosen the model."""
    for line in trace.lines:
        if line.lever == "route" and (rung := dict(line.numbers).get("rung")):
            return str(rung)
    return None


def answer_of(call: Call, reply: Reply, text: str) -> Answer:
    """A call that was answered, as a value."""
    booked, attempts = call.trace.booked, call.trace.attempts
    served = served_of(attempts, call.trace.lines)
    target = call.target if served is None else served.target
    known = booked is not None and booked.baseline_nanousd is not None
    return Answer(
        answer=text,
        source=reply.served_by,
        model=reply.facts.model or target.model,
        provider=target.provider,
        task=call.task.name,
        tokens=total_usage(call.trace.attempts),
        cost_nanousd=booked.cost.nanousd if booked else None,
        saved_nanousd=sum(nano for _, nano in booked.saved) if booked and known else None,
        cached=reply.served_by.endswith("_cache"),
        finish=reply.facts.finish,
        id=call.id,
        complexity=_rung(call.trace),
        degraded=DEGRADED in call.trace.headers,
    )
