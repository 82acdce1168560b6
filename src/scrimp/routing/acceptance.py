"""How likely a draft will do, learned from drafts whose quality is known: small, exact, numpy.

Three ways of looking are averaged: logistic regression, which knows how much each feature weighs;
kernel ridge regression, which remembers drafts that were like this one (features count there by how
much they tell at all); and boosted trees, which see what only holds together. What they learn is
the loss of serving the draft: by how much the stronger model's answer was better where the two were
compared, else whether the draft was wrong. What the stronger one gets wrong, too, is no loss.

A score only puts drafts in order. What it may accept is the certificate's to say, or a person's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from math import nan
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from scrimp.choosing import Lesson
from scrimp.routing import boosted
from scrimp.routing.answer_features import NAMES, VERSION, unpacked
from scrimp.routing.boosted import Boosted

Floats = NDArray[np.float64]

FEWEST: Final = 40
"""Labels of a model without which nothing is learned of it."""
_MOST_KEPT: Final = 1500
_RIDGE: Final = 40.0
_STEPS: Final = 30
_KERNELS: Final = ((2.0, 0.004), (3.0, 0.008))
"""Ridge and width: two, so that nothing hangs on either."""
MARK_BYTES: Final = 5
"""Of 20,000 drafts none in 50 million is taken for another."""
_DULL: Final = 0.02
"""A correlation below this counts as none."""


class Trees(msgspec.Struct, frozen=True):
    """Boosted trees, as `boosted.Boosted` has them."""

    base: float
    asks: bytes
    limits: bytes
    adds: bytes


class Head(msgspec.Struct, frozen=True):
    """One thing asked: the logistic weights, the drafts that are remembered, what each adds."""

    middle: float
    weights: bytes
    stretch: bytes
    kept: bytes
    adds: tuple[bytes, ...]
    trees: Trees


class Made(msgspec.Struct, frozen=True):
    """A fit that was trained on purpose: when, from what, and what the gate said of it."""

    trained_at: str
    source: str
    gate: str


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was learned, as bytes: features' means and scales, and the head."""

    version: str
    labels: int
    means: bytes
    scales: bytes
    loss: Head
    seen: bytes = b""
    made: Made | None = None


