"""A way with record, pack and a provider that answers packed prompts, for tests of the lever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from scrimp.calls import Attempt, Call, Reply, Trace
from scrimp.choosing import NO_WISH
from scrimp.dialects import DIALECTS
from scrimp.dialects.json_body import encode, parse_object
from scrimp.levers.pack import Pack, PackMeans, PackSettings, Settle
from scrimp.levers.record import Record
from scrimp.pipeline.background import Background
from scrimp.pipeline.chain import chain
from scrimp.ports import Entry, Lever, Next
from scrimp.simulator.packed import answered, items_of
from tests.support.core import (
    FakeClock,
    HereSink,
    LetterEncoder,
    ListLedger,
    ListOutbox,
    attempt_of,
    call_of,
    flat_price,
    reply_of,
)

RULES = "Sort what customers write into one of five kinds. " * 20
ASKED = replace(NO_WISH, pack="on")
WORD = "kq7wzt"


def question(text: str = "Where is it?", *, rules: str = RULES, **more: Any) -> dict[str, Any]:
    """The fields of a short question under rules."""
    messages = [{"role": "system", "content": rules}, {"role": "user", "content": text}]
    return {"model": "gpt-4o-mini", "max_tokens": 20, "messages": messages, **more}


def message(text: str = "Where is it?", **more: Any) -> dict[str, Any]:
    """The same for Anthropic."""
    asked = [{"role": "user", "content": text}]
    return {"model": "claude-x", "max_tokens": 20, "system": RULES, "messages": asked, **more}


def response(said: Any = "Where is it?", **more: Any) -> dict[str, Any]:
    """The same for OpenAI's responses."""
    asked = {"instructions": RULES, "input": said, "store": False}
    return {"model": "gpt-4o-mini", "max_output_tokens": 20, **asked, **more}


def said(text: str) -> str:
    """What the provider answers to one item."""
    return f"answer to {text}"


class Provider:
    """The end of the way: waits for its cue, then answers; an attempt is logged however it ends.

    `answer` makes an answer of the last message's text, `spoils` changes a packed answer, `fails`
    is raised for packed prompts.
    """

    def __init__(self) -> None:
        self.answer: Callable[[str], str] = said
        self.spoils: Callable[[str], str] = lambda text: text
        self.fails: Exception | None = None
        self.finish = "stop"
        self.usage = True
        self.asked: list[Call] = []
        self.made: list[Attempt] = []
        self.cancelled = 0
        self.cue = asyncio.Event()
        self.cue.set()

    @property
    def packed(self) -> list[Call]:
        """Prompts that held several items."""
        return [call for call in self.asked if items_of(last_text(call))[1]]

    async def __call__(self, call: Call) -> Reply:
        """Answer."""
        self.asked.append(call)
        try:
            await self.cue.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            self._log(call, outcome="cancelled", status=0, usage=None, cost=UNPRICED)
            raise
        word, items = items_of(last_text(call))
        if items and self.fails is not None:
            refused = getattr(self.fails, "status", 500) < 500
            outcome = {"outcome": "rejected"} if refused else {"outcome": "failed"}
            known = {"cost": FREE if refused else UNPRICED, "usage": None}
            self._log(call, status=getattr(self.fails, "status", 500), **outcome, **known)
            raise self.fails
        text = last_text(call)
        text = self.spoils(answered(word, items, self.answer)) if items else self.answer(text)
        body = reply_body(call, text, self.finish, usage=self.usage)
        facts = DIALECTS[call.target.dialect].read_reply(body)
        if facts.usage is None:
            self._log(call, usage=None, cost=UNPRICED)
        else:
            cost = flat_price(facts.usage, call.target, call.started_at, "")
            self._log(call, usage=facts.usage, cost=cost)
        return reply_of(body=body, facts=facts)

    def _log(self, call: Call, **changes: Any) -> None:
        attempt = attempt_of(target=call.target, **changes)
        call.trace.attempts.append(attempt)
        self.made.append(attempt)


UNPRICED = attempt_of(cost=replace(attempt_of().cost, nanousd=None)).cost
UNPRICED = replace(UNPRICED, low_nanousd=None, high_nanousd=None, basis="unknown")
FREE = replace(attempt_of().cost, nanousd=0, low_nanousd=0, high_nanousd=0, basis="free")


def last_text(call: Call) -> str:
    """What the last message says."""
    if call.target.dialect == "openai.responses":
        return DIALECTS["openai.responses"].last_user_text(call.request)
    content = call.request.fields["messages"][-1]["content"]
    return content if isinstance(content, str) else str(content[0]["text"])


def reply_body(call: Call, text: str, finish: str, *, usage: bool) -> bytes:
    """A reply in the call's dialect; every character is a token."""
    if call.target.dialect == "openai.responses":
        return response_body(call, text, finish)
    prompt = sum(len(str(one.get("content"))) for one in call.request.fields["messages"])
    prompt += len(str(call.request.fields.get("system") or ""))
    if call.target.dialect == "anthropic.messages":
        used: dict[str, Any] = {"input_tokens": prompt, "output_tokens": len(text)}
        fields: dict[str, Any] = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": call.target.model,
            "content": [{"type": "text", "text": text}],
            "stop_reason": {"stop": "end_turn", "length": "max_tokens"}[finish],
            "usage": used,
        }
        return encode(fields)
    used = {"prompt_tokens": prompt, "completion_tokens": len(text)}
    told = {"role": "assistant", "content": text, "reasoning_content": "thoughts of all items"}
    fields = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": call.target.model,
        "choices": [{"index": 0, "message": told, "finish_reason": finish}],
    }
    total = {"total_tokens": prompt + len(text)}
    return encode({**fields, "usage": used | total} if usage else fields)


