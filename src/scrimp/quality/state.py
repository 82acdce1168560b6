"""The learned state of a scope as bytes: versioned, void for another embedder, model or prompt."""

from __future__ import annotations

import msgspec
import numpy as np

from scrimp.quality.betting import Alarm, Certificate
from scrimp.quality.engine import Engine
from scrimp.quality.logistic import Floats, Logistic
from scrimp.quality.noise import Noise
from scrimp.quality.threshold import Fitted
from scrimp.quality.words import Promise

VERSION = 1


class _State(msgspec.Struct, frozen=True):
    """Arrays as bytes of little-endian numbers."""

    version: int
    made_for: str
    promise: Promise
    width: int
    live: bool
    decisions: int
    restarts: int
    rows: bytes
    recent: bytes
    seen: tuple[int, int, int]
    noise: tuple[int, int]
    certificate: tuple[int, bytes]
    alarm: tuple[int, bytes]
    model: tuple[bytes, bytes, bytes] | None = None
    threshold: tuple[float, float, int] = (2.0, 1.0, 0)


def save(engine: Engine, made_for: str) -> bytes:
    """The state. `made_for` names all that it depends on: embedder, model, prompt, features."""
    labels, fitted = engine.labels, engine.fitted
    model = threshold = None
    if fitted is not None:
        one = fitted.model
        model = (_wide(one.weights), _wide(one.means), _wide(one.scales))
        threshold = (fitted.threshold, fitted.risk, fitted.labels)
    state = _State(
        VERSION,
        made_for,
        engine.promise,
        engine.width,
        engine.live,
        engine.decisions,
        engine.restarts,
        labels.rows.read().astype("<f4").tobytes(),
        labels.recent.read().astype("<f4").tobytes(),
        (labels.total, labels.seen, labels.open),
        (engine.noise.sure, engine.noise.overturned),
        (engine.certificate.seen, _wide(engine.certificate.logs)),
        (engine.alarm.seen, _wide(engine.alarm.wealth)),
        model,
        threshold or (2.0, 1.0, 0),
    )
    return msgspec.msgpack.encode(state)


def load(kept: bytes | None, promise: Promise, width: int, made_for: str) -> Engine:
    """The engine as it was saved; a fresh one when there is none, or it is void or damaged.

    With another promise the labels are kept, and the proof begins anew.
    """
    engine = Engine(promise, width)
    if kept is None:
        return engine
    try:
        state = msgspec.msgpack.decode(kept, type=_State)
        if (state.version, state.made_for, state.width) == (VERSION, made_for, width):
            _restore(engine, state)
    except (msgspec.DecodeError, ValueError):
        return Engine(promise, width)
    return engine


def _restore(engine: Engine, state: _State) -> None:
    width, labels = engine.width, engine.labels
    labels.rows.fill(_narrow(state.rows, width + 3))
    labels.recent.fill(_narrow(state.recent, width))
    labels.total, labels.seen, labels.open = state.seen
    engine.noise = Noise(*state.noise)
    engine.decisions, engine.restarts = state.decisions, state.restarts
    if state.promise != engine.promise:
        return
    seen, logs = state.certificate
    blank = engine.certificate.logs
    bound = min(0.5, engine.promise.max_error)
    engine.certificate = Certificate(bound, _read(logs).reshape(blank.shape), seen)
    seen, wealth = state.alarm
    engine.alarm = Alarm(
        engine.promise.max_error, _read(wealth).reshape(engine.alarm.wealth.shape), seen
    )
    if state.model is not None:
        weights, means, scales = (_read(one) for one in state.model)
        if (len(weights), len(means), len(scales)) != (width + 1, width, width):
            raise ValueError("a model of another width")
        engine.fitted = Fitted(Logistic(weights, means, scales), *state.threshold)
        engine.live = state.live


def _wide(numbers: Floats) -> bytes:
    return numbers.astype("<f8").tobytes()


def _read(kept: bytes) -> Floats:
    return np.frombuffer(kept, "<f8").astype(np.float64)


def _narrow(kept: bytes, width: int) -> Floats:
    return np.frombuffer(kept, "<f4").astype(np.float64).reshape(-1, width)
