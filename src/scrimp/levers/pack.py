"""Ask short calls of one kind in one prompt: what they share is sent, and paid, once.

Only calls of one payer meet: the same tenant, key, budgets and users, the same model, task type,
rules and parameters. Each gets its own answer or is asked by itself; no answer is ever guessed.
A call that stays alone goes on as it came, byte for byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from msgspec.structs import replace

from scrimp.calls import Attempt, Call, HeldSink, Reply, Trace, TraceLine, Usage
from scrimp.dialects.base import Dialect
from scrimp.dialects.json_body import encode
from scrimp.ledger.parts import APART, Weights, apart, saving_apart
from scrimp.ledger.smaller import saved_in
from scrimp.ledger.steps import unserved
from scrimp.packing.answers import read_answers
from scrimp.packing.forms import Form, form_of
from scrimp.packing.items import Bounds, Item, item_of
from scrimp.packing.prompt import is_free, packed_fields
from scrimp.packing.replies import own_body, packed_answer
from scrimp.packing.stop_loss import PackStopLoss, PackStopLossRules
from scrimp.packing.worth import RATIOS, PackPrices, rules_tokens, worth_picousd
from scrimp.pipeline.background import Spawn
from scrimp.pipeline.together import Landed, Later, Seat, Shares, Together, anew
from scrimp.ports import Clock, Count, Encoder, Next, Pricer

PACKED = "x-scrimp-packed"
"""The header of a call that shared a prompt: how many did."""

Settle = Callable[[Sequence[TraceLine], Sequence[Attempt]], None]
"""Settles open holds of budgets, by the lines of a trace and its attempts with their costs."""
Prices = Callable[[Call, int], PackPrices | None]
"""What tokens of a call cost, by the size of its rules; None where nobody knows."""


@dataclass(frozen=True, slots=True)
class PackSettings:
    """`tasks` are packed unasked. A prompt leaves with `calls` items or after `wait_s`.

    `stop` says when packing ends that saves nothing; None: never.
    """

    tasks: frozenset[str] = frozenset()
    calls: int = 10
    wait_s: float = 0.5
    bounds: Bounds = field(default_factory=Bounds)
    stop: PackStopLossRules | None = field(default_factory=PackStopLossRules)


@dataclass(frozen=True, slots=True)
class PackMeans:
    """What the lever works with. `new_word` makes a mark that nobody can guess."""

    spawn: Spawn
    later: Later
    clock: Clock
    encoder: Encoder
    pricer: Pricer
    prices: Prices
    dialects: Mapping[str, Dialect]
    new_word: Callable[[], str]
    new_id: Callable[[], str]
    budgets: Callable[[Call], Hashable] = lambda call: None  # noqa: ARG005 (everybody's alike)
    settle: Settle = lambda lines, attempts: None  # noqa: ARG005 (nothing is held)


class Pack:
    """Lets calls that are alike wait for each other, and asks them together."""

    name: ClassVar[str] = "pack"
    fail_closed: ClassVar[bool] = False

    def __init__(self, means: PackMeans, settings: PackSettings) -> None:
        self._means = means
        self._settings = settings
        self._open: dict[Hashable, Together] = {}
        self._stop = PackStopLoss(settings.stop)

    @property
    def waiting(self) -> int:
        """Prompts that may still be joined."""
        return len(self._open)

    async def __call__(self, call: Call, next: Next) -> Reply:
        """The call's own reply, from a prompt of its own or a shared one."""
        wanted = call.wish.pack
        if wanted == 0 or (wanted is None and call.task.name not in self._settings.tasks):
            return await next(call)
        most = wanted if isinstance(wanted, int) else self._settings.calls
        if seconds := self._stop.rests_s(_stop_kind(call), self._means.clock.monotonic()):
            call.trace.note(self.name, "left_alone", {"why": "stop_loss", "seconds": seconds})
            return await next(call)
        item = self._item(call, most)
        if isinstance(item, str):
            call.trace.note(self.name, "left_alone", {"why": item})
            return await next(call)
        return await self._shared(call, item, most, next)

    def _item(self, call: Call, most: int) -> Item | str:
        wish = call.wish
        if call.operation != "chat":
            return "not_a_chat"
        if call.wait.seconds:
            return "may_wait"  # a job belongs to one call
        if wish.low_latency or wish.deadline_ms is not None:
            return "in_a_hurry"
        item = item_of(call.request, call.target.dialect, self._settings.bounds)
        if isinstance(item, str):
            return item
        worth = worth_picousd(most, item.rules_bytes, self._rates(call, item))
        return item if worth > 0 else "short_rules"

    def _rates(self, call: Call, item: Item) -> PackPrices:
        return self._means.prices(call, rules_tokens(item.rules_bytes)) or RATIOS

    async def _shared(self, call: Call, item: Item, most: int, next: Next) -> Reply:
        together = self._company(call, item, most, next)
        seat = together.board(call, item)
        try:
            landed = await seat.answer
        except BaseException:
            await together.leave(seat)
            call.trace.note(self.name, "left")
            raise
        numbers = unserved(seat.first, seat.past) if seat.past > seat.first else {}
        if landed.failure is not None:
            call.trace.note(self.name, "failed_together")
            raise anew(landed.failure)
        if landed.reply is None:
            call.trace.note(self.name, "asked_alone", {**numbers, "why": landed.why})
            if landed.calls:
                self._count(call, seat, landed)
            return await next(call)
        told = {"calls": landed.calls, "number": seat.number}
        call.trace.note(self.name, "packed", told)
        if landed.saved is not None:
            call.trace.note(self.name, APART, landed.saved)
        call.trace.headers[PACKED] = f"{landed.calls} calls"
        self._count(call, seat, landed)
        return landed.reply

    def _count(self, call: Call, seat: Seat, landed: Landed) -> None:
        """What the item has brought; packing stops for its kind where that is nothing."""
        answered, now_s = landed.reply is not None, self._means.clock.monotonic()
        parts = [one.cost.nanousd for one in call.trace.attempts[seat.first : seat.past]]
        if answered:
            saved = 1 if landed.saved is None else saved_in(landed.saved)
        else:
            saved = -1 if None in parts else -sum(part or 0 for part in parts)
        ended = self._stop.add(_stop_kind(call), saved, now_s, answered=answered)
        if ended is not None:
            told = {"items": ended.items, "unanswered": ended.unanswered}
            told |= {"saved_nanousd": ended.saved_nanousd}
            call.trace.note(self.name, "stopped", told)

    def _company(self, call: Call, item: Item, most: int, next: Next) -> Together:
        """The prompt in the making for calls of this kind; a new one where there is none."""
        means = self._means
        dialect = means.dialects[call.target.dialect]
        key = (most, means.budgets(call), *_kind(call, item, dialect))
        together = self._open.get(key)
        if together is None:
            together = self._open[key] = Together(
                _Crew(means, dialect, partial(self._rates, call, item)),
                next,
                means.spawn,
                means.pricer,
                most=most,
                on_closed=partial(self._open.pop, key),
            )
            together.wait(means.later, self._settings.wait_s)
        return together


