"""Leave out old turns: beyond so many messages, or beyond what fits into the model's window.

Instructions, the newest question and the newest turn stay, and tools keep their results. What does
not fit is cut by whole steps, so that the cut stands still for some calls. A cut that nothing
forces is made only where it is worth more than what it takes out of the provider's prefix cache.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from msgspec.structs import replace

from scrimp.calls import Call, Reply
from scrimp.dialects.json_body import encode
from scrimp.errors import ScrimpError, UpstreamError
from scrimp.ledger.smaller import less_text, less_tokens
from scrimp.pipeline.summaries import Summaries
from scrimp.ports import Count, Next
from scrimp.shrinking.blocks import RESULT_SIGNS, list_name
from scrimp.shrinking.fitting import First, Trimmed, fit_to, last_of
from scrimp.shrinking.native import cleared_tokens, is_refusal, natively
from scrimp.shrinking.worth import TokenPrices, worth_picousd
from scrimp.weights import Scales, Weighed

TRIMMED = "x-scrimp-trimmed"
"""The header of a call that was sent without some of its messages: how many are gone."""

_TRIES = 4
_MOST_REFUSALS = 1024
_FRAMING_TOKENS = 1_024
_CHARACTERS_PER_TOKEN = 4

Window = Callable[[Call], int | None]
"""How many tokens the model of a call takes in all; None where nobody knows."""
Prices = Callable[[Call, int], TokenPrices | None]
"""What a token of a call's input costs, by its size; None where nobody knows."""


@dataclass(frozen=True, slots=True)
class TrimSettings:
    """`last`: at most so many messages (0: as many as fit). `step` is in per cent of either.

    With `native` the provider edits the context itself, where its API can. `auto`: windows are
    those of models, of which half at most is reserved unless a call says otherwise.
    """

    last: int = 0
    reserve_output: int = 4000
    first: First = "turns"
    step: int = 25
    native: bool = False
    auto: bool = False


