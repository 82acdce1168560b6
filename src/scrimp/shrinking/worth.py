"""What smaller prompts are worth, once the provider's prefix cache is counted. Pure.

A cut changes every token behind it: what would have been read from the prefix cache at its low
price is written anew, once. What it saves is what the turns that went would have cost in the calls
until the next cut, at that same low price.
"""

from __future__ import annotations

from scrimp.values import Value


class TokenPrices(Value, frozen=True):
    """Pico-dollars for a token of input: fresh, and read from the prefix cache and written to it.

    `read` is None where the provider caches nothing of this call.
    """

    fresh: int
    read: int | None = None
    write: int | None = None


class Kept(Value, frozen=True):
    """Pico-dollars for a token of input, fresh and read, and the least that is kept to be read."""

    fresh: int
    read: int
    least_tokens: int


_CHARACTERS_PER_TOKEN = 4
LEAST_KEPT_CHARACTERS = 512 * _CHARACTERS_PER_TOKEN
"""No provider keeps less (the least of any model in `scrimp.prefixes.rules`)."""


def too_short_to_be_read(before: int, after: int, kept: Kept) -> bool:
    """Whether a text of so many characters would cost more shorter than as it is.

    It is enough to be read from the prefix cache and what is left of it is not, and that costs more
    fresh than the whole of it read.
    """
    least = kept.least_tokens * _CHARACTERS_PER_TOKEN
    return after < least <= before and after * kept.fresh > before * kept.read


def worth_picousd(dropped: int, tail: int, calls: int, prices: TokenPrices) -> int:
    """What a cut saves until the next one, `calls` calls later; below zero it costs more."""
    if prices.read is None:
        return dropped * calls * prices.fresh
    write = prices.fresh if prices.write is None else prices.write
    return dropped * calls * prices.read - tail * max(0, write - prices.read)
