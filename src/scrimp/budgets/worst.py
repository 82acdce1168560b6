"""How much a call may use at most, known cheaply before it is sent. Pure.

No tokenizer makes more tokens of a text than it has bytes of UTF-8, and a text has no more of them
than the JSON it stands in. So the size of a body bounds its tokens, wherever all that it holds is
text; the framing that providers add is less than what JSON takes for it, some constants apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec.structs

from scrimp.budgets.frame import frame_of
from scrimp.calls import Request, Target
from scrimp.dialects.json_body import encode
from scrimp.ports import Count
from scrimp.prices.book import PriceBook
from scrimp.prices.bound import Ask, ask_of, upper_bound
from scrimp.prices.rates import ModelPrice
from scrimp.values import Value

EXPECTED_OUTPUT_TOKENS = 1_000
"""What a call is expected to write at most, where only soft limits ask."""

_OVERHEAD_TOKENS = 1_024
"""System prompts that providers add for tools and structured answers: 560 and 300 at most."""
_MOST_QUICK_BYTES = 256 * 1024
_GRAIN = 256
"""Bounds are made for prompts of whole multiples of this, so that they can be remembered."""
_MEMO_LIMIT = 2048
_HOLDS_FOR = timedelta(minutes=10)
NOT_TEXT = (
    *(b'"image', b'"input_image', b'"file', b'"input_file', b'"document', b'"input_audio'),
    *(b'"audio', b'"computer', b'"video', b'"container_upload', b'"item_reference', b"base64"),
)
"""What begins a part whose tokens its size does not bound, wherever it stands beside texts."""
_OF_CLIENTS = (None, "function", "custom")


class Worst(Value, frozen=True):
    """The most that one attempt may use. Input tokens are those that are billed.

    `unpriced` are hosted tools whose fee is not in it, as nobody has stated one.
    """

    nanousd: int
    input_tokens: int
    output_tokens: int
    unpriced: tuple[str, ...] = ()


class WorstCase:
    """Upper bounds at full price, remembered for a while. `names` and `places` as in billing."""

    def __init__(
        self, book: PriceBook, names: Mapping[str, str], places: Mapping[str, str]
    ) -> None:
        self._book = book
        self._names = names
        self._places = places
        self._memo: dict[tuple[object, ...], tuple[datetime, Worst]] = {}

    def __call__(self, ask: Ask, target: Target, at: datetime) -> Worst:
        """The most that an attempt can cost that begins soon. Raises PriceUnknown."""
        high = -(-ask.inputs.high // _GRAIN) * _GRAIN
        key = (
            *(high, ask.max_output_tokens, ask.n, ask.service_tier, ask.place, ask.kinds),
            *(ask.uses, ask.unseen_input, target.model, target.provider),
        )
        known = self._memo.get(key)
        if known is not None and known[0] <= at < known[0] + _HOLDS_FOR:
            return known[1]
        if len(self._memo) >= _MEMO_LIMIT:
            self._memo.clear()
        worst = self._bound(replace(ask, inputs=Count(0, 0, high, "")), target, at)
        self._memo[key] = (at, worst)
        return worst

    def known(self, target: Target) -> ModelPrice | None:
        """What the book knows of a model."""
        return self._book.find(target.model, self._names.get(target.provider, target.provider))

    def _bound(self, ask: Ask, target: Target, at: datetime) -> Worst:
        if not ask.place and (place := self._places.get(target.provider)):
            ask = replace(ask, place=place)
        provider = self._names.get(target.provider, target.provider)
        bound = upper_bound(ask, target.model, provider, at, book=self._book)
        tokens = {line.what: line.quantity for line in bound.lines}
        return Worst(bound.nanousd, tokens.get("input", 0), tokens.get("output", 0), bound.unpriced)


def asked(request: Request, dialect: str, inputs: Count) -> Ask:
    """What a request asks that its price depends on, however its body spells it."""
    return ask_of(plainly(request), dialect, inputs)


def quick_count(request: Request, dialect: str) -> Count | None:
    """An upper bound of the prompt's tokens without counting; None where only counting tells."""
    size = len(request.body)
    if size > _MOST_QUICK_BYTES or (dialect == "openai.responses" and request.stateful):
        return None
    frame = frame_of(request)
    if any(sign in frame for sign in NOT_TEXT) or not own_tools(request.fields):
        return None
    return Count(size // 4, 0, size + _OVERHEAD_TOKENS, "bytes")


def plainly(request: Request) -> Request:
    """The same request without escapes that could hide a word from a search of its bytes."""
    if b"\\u" not in request.body:
        return request
    return msgspec.structs.replace(request, body=encode(request.fields))


def own_tools(fields: Mapping[str, Any]) -> bool:
    """True when no tool is the provider's: those bring prompts of their own."""
    tools = fields.get("tools")
    if not tools:
        return True
    return isinstance(tools, list) and all(
        isinstance(tool, dict) and tool.get("type") in _OF_CLIENTS for tool in tools
    )
