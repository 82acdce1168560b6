"""A predictor as bytes: versioned, the same bytes for the same state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from scrimp.choosing import Place
from scrimp.routing.effects import Effects
from scrimp.routing.fitted import Fitted
from scrimp.routing.heads import Head
from scrimp.routing.kept_rows import KeptRows
from scrimp.routing.landmarks import Frame, Landmarks, Topics
from scrimp.routing.neighbours import Neighbours
from scrimp.routing.text_features import shape_of

VERSION: Final = 1
_TYPES: Final = {"f": "<f4", "d": "<f8"}


@dataclass(frozen=True, slots=True)
class State:
    """All that a predictor is."""

    width: int
    since: int
    rows: KeptRows
    effects: Effects
    fitted: Fitted | None


class _Array(msgspec.Struct, frozen=True, array_like=True):
    kind: str
    shape: tuple[int, ...]
    numbers: bytes


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    packed: bytes
    place: Place
    answers: dict[str, tuple[float, float]]


class _Model(msgspec.Struct, frozen=True, array_like=True):
    name: str
    mean: float
    near: _Array
    inverse: _Array
    words: _Array


class _Fitted(msgspec.Struct, frozen=True, array_like=True):
    arrays: dict[str, _Array]
    topics: tuple[str, ...]
    columns: dict[str, int]
    used: int
    next: int
    models: list[_Model]


class _Written(msgspec.Struct, frozen=True, array_like=True):
    version: int
    width: int
    most: int
    since: int
    rows: list[_Kept]
    effects: list[tuple[str, tuple[str, ...], float, float]]
    fitted: _Fitted | None


def written(state: State) -> bytes:
    """The bytes."""
    rows = [_Kept(packed, place, answers) for (packed, place), answers in state.rows.packed.items()]
    effects = [
        (model, key, total, weight)
        for model, by in state.effects.sums.items()
        for key, (total, weight) in by.items()
    ]
    fitted = None if state.fitted is None else _write(state.fitted)
    return msgspec.msgpack.encode(
        _Written(VERSION, state.width, state.rows.most, state.since, rows, effects, fitted)
    )


def read(data: bytes) -> State:
    """The state. Raises ValueError."""
    try:
        (version,) = msgspec.msgpack.decode(data, type=list[Any])[:1] or (None,)
        if version != VERSION:
            raise ValueError(f"a predictor's state of version {version}, {VERSION} is read")
        found = msgspec.msgpack.decode(data, type=_Written)
        rows = KeptRows(found.width, found.most)
        rows.packed = {(one.packed, one.place): one.answers for one in found.rows}
        effects = Effects()
        for model, key, total, weight in found.effects:
            effects.sums.setdefault(model, {})[key] = [total, weight]
        fitted = None if found.fitted is None else _read(found.fitted, found.width)
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise ValueError("these bytes are no predictor's state") from error
    return State(found.width, found.since, rows, effects, fitted)


def _write(fitted: Fitted) -> _Fitted:
    near, used = fitted.near, fitted.near.used
    arrays: dict[str, NDArray[Any]] = {
        "means": fitted.frame.means,
        "inverse": fitted.frame.inverse,
        "rare": fitted.frame.rare,
        "topic_weights": fitted.topics.weights,
        "topic_means": fitted.topics.means,
        "points": fitted.marks.points,
        "norms": fitted.marks.norms,
        "whiten": fitted.marks.whiten,
        "turn": near.turn,
        "vectors": near.vectors[:used],
        "answers": near.answers[:used],
        "familiar": near.familiar,
        "parts": fitted.parts,
    }
    models = [
        _Model(name, one.mean, _array(one.near), _array(one.inverse), _array(one.words))
        for name, one in fitted.heads.items()
    ]
    return _Fitted(
        {name: _array(array) for name, array in arrays.items()},
        fitted.topics.names,
        fitted.columns,
        used,
        near.next,
        models,
    )


def _read(found: _Fitted, width: int) -> Fitted:
    single = {name: _numbers(array).astype(np.float32) for name, array in found.arrays.items()}
    near = Neighbours(
        single["turn"],
        single["vectors"],
        single["answers"],
        single["familiar"],
        found.used,
        found.next,
    )
    near.grow()
    heads = {
        one.name: Head(
            one.mean,
            _numbers(one.near),
            _numbers(one.inverse),
            _numbers(one.words).astype(np.float32),
        )
        for one in found.models
    }
    return Fitted(
        Frame(shape_of(width), single["means"], single["inverse"], single["rare"]),
        Topics(found.topics, single["topic_weights"], single["topic_means"]),
        Landmarks(single["points"], single["norms"], single["whiten"]),
        near,
        found.columns,
        heads,
        _numbers(found.arrays["parts"]),
    )


def _array(numbers: NDArray[Any]) -> _Array:
    kind = numbers.dtype.char
    return _Array(kind, numbers.shape, np.ascontiguousarray(numbers, _TYPES[kind]).tobytes())


def _numbers(array: _Array) -> NDArray[Any]:
    """Writable, because heads go on learning."""
    return np.frombuffer(array.numbers, _TYPES[array.kind]).reshape(array.shape).copy()
