"""What it is worth to ask several calls at once: the rules that are not sent again, less the marks.

Pure. Sizes are estimates of a quarter of a token per byte; they decide, and are never booked.
"""

from __future__ import annotations

from scrimp.packing.prompt import MARK_TOKENS, ORDER_TOKENS
from scrimp.values import Value

_BYTES_PER_TOKEN = 4
_FRAME_TOKENS = 8
"""What a call takes beside its texts: the frame of its messages."""


class PackPrices(Value, frozen=True):
    """Pico-dollars for a token: of input, of output, and of the rules that all items share.

    Rules are cheaper than other input where the provider reads them from its prefix cache.
    `request` is what each request costs, whatever it uses.
    """

    input: int
    output: int
    rules: int
    request: int = 0


RATIOS = PackPrices(1, 5, 1)
"""Where no price is known: output is four to six times as dear as input at every provider."""


def worth_picousd(calls: int, rules_bytes: int, prices: PackPrices) -> int:
    """What one prompt for so many calls saves; below zero it would cost more."""
    rules = rules_bytes // _BYTES_PER_TOKEN
    each = rules * prices.rules + _FRAME_TOKENS * prices.input + prices.request
    spared = (calls - 1) * each
    marks = (calls + 1) * MARK_TOKENS
    return spared - (ORDER_TOKENS + marks) * prices.input - marks * prices.output


def rules_tokens(rules_bytes: int) -> int:
    """About how many tokens the rules have."""
    return rules_bytes // _BYTES_PER_TOKEN