class Trim:
    """`window` and `prices` know the models; with `summaries` what goes is summed up."""

    name: ClassVar[str] = "trim"
    fail_closed: ClassVar[bool] = False

    def __init__(
        self,
        scales: Scales,
        window: Window,
        prices: Prices,
        settings: TrimSettings,
        *,
        summaries: Summaries | None = None,
    ) -> None:
        self._scales = scales
        self._window = window
        self._prices = prices
        self._settings = settings
        self._summaries = summaries
        self._refused: set[tuple[str, str]] = set()

    async def __call__(self, call: Call, next: Next) -> Reply:
        """Pass on a smaller call, or the same one where nothing has to go."""
        items = call.request.fields.get(list_name(call.target.dialect))
        known = call.operation == "chat" and call.target.dialect in RESULT_SIGNS
        if not known or not isinstance(items, list):
            return await next(call)
        fewer = await self._by_number(call, items) if self._settings.last else call
        where = (call.target.provider, call.target.model)
        native = self._settings.native and where not in self._refused
        smaller = await self._by_size(fewer, call, native=native)
        if not native or smaller.request.fields.keys() == fewer.request.fields.keys():
            return await next(smaller)
        try:
            reply = await next(smaller)
        except UpstreamError as error:
            if not is_refusal(error.status, error.body) or call.sink.begun:
                raise
            call.trace.note(self.name, "native_refused", {"status": error.status})
            reply = await next(await self._by_size(fewer, call, native=False))
            if len(self._refused) < _MOST_REFUSALS:  # what fails without it tells nothing
                self._refused.add(where)
            return reply
        if cleared := cleared_tokens(reply.body):
            call.trace.note(self.name, "native_cleared", less_tokens(cleared))
        return reply

    async def _by_number(self, call: Call, items: Sequence[Any]) -> Call:
        """At most so many messages, where a cut is worth more than it costs."""
        most, share = self._settings.last, self._settings.step
        if len(items) <= most:
            return call
        step = most * share // 100
        sizes = [len(encode(item)) for item in items]
        found = last_of(items, most, step=step, weights=sizes)
        if not found.messages:
            return call
        size = len(call.request.body) // _CHARACTERS_PER_TOKEN
        worth = self._worth(call, found, size, calls=max(1, step // 2))
        if worth is not None and worth < 0:
            told = {"messages": found.messages, "worth_picousd": worth}
            call.trace.note(self.name, "refused_by_price", told)
            return call
        smaller, added = _with(call, found.items), 0
        if (message := await self._summary(call, found)) is not None:
            smaller, added = _with(call, _beside(found, message)), len(encode(message))
        numbers = less_text(max(0, found.tokens - added), len(smaller.request.body))
        return self._told(smaller, found, {**numbers, "most": most}, summed=added > 0)

    def _worth(self, call: Call, found: Trimmed, size: int, *, calls: int) -> int | None:
        prices = self._prices(call, size)
        if prices is None:
            return None
        return worth_picousd(
            found.tokens // _CHARACTERS_PER_TOKEN,
            found.tail_tokens // _CHARACTERS_PER_TOKEN,
            calls,
            prices,
        )

    async def _by_size(self, call: Call, whole: Call, *, native: bool) -> Call:
        """As much as the model takes, with room for the answer. `whole` is what was asked."""
        if (room := self._limit(call)) is None:
            return call
        limit, window = room
        weighed = await self._weighed(call, limit)
        if weighed is None:
            return call
        if native and (edited := self._natively(call, limit)) is not None:
            return edited
        found, now = await self._fitted(call, weighed, limit)
        if found is None:
            if now.tokens > limit:
                told = {"tokens": now.tokens, "limit": limit, "window": window}
                call.trace.note(self.name, "cannot_fit", told)
            return call
        before = weighed.whole if call is whole else await self._count(whole, whole.request.fields)
        summed = await self._summed_up(call, found, limit)
        smaller, now = (_with(call, found.items), now) if summed is None else summed
        numbers = less_tokens(max(0, before.tokens - now.tokens))
        return self._told(
            smaller,
            found,
            {**numbers, "limit": limit, "window": window},
            summed=summed is not None,
        )

    def _limit(self, call: Call) -> tuple[int, int] | None:
        """Tokens of input that fit, and the window; None where nothing is to be counted."""
        window, settings = self._window(call), self._settings
        if window is None:
            return None
        reserve = call.request.max_output_tokens
        if reserve is None:
            most = window // 2 if settings.auto else settings.reserve_output
            reserve = min(settings.reserve_output, most)
        if window <= reserve:
            told = {"limit": 0, "window": window, "reserve": reserve}
            call.trace.note(self.name, "cannot_fit", told)
            return None
        limit = window - reserve
        fits = len(call.request.body) + _FRAMING_TOKENS <= limit  # no text has more than bytes
        return None if fits else (limit, window)

    async def _summed_up(self, call: Call, found: Trimmed, limit: int) -> tuple[Call, Count] | None:
        """What is left with a summary beside it, where that fits too."""
        message = await self._summary(call, found)
        if message is None:
            return None
        smaller = _with(call, _beside(found, message))
        now = await self._count(call, smaller.request.fields)
        if now.high <= limit:
            return smaller, now
        call.trace.note(
            self.name,
            "no_summary",
            {"because": "too long", "tokens": now.tokens, "limit": limit},
        )
        return None

    async def _summary(self, call: Call, found: Trimmed) -> dict[str, Any] | None:
        """A message for what went; None where nothing is to be summed up, or it cannot be."""
        if self._summaries is None or not found.gone:
            return None
        try:
            made = await self._summaries.of(call, found.gone)
        except (ScrimpError, TimeoutError) as error:
            call.trace.note(self.name, "no_summary", {"because": type(error).__name__})
            return None
        if made is None:
            call.trace.note(self.name, "no_summary", {"because": "nothing may be kept of it"})
            return None
        message, asked = made
        call.trace.note(self.name, "summary", {"messages": len(found.gone), "asked": asked})
        return message

    def _natively(self, call: Call, limit: int) -> Call | None:
        """The provider's own way; None where there is none."""
        whose = (call.target.dialect, call.target.provider)
        step = limit * self._settings.step // 100
        found = natively(call.request.fields, call.headers, whose, limit, step)
        if found is None:
            return None
        call.trace.note(self.name, "native", {"limit": limit})
        call.trace.headers[TRIMMED] = "by the provider"
        request = replace(call.request, body=encode(found.fields), fields=found.fields)
        return replace(call, request=request, headers=found.headers)

    async def _fitted(
        self, call: Call, weighed: Weighed, limit: int
    ) -> tuple[Trimmed | None, Count]:
        """What fits, proven by counting it; None where the newest turn alone is too large.

        Where tokens are an estimate, and only its high end does not fit, the least is what fits.
        """
        items = call.request.fields[list_name(call.target.dialect)]
        step = limit * self._settings.step // 100
        need, now = weighed.whole.high - limit + self._room(limit), weighed.whole
        least: tuple[Trimmed, Count] | None = None
        for _ in range(_TRIES):
            found = fit_to(items, weighed.items, need, step=step, first=self._settings.first)
            if not found.messages and not found.results:
                break
            if weighed.left is None or found.results:
                now = await self._count(call, _fields_with(call, found.items))
            else:
                now = weighed.left(found.spans)
            if now.high <= limit:
                return found, now
            if now.tokens <= limit:
                least = (found, now)
            need = found.tokens + now.high - limit
        return (None, now) if least is None else least

    async def _weighed(self, call: Call, limit: int) -> Weighed | None:
        """None for what fits."""
        target, fields = call.target, call.request.fields
        found = await self._scales.weigh(target.model, fields, target.dialect, enough=limit)
        return None if found is None or found.whole.high <= limit else found

    async def _count(self, call: Call, fields: Mapping[str, Any]) -> Count:
        """With these fields."""
        target = call.target
        return await self._scales.count_request(target.model, fields, target.dialect)

    def _room(self, limit: int) -> int:
        """What is kept free for a summary: an eighth of what fits at most."""
        return 0 if self._summaries is None else min(limit // 8, self._summaries.most_tokens)

    def _told(
        self,
        call: Call,
        found: Trimmed,
        numbers: Mapping[str, int | float | str],
        *,
        summed: bool,
    ) -> Call:
        told = {**numbers, "messages": found.messages, "results": found.results}
        call.trace.note(self.name, "trimmed", told)
        parts = [f"{found.messages} messages"] if found.messages else []
        parts += [f"{found.results} tool results"] if found.results else []
        parts += ["summed up"] if summed else []
        call.trace.headers[TRIMMED] = ", ".join(parts)
        return call


def _with(call: Call, items: Sequence[Any]) -> Call:
    """The call with what is left of its conversation."""
    fields = _fields_with(call, items)
    return replace(call, request=replace(call.request, body=encode(fields), fields=fields))


def _fields_with(call: Call, items: Sequence[Any]) -> dict[str, Any]:
    return {**call.request.fields, list_name(call.target.dialect): list(items)}


def _beside(found: Trimmed, message: dict[str, Any]) -> list[Any]:
    """What is left, with a message where the first stood that went."""
    return [*found.items[: found.at], message, *found.items[found.at :]]
