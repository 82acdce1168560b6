"""The most that a call can cost at full price, known before it is sent. Pure.

Never below the bill of one attempt: the whole counted input (its upper estimate) at the dearest
rate that it may meet, every token that the call may make, the fees of hosted tools, the tier that
was asked. What retries add is not in it. Where nobody knows a limit, a stated one is assumed; what
was assumed is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from scrimp.calls import Line, Request
from scrimp.errors import PriceUnknown
from scrimp.money import line_nanousd
from scrimp.ports import Count
from scrimp.prices.book import PriceBook
from scrimp.prices.pricing import plan_at, resolve
from scrimp.prices.rates import BUCKETS, PER_REQUEST, ModelPrice, Rate, Rates, span

NO_LIMIT_TOKENS = 131_072
"""The most that any model is assumed to write when neither call nor price book sets a limit."""
NO_WINDOW_TOKENS = 1_048_576
"""The most that any model is assumed to read when the price book does not say."""
NO_LIMIT_USES = 10
"""How often a hosted tool is assumed to run in one call that does not limit it."""
ABSURD_TOKENS = 1 << 26
"""More than all choices of any call hold: a limit above it says nothing."""
RUNS_UNTIL = timedelta(minutes=30)
"""How late after the bound an attempt may begin: prices of that time count too."""

LONGEST_MS = 1_800_000
"""How long a call is assumed to take at most: only models priced by time ask."""

_BESIDE_LIMIT = frozenset({"x-ai"})
"""Providers whose limit of output does not hold for reasoning (docs.x.ai, reasoning guide)."""
_HOSTED = (
    *("web_search", "file_search", "web_fetch", "code_execution", "code_interpreter", "mcp"),
    *("image_generation", "shell", "tool_search", "advisor"),
)
_FEES = frozenset({"web_search", "file_search"})
"""What price lists have a fee by the call for; what the others cost beside tokens is not known."""
_TOKENS_ONLY = frozenset({"web_fetch", "mcp", "tool_search", "compaction"})
"""What is known to cost nothing but tokens (OpenAI's and Anthropic's pricing pages, 2026-11)."""
_UNSEEN = ("previous_response_id", "conversation", "prompt", "container", "thread")
"""Fields by which a provider adds input that the request does not show."""
_LINES = len(BUCKETS)


@dataclass(frozen=True, slots=True)
class Ask:
    """What a call asks that its price depends on.

    `max_output_tokens` is None when the call sets no limit. `kinds` are buckets beside plain text
    that it may fill (cache writes, audio). `uses` is how often each hosted tool may run, by its
    name; None: the call does not limit it. With `unseen_input` the provider adds input of its own.
    """

    inputs: Count
    max_output_tokens: int | None = None
    n: int = 1
    service_tier: str = ""
    place: str = ""
    kinds: tuple[str, ...] = ()
    uses: tuple[tuple[str, int | None], ...] = ()
    unseen_input: bool = False
    longest_ms: int = LONGEST_MS


@dataclass(frozen=True, slots=True)
class Bound:
    """An upper bound, the lines that make it, and what had to be assumed, for people.

    `unpriced` are hosted tools that may have a fee which nobody has stated: it is not in the bound.
    """

    nanousd: int
    lines: tuple[Line, ...]
    assumed: tuple[str, ...]
    price_version: str
    unpriced: tuple[str, ...] = ()


def upper_bound(ask: Ask, model: str, provider: str, at: datetime, *, book: PriceBook) -> Bound:
    """The most that one attempt of the call can cost. Raises PriceUnknown."""
    found = book.find(model, provider)
    limits = Limits(found, ask, provider if found is None else found.provider)
    bounds = [
        _at_rates(ask, limits, rates)
        for tier in tiers_that_serve(ask.service_tier, found)
        for rates in rates_around(model, provider, at, tier, book)
    ]
    return max(bounds, key=lambda bound: bound.nanousd)


def ask_of(request: Request, dialect: str, inputs: Count) -> Ask:
    """What a request of a dialect asks. `inputs` is its counted input."""
    fields = request.fields
    place = _text(fields.get("inference_geo"))
    tier = _text(fields.get("service_tier"))
    return Ask(
        inputs=inputs,
        max_output_tokens=request.max_output_tokens,
        n=request.n,
        service_tier="fast" if fields.get("speed") == "fast" else tier,
        place="" if place == "global" else place,
        kinds=tuple(_kinds(request, dialect)),
        uses=tuple(_uses(fields, request.body)),
        unseen_input=any(fields.get(name) is not None for name in _UNSEEN),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _kinds(request: Request, dialect: str) -> Iterable[str]:
    """Buckets that a body may fill; a word that stands there by chance makes the bound higher."""
    fields, body = request.fields, request.body
    if dialect != "anthropic.messages" or b"cache_control" in body:
        yield "cache_write_5m"
    if b'"1h"' in body or b'"12h"' in body:
        yield "cache_write_1h"
    if b"input_audio" in body:
        yield from ("input_audio", "cache_read_audio")
    modalities = fields.get("modalities")
    if isinstance(modalities, list) and "audio" in modalities:
        yield "output_audio"


def _uses(fields: Mapping[str, Any], body: bytes) -> Iterable[tuple[str, int | None]]:
    """Tools that the provider runs, and how often each may run."""
    if fields.get("web_search_options") is not None:
        yield "web_search", 1
    total = fields.get("max_tool_calls")
    for tool in tools_in(fields):
        kind = _text(tool.get("type")) if isinstance(tool, dict) else ""
        name = next((one for one in _HOSTED if kind.startswith(one)), None)
        if name is not None:
            most = tool.get("max_uses", total)
            yield name, most if type(most) is int and most >= 0 else None
    if fields.get("mcp_servers"):
        yield "mcp", None
    if b"compact" in body and fields.get("context_management"):
        yield "compaction", 1  # the conversation is read once more


def tools_in(fields: Mapping[str, Any]) -> list[Any]:
    """Every tool of a call; those of responses may come along in its input."""
    given = fields.get("input")
    tools = fields.get("tools")
    found = list(tools) if isinstance(tools, list) else []
    for item in given if isinstance(given, list) else ():
        if isinstance(item, dict) and isinstance(more := item.get("tools"), list):
            found += more
    return found


class Limits:
    """Token limits of one call: its own, the book's, or stated ones."""

    def __init__(self, found: ModelPrice | None, ask: Ask, provider: str) -> None:
        self.assumed: list[str] = []
        known = found.max_output_tokens if found else None
        window = found.context_window if found else None
        rounds = self._rounds(ask.uses)
        self.input_tokens = ask.inputs.high
        if rounds > 1 or ask.unseen_input:
            if window is None:
                self.assumed.append(f"a context of {NO_WINDOW_TOKENS:,} tokens")
            # What a hosted tool finds is input, and each of its rounds may read the whole context.
            self.input_tokens = max(self.input_tokens, window or NO_WINDOW_TOKENS) * rounds
        each = ask.max_output_tokens
        if each is None:
            each = known
        elif provider in _BESIDE_LIMIT:
            each += known or NO_LIMIT_TOKENS
        if each is None:
            self.assumed.append(f"an output of at most {NO_LIMIT_TOKENS:,} tokens")
            each = NO_LIMIT_TOKENS
        self.output_tokens = min(each * max(ask.n, 1), ABSURD_TOKENS)

    def _rounds(self, uses: tuple[tuple[str, int | None], ...]) -> int:
        rounds = 1
        for name, most in uses:
            if most is None:
                self.assumed.append(f"at most {NO_LIMIT_USES} calls of {name}")
            rounds += NO_LIMIT_USES if most is None else most
        return rounds


