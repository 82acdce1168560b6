"""What real usage teaches about a model's tokenizer: tokens of its own for one of o200k_base.

Pure. An observation is (tokens that the provider reported for the texts) / (o200k_base tokens of
them). Ratios are multiplicative, so centre and spread are kept of their logarithms: a mean and a
variance that forget, each new observation weighing at least 1/64. What is far off is left out; when
nothing else comes any more the model has changed, and learning begins again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

from scrimp.tokens.encodings import O200K, EncodingChoice

MIN_OBSERVATIONS = 8
"""With fewer of them nothing is said."""
MIN_TEXT_TOKENS = 100
"""Shorter texts tell more of the framing around them than of the tokenizer."""
MAX_OTHER_SHARE = 0.05
"""The most that may be unsure of what is no text, as a share of what was reported."""
_SANE = math.log(5)  # no tokenizer in use is further from o200k_base on real prompts
_FORGET = 1 / 64
_FAR = 4.0  # spreads
_LEAST_SPREAD = 0.01
_FIRST_SPREAD = 0.15  # before anything is known, about what languages and code differ by
_STREAK = 12
_ROUTE = re.compile(r"^(?:[a-z0-9_.-]+/)*(?:ft:)?(?:(?:us|eu|apac|jp|global)\.)?(?:anthropic\.)?")
_DATED = re.compile(r"(?:[-@](?:\d{8}|\d{4}-\d{2}-\d{2}|latest))?(?:-v\d+(?::\d+)?)?$")


@dataclass(frozen=True, slots=True)
class Learned:
    """What is known of one model. `centre` and `variance` are of logarithms of ratios.

    `streak`: how many observations in a row were too far off to be believed.
    """

    count: int = 0
    centre: float = 0.0
    variance: float = _FIRST_SPREAD**2
    streak: int = 0

    @property
    def ready(self) -> bool:
        """True when it may be used."""
        return self.count >= MIN_OBSERVATIONS

    @property
    def credible(self) -> bool:
        """False for numbers that learning never makes."""
        if not (math.isfinite(self.centre) and math.isfinite(self.variance)):
            return False
        return self.count > 0 and abs(self.centre) <= _SANE and 0 <= self.variance <= _SANE**2

    @property
    def bounds(self) -> tuple[float, float, float]:
        """Low, likely and high ratio: three spreads and a bit, more while little was seen."""
        reach = _LEAST_SPREAD + 3 * math.sqrt(self.variance) * (1 + 4 / max(1, self.count))
        low, high = math.exp(self.centre - reach), math.exp(self.centre + reach)
        return low, math.exp(self.centre), high


@dataclass(frozen=True, slots=True)
class Observation:
    """One call whose usage a provider reported."""

    model: str
    ratio: float


class RatioStore(Protocol):
    """Keeps what was learned. Both block, so they run in a thread; several processes may write."""

    def load(self) -> Mapping[str, Learned]:
        """What is known now. Raises StoreError."""
        ...

    def add(self, observations: Sequence[Observation]) -> Mapping[str, Learned]:
        """Learn from these, on top of what others have learned: all that is known then.

        Raises StoreError.
        """
        ...


Ratios = Callable[[str], Learned | None]
"""What is known of a model, by its name as a client writes it."""


@lru_cache(maxsize=1024)
def model_key(model: str) -> str:
    """One name for a model however it is routed, deployed or dated."""
    bare = _ROUTE.sub("", model.lower(), count=1)
    return _DATED.sub("", bare, count=1) or bare


def observed(raw: int, others: tuple[int, int, int], reported: int) -> float | None:
    """The ratio that a call shows, or None when it shows nothing certain.

    `raw` is its texts in o200k_base tokens, `others` what else it holds as (low, likely, high).
    """
    low, likely, high = others
    if raw < MIN_TEXT_TOKENS or reported <= 0 or high - low > reported * MAX_OTHER_SHARE:
        return None
    ratio = (reported - likely) / raw
    return ratio if ratio > 0 and abs(math.log(ratio)) <= _SANE else None


def learn(known: Learned | None, ratio: float) -> Learned:
    """What is known after one more observation."""
    step = math.log(ratio)
    if known is None or not known.count:
        return Learned(count=1, centre=step)
    off = step - known.centre
    spread = max(math.sqrt(known.variance), _LEAST_SPREAD)
    if abs(off) > _FAR * spread:
        if known.streak + 1 >= _STREAK:
            return Learned(count=1, centre=step)
        return replace(known, streak=known.streak + 1)
    weight = max(_FORGET, 1 / (known.count + 1))
    centre = known.centre + weight * off
    variance = (1 - weight) * (known.variance + weight * off * off)
    return Learned(min(known.count + 1, 1_000_000), centre, variance)


def taught(choice: EncodingChoice, learned: Learned | None) -> EncodingChoice:
    """The choice of a vocabulary with the learned ratio in place of the built-in one."""
    if learned is None or not learned.ready or choice.exact or choice.name != O200K:
        return choice
    low, ratio, high = learned.bounds
    method = f"{O200K} x {ratio:.3g} (learned from {learned.count:,} calls)"
    return EncodingChoice(O200K, False, low, ratio, high, method)  # noqa: FBT003 - a plain record
