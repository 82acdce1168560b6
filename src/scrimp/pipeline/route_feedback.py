"""What users say of answers whose model was chosen: a lesson for the ranking, never for a proof.

Who complains is no random sample, so a thumb moves what is believed, not what is promised.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Literal

from scrimp.calls import Call
from scrimp.choosing import Lesson, Place
from scrimp.pipeline.ranking import Ranked, Ranking
from scrimp.ports import Clock
from scrimp.values import Value

_MOST: Final = 1024
_QUALITY: Final = {"up": 1.0, "down": 0.0, "regenerate": 0.0}


class _Served(Value, frozen=True):
    tenant: str
    place: Place
    model: str
    ranked: Ranked


class RouteFeedback:
    """Knows the newest calls of this process."""

    def __init__(
        self, ranking: Ranking, keep: Callable[[tuple[Lesson, ...]], None], clock: Clock
    ) -> None:
        self._ranking = ranking
        self._keep = keep
        self._clock = clock
        self._known: OrderedDict[str, _Served] = OrderedDict()

    def served(self, call: Call, place: Place, model: str, ranked: Ranked) -> None:
        """Remember who answered; the oldest is forgotten."""
        self._known[call.id] = _Served(call.caller.tenant, place, model, ranked)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)

    def take(self, call_id: str, tenant: str, word: Literal["up", "down", "regenerate"]) -> bool:
        """Learn from it, once. False for a call that is not known here, or not this tenant's."""
        found = self._known.get(call_id)
        if found is None or found.tenant != tenant:
            return False
        del self._known[call_id]
        quality = _QUALITY[word]
        self._ranking.learn(found.ranked, found.model, quality, found.place)
        lesson = Lesson(
            place=found.place,
            at=self._clock.now(),
            call=call_id,
            model=found.model,
            quality=quality,
            features=found.ranked.packed,
            version=self._ranking.version,
            source="feedback",
        )
        self._keep((lesson,))
        return True
