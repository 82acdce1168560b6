"""What was learned of models, applied to one call: chances, what each costs more, the order.

Two rankings: `live` scores calls and stands still, `next` learns from every verdict.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from math import isfinite
from typing import Final

from scrimp.calls import Call
from scrimp.choosing import Lesson, Place, Wish
from scrimp.pipeline.router import Plan
from scrimp.routing.decide import Candidate, Dial, choose
from scrimp.routing.filters import Offer
from scrimp.routing.predictor import Chances, Predictor
from scrimp.routing.text_features import Floats, Meta, Reader, pack, unpack

COLD: Final = 30.0
"""Below so many effective verdicts a model's chance is a guess."""
_UNKNOWN: Final = 0.5
_FIRST: Final = 100
_TIMES: Final = 4
_IMAGES: Final = (b'"image', b'"input_image')


class Ranked:
    """One call, ranked."""

    def __init__(self, features: Floats, chances: Chances, offers: Sequence[Offer]) -> None:
        self.features = features
        self.offers = offers
        self.novelty = chances.novelty
        self.good: Mapping[str, float] = {offer.name: _chance(offer, chances) for offer in offers}

    @cached_property
    def packed(self) -> bytes:
        """The features, as lessons keep them."""
        return pack(self.features)

    @property
    def numbers(self) -> dict[str, int | float | str]:
        """For the trace."""
        told: dict[str, int | float | str] = {
            f"p_{name}": round(chance, 3) for name, chance in self.good.items()
        }
        return {**told, "novelty": round(self.novelty, 3)}

    def challenger(self, reference: Offer) -> tuple[Offer, float] | None:
        """The cheaper model that loses least for each share of the reference's cost it saves.

        And its score, that loss: below 0 where it is thought to be better. None is cheaper: None.
        """
        dear = reference.cost_nanousd
        found: list[tuple[float, Offer]] = []
        for offer in self.offers:
            cost = offer.cost_nanousd
            if dear is None or cost is None or cost >= dear:
                continue
            saved = 1 - cost / dear
            loss = self.good[reference.name] - self.good[offer.name]
            found.append((loss / saved if loss > 0 else loss * saved, offer))
        if not found:
            return None
        score, offer = min(found, key=lambda one: (one[0], one[1].cost_nanousd))
        return offer, score

    def by_dial(self, wish: Wish, reference: Offer | None) -> tuple[Offer, str]:
        """The choice by estimate alone, by whichever dial is set, and why."""
        candidates = [Candidate(one.name, one.cost_nanousd) for one in self.offers]
        dial = Dial(
            wish.max_loss,
            wish.floor,
            wish.budget_nanousd,
            reference="" if reference is None else reference.name,
        )
        found = choose(candidates, Chances(dict(self.good), {}, self.novelty), dial)
        return next(one for one in self.offers if one.name == found.model), found.why


class Ranking:
    """One per engine. Not for several threads."""

    def __init__(
        self, reader: Reader, live: Predictor, following: Predictor, *, believed: bytes = b""
    ) -> None:
        """`believed` is what the settings say of models: with other beliefs scores are others."""
        self._believed = believed
        self.reader = reader
        self._live = live
        self._next = following
        self.version = reader.version
        self._settle()

    def _settle(self) -> None:
        self._made_of = len(self._live.rows) if self.fitted else 0
        state = self._live.save() if self.fitted else b""
        made_of = (self.version.encode(), self._believed, state)
        self.id = hashlib.blake2b(b"|".join(made_of), digest_size=8).hexdigest()

    def rank(self, call: Call, plan: Plan) -> Ranked:
        """By the ranking that stands still."""
        features = self.reader.read(plan.asked.text, _meta(call, plan))
        names = [offer.name for offer in plan.offers]
        return Ranked(features, self._live.chances(features, names, plan.asked.place), plan.offers)

    @property
    def fitted(self) -> bool:
        """Whether the one that serves knows anything."""
        return self._live.fitted is not None

    @property
    def due(self) -> bool:
        """Whether four times as much is known as the one that serves was made of.

        Seldom: each new one voids what was proven, and what was won on the way to a proof.
        """
        return len(self._next.rows) >= max(_FIRST, _TIMES * self._made_of)

    def cold(self, names: Sequence[str], place: Place) -> bool:
        """True where no two of the models were ever judged."""
        sure = self._live.sure(names, place).values()
        return sum(known >= COLD for known in sure) < min(2, len(names))

    def learn(self, ranked: Ranked, name: str, quality: float, place: Place) -> None:
        """One verdict more, for the next ranking."""
        self._next.learn(ranked.features, name, quality, place)

    def tried(self) -> None:
        """So much was known when a new one was made last, whether or not it may serve."""
        self._made_of = len(self._next.rows)

    def take(self, state: bytes) -> None:
        """A new ranking takes the place of both. Raises ValueError for what is none."""
        self._live, self._next = Predictor.load(state), Predictor.load(state)
        self._settle()

    def recall(self, lessons: Iterable[Lesson]) -> None:
        """Verdicts from before this process, for the next ranking."""
        for lesson in lessons:
            if lesson.version == self.version:
                with suppress(ValueError):  # damaged, or of another width
                    features = unpack(lesson.features, self.reader.width)
                    self._next.learn(features, lesson.model, lesson.quality, lesson.place)


def _chance(offer: Offer, chances: Chances) -> float:
    """As learned; where too little was, as the settings believe."""
    sure = chances.sure.get(offer.name, 0.0)
    prior = _UNKNOWN if offer.facts.quality is None else offer.facts.quality
    good = chances.good.get(offer.name, prior)
    if not isfinite(good):  # a state that was damaged: what is no number ranks nobody
        return prior
    if sure >= COLD:
        return good
    share = sure / COLD
    return share * good + (1 - share) * prior


def _meta(call: Call, plan: Plan) -> Meta:
    request, asked = call.request, plan.asked
    tools = request.fields.get("tools")
    return Meta(
        turns=asked.turn + 1,
        system_chars=0,
        tools=len(tools) if isinstance(tools, list) else 0,
        schema=asked.structured,
        images=sum(request.body.count(sign) for sign in _IMAGES),
        output_limit=request.max_output_tokens or 0,
    )
