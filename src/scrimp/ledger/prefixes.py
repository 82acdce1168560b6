"""What calls tell of prefix caches: input by kind, premiums, money lost to broken ones. Pure.

A lever that sees a prefix broken leaves a line `BROKEN` whose numbers are `broken(…)`; the record
lever one `WRITTEN` with what writes cost beyond fresh input. Sums and headers follow from both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from scrimp.calls import Attempt, TraceLine, Usage
from scrimp.errors import PriceUnknown
from scrimp.money import decimal_usd, format_usd
from scrimp.ports import Pricer

BROKEN: Final = "broken"
WRITTEN: Final = "cache_written"

_AT, _LINE, _KIND, _LOST, _PREMIUM = "at", "line", "kind", "lost_nanousd", "premium_nanousd"
_TURN: Final = re.compile(r"(messages|input)\[(\d+)\]")
_KINDS: Final = (
    ("fresh", ("input_tokens", "input_audio_tokens", "input_image_tokens")),
    ("cached", ("cache_read_tokens", "cache_read_audio_tokens")),
    ("written_5m", ("cache_write_5m_tokens",)),
    ("written_1h", ("cache_write_1h_tokens",)),
)
_ADVICE: Final[Mapping[str, str]] = {
    "timestamp": "a time: round it, or put it behind what stays the same",
    "id": "an id: put it behind what stays the same",
    "nonce": "a token that changes: put it behind what stays the same",
    "order": "the same tools in another order: keep their order ([prefix_cache] sort_tools)",
    "keys": "a tool whose keys stand in another order: write them in one order",
    "tools": "other tools than before: keep them, or name those allowed in tool_choice",
    "settings": "another setting of the whole call: keep it while a conversation goes on",
    "removed": "what stood here is gone: cut seldom, and much at once",
    "text": "other text than before: put it behind what stays the same",
}

Numbers = Mapping[str, int | float | str]


def broken(at: str, line: int, kind: str, *, tokens: int, lost_nanousd: int) -> Numbers:
    """Numbers of a line `BROKEN`: where, what it holds, and what could have been read for less."""
    return {_AT: at, _LINE: line, _KIND: kind, "tokens": tokens, _LOST: lost_nanousd}


def places_broken(lines: Iterable[TraceLine]) -> list[tuple[str, int]]:
    """Where prefixes broke, in words, and what each lost. Late turns are one place for all."""
    found = []
    for line in lines:
        if line.verdict == BROKEN:
            numbers = dict(line.numbers)
            if isinstance(lost := numbers.get(_LOST), int):
                found.append((_place(_coarse(numbers)), lost))
    return found


def lost_nanousd(lines: Iterable[TraceLine]) -> int:
    """What a call lost to what broke its prefix."""
    return sum([lost for _, lost in places_broken(lines)])


def written(nanousd: int) -> Numbers:
    """Numbers of a line `WRITTEN`."""
    return {_PREMIUM: nanousd}


def premium_nanousd(lines: Iterable[TraceLine]) -> int:
    """What writes of a call cost beyond what the same tokens cost fresh."""
    told = [dict(line.numbers).get(_PREMIUM) for line in lines if line.verdict == WRITTEN]
    return sum([one for one in told if isinstance(one, int)])


def premium_of(attempts: Sequence[Attempt], pricer: Pricer) -> int | None:
    """The same from its attempts; None where nothing was written, or no price is known."""
    found = None
    for one in attempts:
        usage = one.usage
        if usage is None or not (usage.cache_write_5m_tokens or usage.cache_write_1h_tokens):
            continue
        if one.cost.basis != "usage" or one.cost.nanousd is None:
            continue
        fresh = replace(
            usage,
            input_tokens=usage.input_tokens
            + usage.cache_write_5m_tokens
            + usage.cache_write_1h_tokens,
            cache_write_5m_tokens=0,
            cache_write_1h_tokens=0,
        )
        try:
            cost = pricer(fresh, one.target, one.started_at, one.service_tier)
        except PriceUnknown:
            continue
        if cost.nanousd is not None:
            found = (found or 0) + one.cost.nanousd - cost.nanousd
    return found


def by_kind(usage: Usage) -> dict[str, int]:
    """All tokens that went in, each in one kind; kinds without any are left out."""
    sums = {kind: sum([getattr(usage, name) for name in names]) for kind, names in _KINDS}
    return {kind: tokens for kind, tokens in sums.items() if tokens}


def cached_share(usage: Usage) -> float:
    """The share of the input that was read from a prefix cache."""
    read = usage.cache_read_tokens + usage.cache_read_audio_tokens
    return read / usage.total_input_tokens if read else 0.0


def prefix_headers(usage: Usage | None, lines: Sequence[TraceLine]) -> list[tuple[str, str]]:
    """What an answer tells of its prefix; nothing where no cache was in play."""
    lost = lost_nanousd(lines)
    if usage is None:
        return []
    cached = usage.cache_read_tokens or usage.cache_read_audio_tokens
    if not (lost or cached or usage.cache_write_5m_tokens or usage.cache_write_1h_tokens):
        return []
    kinds = ";".join([f"{kind}={tokens}" for kind, tokens in by_kind(usage).items()])
    found = [("x-scrimp-input-tokens", kinds)]
    found.append(("x-scrimp-cached-share", f"{cached_share(usage):.4f}"))
    if premium := premium_nanousd(lines):
        found.append(("x-scrimp-cache-premium-usd", decimal_usd(premium)))
    if lost:
        found.append(("x-scrimp-prefix-lost-usd", decimal_usd(lost)))
        where = ", ".join([place for place, _ in places_broken(lines)])
        found.append(("x-scrimp-prefix-broken", where))
    return found


def broken_words(line: TraceLine) -> list[str]:
    """Where a prefix broke, what that cost, and what to do; nothing for another line."""
    numbers = dict(line.numbers) if line.verdict == BROKEN else {}
    lost, tokens = numbers.get(_LOST), numbers.get("tokens")
    if not isinstance(lost, int) or not isinstance(tokens, int):
        return []
    advice = _ADVICE.get(str(numbers.get(_KIND)), "")
    less = f"for {format_usd(lost)} less (by their length)"
    return [
        f"- {line.lever}: the prefix broke at {_place(numbers)}",
        f"    {tokens:,} tokens that were sent before could have been read {less}",
        *([f"    {advice}"] if advice else []),
    ]


def _coarse(numbers: Numbers) -> Numbers:
    """Sums have a row for each place: of the turns of a conversation the first ten."""
    if (found := _TURN.fullmatch(str(numbers.get(_AT)))) is None or len(found[2]) < 2:
        return numbers
    return {**numbers, _AT: f"{found[1]}[10+]", _LINE: 0}


def _place(numbers: Mapping[str, int | float | str]) -> str:
    line = numbers.get(_LINE)
    at = str(numbers.get(_AT))
    return f"{at} line {line}, {numbers.get(_KIND)}" if line else f"{at}, {numbers.get(_KIND)}"
