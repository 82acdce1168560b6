"""Scores of drafts by what was learned of their models. Implements `checking.Scores`.

A fit stands still while anything is proven of its scores, also when the process begins anew:
another fit makes another policy of the same threshold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from math import inf
from typing import Final

import msgspec

from scrimp.choosing import Place
from scrimp.pipeline.checking import Score
from scrimp.routing.acceptance import Acceptance, unpack
from scrimp.routing.answer_features import features

FITS: Final = "acceptances"
"""The name of their state in a store."""
_FLAT: Final = hashlib.blake2b(b"", digest_size=8).hexdigest()
"""The version of a fit that parts no drafts."""


class LearnedScores:
    """`models` is what was learned of each; None: all its drafts were alike, no score parts them.

    What a score may accept is a certificate's to say, or a person's.
    """

    def __init__(self, models: Mapping[str, Acceptance | None]) -> None:
        self.models = dict(models)
        self._ids: dict[str, str] = {}

    def __call__(self, place: Place, model: str, question: str, answer: str) -> Score | None:
        """None for a model of whose drafts nothing was learned."""
        del place
        if model not in self.models:
            return None
        found, fit = self.models[model], self.fit_of(model)
        if found is None:
            return Score(1.0, inf, fit=fit)
        return Score(found.score(tuple(features(question, answer).values())), inf, fit=fit)

    def fit_of(self, model: str) -> str:
        """Which fit scores a model's drafts; empty where none does."""
        if model in self.models and model not in self._ids:
            self._ids[model] = name_of(self.models[model])
        return self._ids.get(model, "")

    def labels_of(self, model: str) -> int:
        """From how many drafts it was learned, where that is known."""
        found = self.models.get(model)
        return 0 if found is None else found.labels

    def trained(self, model: str) -> bool:
        """Whether somebody had it trained: then an engine makes none of its own in its place."""
        found = self.models.get(model)
        return found is not None and found.made is not None

    def put(self, model: str, fit: Acceptance | None) -> None:
        """Score by this one from now on."""
        self.models[model] = fit
        self._ids.pop(model, None)

    def hear(self, state: bytes) -> None:
        """What others have learned, in the place of what was known here."""
        for model, fit in unpacked_fits(state).items():
            self.put(model, fit)

    def pack(self) -> bytes:
        """All fits, to be kept."""
        return msgspec.msgpack.encode({name: _packed(fit) for name, fit in self.models.items()})


def unpacked_fits(state: bytes) -> dict[str, Acceptance | None]:
    """What `pack` gave; what cannot be read any more is left out."""
    try:
        kept = msgspec.msgpack.decode(state, type=dict[str, bytes])
    except msgspec.DecodeError:
        return {}
    found = {name: unpack(data) for name, data in kept.items()}
    return {name: fit for name, fit in found.items() if fit is not None or not kept[name]}


def name_of(fit: Acceptance | None) -> str:
    """The version of a fit: by it certificates know whether what was proven is proven of it."""
    return _FLAT if fit is None else fit.name


def with_fits(more: bytes, state: bytes | None) -> bytes:
    """The state with further fits, in the place of those of the same models.

    What an engine has learned takes no place of what was trained on purpose meanwhile.
    """
    kept, new = LearnedScores(unpacked_fits(state or b"")), LearnedScores(unpacked_fits(more))
    for model, fit in new.models.items():
        if new.trained(model) or not kept.trained(model):
            kept.models[model] = fit
    return kept.pack()


def _packed(fit: Acceptance | None) -> bytes:
    return b"" if fit is None else fit.pack()
