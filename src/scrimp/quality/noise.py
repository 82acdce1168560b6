"""How often a judge contradicts itself, and when its verdict deserves another opinion.

Only errors that differ from one asking to the next can be seen. A judge that is always wrong in the
same way looks sure: every promise here is about answers as that judge sees them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

_SURE: Final = 0.9
_DOUBTFUL: Final = 0.25


@dataclass(frozen=True, slots=True)
class Noise:
    """Verdicts on what the model was sure of, and how many of them a majority overturned."""

    sure: int = 0
    overturned: int = 0

    @property
    def share(self) -> float:
        """The estimated share of verdicts that are flipped, upward by one standard deviation."""
        if not self.sure:
            return 0.0
        share = (self.overturned + 0.5) / (self.sure + 1)
        return float(min(0.3, share + (share * (1 - share) / (self.sure + 1)) ** 0.5))

    def after(self, chance: float, *, overturned: bool) -> Noise:
        """With one verdict more; `chance` is the model's, before the verdict."""
        if chance < _SURE:
            return self
        return replace(self, sure=self.sure + 1, overturned=self.overturned + overturned)


def surprising(chance: float | None, *, right: bool) -> bool:
    """Whether two more opinions should be asked, the majority counting.

    A flip is as rare where the model is sure as elsewhere, but there it weighs most: a wrong "not
    equal" looks like a served error, a wrong "equal" makes a false alias.
    """
    if chance is None:
        return False
    return chance < _DOUBTFUL if right else chance >= _SURE