def response_body(call: Call, text: str, finish: str) -> bytes:
    """A response to the call."""
    given = call.request.fields
    prompt = len(str(given.get("instructions") or "")) + len(str(given["input"]))
    part = {"type": "output_text", "text": text, "annotations": []}
    thoughts = {"type": "reasoning", "id": "rs_1", "summary": [{"text": "thoughts of all items"}]}
    message = {"type": "message", "role": "assistant", "status": "completed", "content": [part]}
    used = {"input_tokens": prompt, "output_tokens": len(text)}
    ended = {"stop": "completed", "length": "incomplete"}[finish]
    fields = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": ended,
        "model": call.target.model,
        "instructions": given.get("instructions"),
        "max_output_tokens": given["max_output_tokens"],
        "output": [thoughts, {**message, "id": "msg_1"}],
        "usage": used | {"total_tokens": prompt + len(text)},
    }
    cut = {"incomplete_details": {"reason": "max_output_tokens"}} if finish == "length" else {}
    return encode(fields | cut)


def text_of(reply: Reply) -> str:
    """What a reply says."""
    assert reply.body is not None
    fields = parse_object(reply.body)
    assert fields is not None
    if "choices" in fields:
        return str(fields["choices"][0]["message"]["content"])
    if "output" in fields:
        return str(fields["output"][-1]["content"][0]["text"])
    return str(fields["content"][0]["text"])


@dataclass
class Hand:
    """A timer that goes off when the test says so."""

    then: Callable[[], None]
    seconds: float
    live: bool = True

    def cancel(self) -> None:
        """It will not go off."""
        self.live = False

    def go_off(self) -> None:
        """Now."""
        assert self.live, "this timer was cancelled"
        self.live = False
        self.then()


@dataclass
class Office:
    """The way, its ledger, the provider, timers, and the calls that were sent."""

    way: Next
    pack: Pack
    provider: Provider
    ledger: ListLedger
    outbox: ListOutbox
    timers: list[Hand]
    clock: FakeClock
    sent: list[Call] = field(default_factory=list)

    def send(self, fields: dict[str, Any] | None = None, **changes: Any) -> asyncio.Task[Reply]:
        """Send a call that asks for company, in a task of its own."""
        dialect = changes.pop("dialect", "openai.chat")
        call = call_of(fields or question(), dialect=dialect)
        number = len(self.sent)
        given = {"sink": HereSink(), "trace": Trace(), "id": f"call-{number}", "wish": ASKED}
        call = replace(call, **{**given, **changes})
        self.sent.append(call)
        return asyncio.get_running_loop().create_task(_awaited(self.way(call)))

    def send_all(self, count: int, **changes: Any) -> list[asyncio.Task[Reply]]:
        """Send so many that are alike."""
        return [self.send(question(f"Text {number}"), **changes) for number in range(count)]

    def entry(self, number: int) -> Entry:
        """The entry of the call that was sent as this one."""
        settled = [one.entry for one in self.outbox.settlements]
        (found,) = [e for e in (*self.ledger.entries, *settled) if e.id == f"call-{number}"]
        return found

    @property
    def entries(self) -> list[Entry]:
        """Those of all calls."""
        return [self.entry(number) for number in range(len(self.sent))]


async def _awaited(coroutine: Any) -> Reply:
    reply: Reply = await coroutine
    return reply


@asynccontextmanager
async def office(
    *,
    below: Sequence[Lever] = (),
    above: Sequence[Lever] = (),
    words: Sequence[str] = (WORD,),
    budgets: Callable[[Call], Hashable] = lambda call: None,  # noqa: ARG005 (everybody's alike)
    settle: Settle = lambda lines, attempts: None,  # noqa: ARG005 (nothing is held)
    **settings: Any,
) -> AsyncIterator[Office]:
    """When it is left nothing may wait or be in the air any more."""
    ledger, outbox, clock, provider = ListLedger(), ListOutbox(), FakeClock(), Provider()
    background, timers, left = Background(), list[Hand](), list(words)

    def later(seconds: float, then: Callable[[], None]) -> Hand:
        timers.append(Hand(then, seconds))
        return timers[-1]

    means = PackMeans(
        spawn=background,
        later=later,
        clock=clock,
        encoder=LetterEncoder(),
        pricer=flat_price,
        prices=lambda call, tokens: None,  # noqa: ARG005 (nobody knows)
        dialects=DIALECTS,
        new_word=lambda: left.pop(0) if len(left) > 1 else left[0],
        new_id=lambda: "pack-1",
        budgets=budgets,
        settle=settle,
    )
    pack = Pack(means, PackSettings(**settings))
    record = Record(ledger, outbox, clock, flat_price, keep_content=False)
    way = chain([record, *above, pack, *below], provider)
    before = asyncio.all_tasks()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        background.open(group)
        yield Office(way, pack, provider, ledger, outbox, timers, clock)
    assert pack.waiting == 0
    assert not any(timer.live for timer in timers)
    assert asyncio.all_tasks() == before, "a task is left"


def adds_up(scene: Office) -> None:
    """In every entry; and over all of them the provider's bill, to the nano-dollar."""
    for entry in scene.entries:
        assert entry.cost_nanousd is not None
        assert entry.baseline_nanousd is not None
        assert entry.baseline_nanousd - entry.cost_nanousd == sum(n for _, n in entry.saved)
    bill = sum(one.cost.nanousd or 0 for one in scene.provider.made)
    assert bill > 0
    assert sum(entry.cost_nanousd or 0 for entry in scene.entries) == bill