def tiers_that_serve(asked: str, found: ModelPrice | None) -> tuple[str, ...]:
    """The tiers that may serve, the likeliest first: a dearer one may fall back to the standard."""
    tier = asked.lower()
    if tier == "auto":
        known = found.tiers if found else {}
        return ("", *(name for name in ("priority",) if name in known))
    if tier in ("flex", "batch"):
        return (tier,)
    if tier in ("", "default", "standard", "standard_only"):
        return ("",)
    return (tier, "")


def rates_around(
    model: str, provider: str, at: datetime, tier: str, book: PriceBook
) -> Iterable[Rates]:
    """All rates that may be in force when an attempt begins. Raises PriceUnknown."""
    moment = at
    while True:
        rates = resolve(model, provider, moment, book=book, service_tier=tier)
        yield rates
        if rates.until is None or rates.until > at + RUNS_UNTIL:
            return
        moment = rates.until


def _at_rates(ask: Ask, limits: Limits, rates: Rates) -> Bound:
    plan = _plan(ask.place, rates)
    heard = tuple(kind for kind in ask.kinds if not kind.startswith("output_"))
    spoken = tuple(kind for kind in ask.kinds if kind.startswith("output_"))
    kinds = {
        "input": (limits.input_tokens, ("input", *heard, "input_image", "cache_read")),
        "output": (limits.output_tokens, ("output", *spoken, "reasoning", "output_image")),
    }
    lines = []
    for what, (tokens, names) in kinds.items():
        if tokens:
            pico = _dearest(names, plan, limits.input_tokens, rates)
            lines.append(Line(what, tokens, pico, line_nanousd(tokens, pico)))
    lines += [
        *_fees(ask, rates),
        # A bill of the same tokens may be split into more lines, each rounded up.
        Line("rounding", _LINES, 1000, _LINES),
    ]
    total = sum(line.nanousd for line in lines)
    free = [one for one, _ in ask.uses if one not in _FEES and one not in rates.fees]
    assumed = *limits.assumed, *(f"no fee for {one}, as none is known" for one in free)
    unpriced = tuple(one for one in free if one not in _TOKENS_ONLY)
    return Bound(total, tuple(lines), assumed, rates.version, unpriced)