@dataclass(frozen=True, slots=True)
class _Fitted:
    middle: float
    weights: Floats
    stretch: Floats
    kept: Floats
    adds: tuple[Floats, ...]
    trees: Boosted

    def values(self, scaled: Floats) -> Floats:
        """Estimates in [0, 1], row by row."""
        linear = _sigmoid(scaled @ self.weights[:-1] + self.weights[-1])
        apart = _apart(scaled * self.stretch, self.kept)
        near = [
            self.middle + np.exp(-width * apart) @ adds
            for (_, width), adds in zip(_KERNELS, self.adds, strict=True)
        ]
        return np.asarray(
            np.clip((linear + np.mean(near, axis=0)) / 4 + self.trees.chances(scaled) / 2, 0.0, 1.0)
        )


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What was learned of one model's drafts. `labels` is from how many.

    `seen` are marks of the drafts that it was learned from, in order: empty where nobody kept them.
    `made` is None for what an engine has learned by itself.
    """

    labels: int
    means: Floats
    scales: Floats
    loss: _Fitted
    seen: bytes = b""
    made: Made | None = None

    def scores(self, features: Floats) -> Floats:
        """From 0 (ask the stronger model) to 1 (serve), for rows of features."""
        return np.asarray(1.0 - self.loss.values(_scaled(features, self.means, self.scales)))

    def score(self, features: Sequence[float]) -> float:
        """The same for one draft."""
        return float(self.scores(np.asarray([features], np.float64))[0])

    @property
    def name(self) -> str:
        """Of what it does: two that give the same scores have the same, whoever made them."""
        return hashlib.blake2b(msgspec.msgpack.encode(self._state()), digest_size=8).hexdigest()

    def has_seen(self, marks: Sequence[bytes]) -> NDArray[np.bool_]:
        """Which of these drafts it was learned from; a fit that does not know says: none."""
        known = np.frombuffer(self.seen, f"S{MARK_BYTES}")
        return np.isin(np.frombuffer(b"".join(marks), f"S{MARK_BYTES}"), known)

    def pack(self) -> bytes:
        """To be kept."""
        state = msgspec.structs.replace(self._state(), seen=self.seen, made=self.made)
        return msgspec.msgpack.encode(state)

    def _state(self) -> State:
        return State(VERSION, self.labels, _raw(self.means), _raw(self.scales), _packed(self.loss))


def fit(
    features: Floats, quality: Floats, gains: Floats | None = None, marks: Sequence[bytes] = ()
) -> Acceptance | None:
    """Learn from drafts: `quality` of each in [0, 1], `gains` of the stronger model (NaN: unknown).

    `marks` are those of the drafts, so that the fit knows later what it has seen.

    None where there are too few labels, or all are alike.
    """
    loss = 1.0 - quality
    if gains is not None:
        loss = np.where(np.isfinite(gains), gains, loss)
    known = np.isfinite(features).all(axis=1) & np.isfinite(loss)
    features, loss = features[known], loss[known]
    if len(loss) < FEWEST or (loss > 0).all() or not (loss > 0).any():
        return None
    means, scales = features.mean(axis=0), features.std(axis=0) + 1e-6
    seen = b"".join(sorted(set(compress(marks, known))))
    head = _head(_scaled(features, means, scales), loss)
    return Acceptance(len(loss), means, scales, head, seen)


def mark_of(draft: str, features: bytes) -> bytes:
    """A short mark of one draft: of the call that it was made for, or of its words."""
    return hashlib.blake2b(features, digest_size=MARK_BYTES, key=draft.encode()[-64:]).digest()


def unpack(data: bytes) -> Acceptance | None:
    """What `pack` gave; None where it is of another version, or broken."""
    try:
        state = msgspec.msgpack.decode(data, type=State)
        if state.version != VERSION:
            return None
        means, scales, loss = _array(state.means), _array(state.scales), _unpacked(state.loss)
    except (msgspec.MsgspecError, ValueError):
        return None
    if len(means) != len(NAMES) or len(scales) != len(NAMES):
        return None
    return Acceptance(state.labels, means, scales, loss, state.seen, state.made)


def learned(lessons: Iterable[Lesson]) -> dict[str, Acceptance]:
    """What lessons teach of each model's drafts; those of other features teach nothing here."""
    rows: dict[str, list[tuple[tuple[float, ...], float, float, bytes]]] = {}
    for lesson in lessons:
        if lesson.version == VERSION:
            gain = nan if lesson.loss is None else lesson.loss
            rows.setdefault(lesson.model, []).append(
                (
                    *(unpacked(lesson.features), lesson.quality, gain),
                    mark_of(lesson.call, lesson.features),
                )
            )
    found = {}
    for model, told in rows.items():
        features, quality, gains = (
            np.asarray([row[part] for row in told], np.float64) for part in range(3)
        )
        if (one := fit(features, quality, gains, [row[3] for row in told])) is not None:
            found[model] = one
    return found


def _head(scaled: Floats, wanted: Floats) -> _Fitted:
    """All three. A loss may be below zero: those that give chances ask whether it is above."""
    weights = _logistic(scaled, np.clip(wanted, 0.0, 1.0))
    kept = scaled[-_MOST_KEPT:]
    told = wanted[-_MOST_KEPT:]
    spread = told.std() or 1.0
    tells = np.abs((kept * ((told - told.mean()) / spread)[:, None]).mean(axis=0))
    stretch = np.sqrt(np.maximum(tells - _DULL, 0.0))
    size = float((stretch**2).sum())
    stretch = stretch * np.sqrt(len(stretch) / size) if size else np.ones_like(stretch)
    near = kept * stretch
    apart, middle = _apart(near, near), float(told.mean())
    adds = tuple(
        np.asarray(
            np.linalg.solve(np.exp(-width * apart) + ridge * np.eye(len(near)), told - middle),
            np.float64,
        )
        for ridge, width in _KERNELS
    )
    trees = boosted.fit(scaled, (wanted > 0).astype(np.float64))
    return _Fitted(middle, weights, stretch, near, adds, trees)