def _stop_kind(call: Call) -> Hashable:
    """Whose answers are alike good or bad in company."""
    task = "" if call.task.source == "classifier" else call.task.name
    return (call.caller.tenant, call.target.provider, call.target.model, task)


def _kind(call: Call, item: Item, dialect: Dialect) -> tuple[Hashable, ...]:
    """Equal only for calls that may share a prompt: one payer, one user, one kind of question."""
    target, caller, paying = call.target, call.caller, call.caller.credential
    return (
        caller.tenant,
        caller.key,
        caller.org,
        caller.team,
        caller.user,
        caller.end_user,
        paying and hashlib.sha256(f"{paying[0]}:{paying[1]}".encode()).digest(),
        target.provider,
        target.model,
        target.dialect,
        call.path,
        dialect.answer_headers(call.headers),
        "" if call.task.source == "classifier" else call.task.name,  # it guesses by the question
        call.over_soft,
        replace(call.wish, pack=None),
        item.kind,
    )


class _Crew:
    """Makes the prompt, and parts its reply. Implements `together.Crew`."""

    def __init__(self, means: PackMeans, dialect: Dialect, rates: Callable[[], PackPrices]) -> None:
        self._means = means
        self._dialect = dialect
        self._rates = rates
        self._word = ""
        self._form = Form()
        self.settle = means.settle

    def worth(self, seats: Sequence[Seat]) -> bool:
        """Whether what is not sent again costs more than the marks."""
        return worth_picousd(len(seats), seats[0].item.rules_bytes, self._rates()) > 0

    def prompt(self, seats: Sequence[Seat]) -> Call:
        """The one call for all of them; only headers that all of them bring go along."""
        call = seats[0].call
        texts = [seat.item.text for seat in seats]
        body = call.request.body.decode()
        while not is_free(word := self._means.new_word(), (*texts, body)):
            pass
        self._word = word
        name = self._dialect.name
        self._form = form_of(call.request.fields, name)
        fields = packed_fields(call.request.fields, texts, word, dialect=name)
        common = set(call.headers).intersection(*(seat.call.headers for seat in seats))
        return replace(
            call,
            id=self._means.new_id(),
            headers=tuple(pair for pair in call.headers if pair in common),
            request=self._dialect.read_request(encode(fields)),
            started_at=self._means.clock.now(),
            sink=HeldSink(),
            trace=Trace(),
        )

    async def shares(self, asked: Call, reply: Reply, seats: Sequence[Seat]) -> Shares:
        """Each item's answer, and its part by the tokens that it would have taken by itself."""
        said = packed_answer(reply, self._dialect.name)
        answers = read_answers(said, self._word, len(seats)) if said else (None,) * len(seats)
        texts = [self._form.kept(answer) or "" if answer else "" for answer in answers]
        encoder, model, name = self._means.encoder, asked.target.model, self._dialect.name
        into, out = [], []
        for at, seat in enumerate(seats):
            count = await encoder.count_request(model, seat.call.request.fields, name)
            into.append(count.tokens)
            written = await encoder.count(model, (texts[at],))
            out.append(written.tokens)
            if written.low > seat.item.most_tokens:
                texts[at] = ""  # by itself it would have been cut: so it shall be
        whole = await encoder.count_request(model, asked.request.fields, name)
        written = await encoder.count(model, (said or "",))
        usage = reply.facts.usage or Usage()
        alone = Weights(
            _to_scale(into, usage.total_input_tokens, whole),
            _to_scale(out, usage.output_tokens, written),
        )
        weights = Weights(tuple(into), tuple([one + 1 for one in out]))
        return Shares(weights, partial(self._landing, reply, texts, alone))

    def _landing(
        self, reply: Reply, texts: Sequence[str], alone: Weights, number: int, part: Attempt
    ) -> Landed:
        text, usage = texts[number - 1], part.usage
        if not text or reply.body is None:
            return Landed(why="no_certain_answer", calls=len(texts))
        body = own_body(reply.body, self._dialect.name, text, usage=usage, number=number)
        facts = replace(reply.facts, usage=usage, finish="complete")
        own = replace(reply, body=body, facts=facts, cacheable=False)
        saved = None
        if usage is not None:
            by_itself = apart(usage, alone.inputs[number - 1], alone.outputs[number - 1])
            saved = saving_apart(Pack.name, part, by_itself, self._means.pricer)
        return Landed(own, calls=len(texts), saved=saved)


def _to_scale(counts: Sequence[int], told: int, counted: Count) -> tuple[int, ...]:
    """Counts of a tokenizer that is public as they are; estimates as the provider tells the whole.

    It told so many where so many were counted.
    """
    if counted.low == counted.high or not counted.tokens:
        return tuple(counts)
    half = counted.tokens // 2
    return tuple([(count * told + half) // counted.tokens for count in counts])