def _plan(place: str, rates: Rates) -> Mapping[str, Rate | None]:
    return dict(zip(BUCKETS, plan_at(place, rates) if place else rates.plan, strict=True))


def _dearest(
    kinds: tuple[str, ...], plan: Mapping[str, Rate | None], prompt: int, rates: Rates
) -> int:
    """The highest rate of these kinds for any prompt up to that size. Raises PriceUnknown.

    The first kind must have a price; the others that have none cannot stand on the bill.
    """
    found = [span(rate, 0, prompt)[1] for kind in kinds if (rate := plan[kind]) is not None]
    if plan[kinds[0]] is None:
        raise PriceUnknown(
            f"no price for {kinds[0]!r} of model {rates.model!r} at provider {rates.provider!r} "
            f'(add a [prices."{rates.model}"] table to scrimp.toml)'
        )
    return max(found)


def _fees(ask: Ask, rates: Rates) -> Iterable[Line]:
    """Fees of hosted tools and of the request itself. Raises PriceUnknown."""
    per_request = rates.fees.get(PER_REQUEST)
    if per_request is not None:
        yield Line(PER_REQUEST, 1, per_request, line_nanousd(1, per_request))
    if rates.per_ms is not None:
        nanousd = line_nanousd(ask.longest_ms, rates.per_ms)
        yield Line("compute_ms", ask.longest_ms, rates.per_ms, nanousd)
    for name, most in ask.uses:
        if name not in _FEES and name not in rates.fees:
            continue
        rate = rates.of("web_search") if name == "web_search" else rates.fees.get(name)
        if rate is None:
            raise PriceUnknown(
                f"no price for {name!r} of model {rates.model!r} at provider {rates.provider!r} "
                f'(add a [prices."{rates.model}"] table to scrimp.toml)'
            )
        uses = NO_LIMIT_USES if most is None else most
        pico = span(rate, 0, ask.inputs.high)[1]
        yield Line(name, uses, pico, line_nanousd(uses, pico))