def _logistic(scaled: Floats, wanted: Floats) -> Floats:
    """Penalised maximum likelihood by Newton's steps, halved until they help; constant last."""
    design = np.concatenate([scaled, np.ones((len(scaled), 1))], axis=1)
    ridge = np.full(design.shape[1], _RIDGE)
    ridge[-1] = 1e-3
    found = np.zeros(design.shape[1])
    loss = _loss(design, wanted, found, ridge)
    for _ in range(_STEPS):
        chances = _sigmoid(design @ found)
        slope = design.T @ (chances - wanted) + ridge * found
        spread = np.maximum(chances * (1 - chances), 1e-6)
        step = np.linalg.solve((design * spread[:, None]).T @ design + np.diag(ridge), slope)
        size = 1.0
        while (lower := _loss(design, wanted, found - size * step, ridge)) > loss and size > 1e-3:
            size /= 2
        if loss - lower < 1e-6 * (abs(loss) + 1e-9):
            break
        found, loss = found - size * step, lower
    return found


def _loss(design: Floats, wanted: Floats, found: Floats, ridge: Floats) -> float:
    at = design @ found
    return float((np.logaddexp(0, at) - wanted * at).sum() + found @ (ridge * found) / 2)


def _scaled(features: Floats, means: Floats, scales: Floats) -> Floats:
    return np.clip((features - means) / scales, -3.0, 3.0)  # what was never seen moves little alone


def _apart(one: Floats, other: Floats) -> Floats:
    """Squared distances of rows."""
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None]
    return np.asarray(np.maximum(squares - 2 * one @ other.T, 0.0))


def _sigmoid(at: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(at, -30, 30))))


def _packed(head: _Fitted) -> Head:
    return Head(
        head.middle,
        _raw(head.weights),
        _raw(head.stretch),
        head.kept.astype("<f4").tobytes(),
        tuple([_raw(adds) for adds in head.adds]),
        Trees(
            head.trees.base,
            head.trees.asks.astype("<i4").tobytes(),
            _raw(head.trees.limits),
            _raw(head.trees.adds),
        ),
    )


def _unpacked(head: Head) -> _Fitted:
    stretch = _array(head.stretch)
    kept = np.frombuffer(head.kept, "<f4").astype(np.float64).reshape(-1, len(NAMES))
    adds = tuple([_array(one) for one in head.adds])
    if len(stretch) != len(NAMES) or any(len(one) != len(kept) for one in adds):
        raise ValueError("a head whose parts do not fit")
    if len(adds) != len(_KERNELS):
        raise ValueError("a head of other kernels")
    weights = _array(head.weights)
    if len(weights) != len(NAMES) + 1:
        raise ValueError("a head of other features")
    return _Fitted(head.middle, weights, stretch, kept, adds, _grown(head.trees))


def _grown(trees: Trees) -> Boosted:
    asks = np.frombuffer(trees.asks, "<i4").astype(np.intp).reshape(-1, boosted.NODES)
    limits = _array(trees.limits).reshape(-1, boosted.NODES)
    adds = _array(trees.adds).reshape(-1, boosted.NODES + 1)
    if not len(asks) == len(limits) == len(adds) or asks.min() < 0 or asks.max() >= len(NAMES):
        raise ValueError("trees of other features")
    return Boosted(trees.base, asks, limits, adds)


def _raw(values: Floats) -> bytes:
    return values.astype("<f8").tobytes()


def _array(data: bytes) -> Floats:
    return np.frombuffer(data, "<f8").astype(np.float64)
