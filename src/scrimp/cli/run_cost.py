"""What the calls of `scrimp run` may cost: counted, and of many of one model a sample."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from scrimp.errors import PriceUnknown
from scrimp.many.asked import Item

if TYPE_CHECKING:
    from scrimp.client.functions import NowEncoder
    from scrimp.settings import Settings
    from scrimp.shell.quoting import Quoter

SAMPLE = 1000
_SAMPLED_BYTES = 16 * 1024 * 1024
_SEED = 0
"""Of the sample: the same file gives the same estimate."""


@dataclass(slots=True)
class _Sample:
    """Calls of one model: how many, and what those that were counted cost."""

    calls: int = 0
    counted: list[tuple[int, int, int, int]] = field(default_factory=list)
    counted_bytes: int = 0
    unpriced: bool = False


@dataclass(slots=True)
class Forecast:
    """What the calls that are to be made may cost: in nano-dollars, and tokens.

    `upper_nanousd` is the most only where all calls were `counted`.
    """

    calls: int = 0
    counted: int = 0
    expected_nanousd: int = 0
    upper_nanousd: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    unpriced: tuple[str, ...] = ()


class Estimator:
    """Counts and prices calls as they come, at the prices of a `tier` where one is said."""

    def __init__(self, settings: Settings, tier: str = "") -> None:
        from scrimp.app import open_encoder
        from scrimp.billing import book_of
        from scrimp.shell.quoting import Quoter

        self._quoter: Quoter = Quoter(settings, book_of(settings))
        self._encoder: NowEncoder = open_encoder(settings)
        self._tier = tier
        self._samples: dict[str, _Sample] = {}
        self._dice = random.Random(_SEED)  # noqa: S311 (no secret)

    def add(self, item: Item) -> None:
        """One more call; of many a uniform sample is counted (Vitter's algorithm R, 1985)."""
        sample = self._samples.setdefault(item.lane, _Sample())
        sample.calls += 1
        if sample.unpriced or sample.counted_bytes > _SAMPLED_BYTES:
            return
        place = sample.calls - 1
        if place >= SAMPLE and (place := self._dice.randrange(sample.calls)) >= SAMPLE:
            return
        sample.counted_bytes += len(item.body)
        try:
            numbers = self._numbers(item)
        except PriceUnknown:
            sample.unpriced = True
            return
        if place < len(sample.counted):
            sample.counted[place] = numbers
        else:
            sample.counted.append(numbers)

    def forecast(self, to_ask: int) -> Forecast:
        """Of so many calls, of those that were added."""
        found = Forecast(calls=to_ask)
        sums = [0, 0, 0, 0]
        added = 0
        for sample in self._samples.values():
            added += sample.calls
            if sample.unpriced:
                continue
            found.counted += len(sample.counted)
            for which in range(len(sums)):
                of_counted = sum(one[which] for one in sample.counted)
                sums[which] += of_counted * sample.calls // max(1, len(sample.counted))
        if added and to_ask < added:  # the rest has its results under other lines
            sums = [one * to_ask // added for one in sums]
        expected, upper, inputs, outputs = sums
        found.expected_nanousd, found.upper_nanousd = expected, upper
        found.input_tokens, found.output_tokens = inputs, outputs
        unpriced = [lane for lane, sample in self._samples.items() if sample.unpriced]
        found.unpriced = tuple(sorted({lane.partition(" ")[2] for lane in unpriced}))
        return found

    def _numbers(self, item: Item) -> tuple[int, int, int, int]:
        from scrimp.shell.quoting import Hints

        hints = Hints(dialect=item.dialect, service_tier=self._tier)
        prepared = self._quoter.prepare(item.body, hints, datetime.now(UTC))
        seller, fields = prepared.seller, prepared.request.fields
        inputs = self._encoder.request_now(seller.model, fields, seller.dialect)
        found = self._quoter.estimate(prepared, inputs)
        expected = found.cost_nanousd or 0
        return expected, found.upper_nanousd, found.input.tokens, found.output.tokens
