"""Learns how far a model's tokenizer is from ours, from calls whose usage the provider reported.

Nothing is counted on the way of a call: some calls are set aside, a task counts them later, off the
event loop, and only when the vocabulary is in memory anyway. What was learned is kept by a store,
for the next start and for other processes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import NamedTuple

from scrimp.calls import Call, Reply, Usage
from scrimp.encoders.tiktoken_encoder import TiktokenEncoder
from scrimp.errors import ScrimpError, StoreError
from scrimp.ports import Next
from scrimp.tokens import encoding_for
from scrimp.tokens.ratios import Learned, Observation, RatioStore, learn, model_key, observed

log = logging.getLogger(__name__)

_MOST_WAITING = 4
_MOST_MODELS = 256
_MOST_BODY_BYTES = 256 * 1024
_FIRST = 16
"""So many calls of a model are looked at, after that one of `_EVERY`."""
_EVERY = 16
_BATCH = 8


class _Sample(NamedTuple):
    call: Call
    reported: int


class Learner:
    """Put `around` about the end of the way and let `run` run; `encoder` counts with what is known.

    `run` ends after `stop`, and must have ended before the encoder is closed.
    """

    def __init__(self, store: RatioStore) -> None:
        self._store = store
        self.encoder = TiktokenEncoder(self.ratios)
        self._known: Mapping[str, Learned] = {}
        self._seen: dict[str, int] = {}
        self._waiting: asyncio.Queue[_Sample | None] = asyncio.Queue()
        self._broken = False

    def ratios(self, model: str) -> Learned | None:
        """What is known of a model now."""
        return self._known.get(model_key(model))

    def around(self, end: Next) -> Next:
        """The end of the way, with an eye on the usage that comes back."""

        async def watched(call: Call) -> Reply:
            reply = await end(call)
            usage = reply.facts.usage
            if usage is not None and not encoding_for(call.target.model).exact:
                self._offer(call, usage)
            return reply

        return watched

    async def run(self) -> None:
        """Count what was set aside until `stop` is called. Keeps what was learned by then."""
        await self._load()
        pending: list[Observation] = []
        while (sample := await self._waiting.get()) is not None:
            found = await _observe(sample, self.encoder)
            if found is not None:
                pending.append(found)
            if len(pending) >= _BATCH:
                await self._keep(pending)
                pending = []
        if pending:
            await self._keep(pending)

    def stop(self) -> None:
        """Let `run` end after what waits now."""
        self._waiting.put_nowait(None)

    def _offer(self, call: Call, usage: Usage) -> None:
        """Set a call aside, when it is one of those that are looked at."""
        if (
            self._waiting.qsize() >= _MOST_WAITING
            or call.operation != "chat"
            or usage.suspect
            or usage.web_search_requests
            or len(call.request.body) > _MOST_BODY_BYTES
            or not self.encoder.ready(call.target.model)
        ):
            return
        key = model_key(call.target.model)
        seen = self._seen.get(key, 0)
        if not seen and len(self._seen) >= _MOST_MODELS:
            self._seen.clear()
        self._seen[key] = seen + 1
        if seen < _FIRST or seen % _EVERY == 0:
            self._waiting.put_nowait(_Sample(call, usage.total_input_tokens))

    async def _load(self) -> None:
        try:
            self._known = await asyncio.to_thread(self._store.load)
        except StoreError as error:
            self._say(error)

    async def _keep(self, observations: list[Observation]) -> None:
        try:
            self._known = await asyncio.to_thread(self._store.add, observations)
        except StoreError as error:
            self._say(error)
            known = dict(self._known)
            for one in observations:
                known[one.model] = learn(known.get(one.model), one.ratio)
            self._known = known

    def _say(self, error: StoreError) -> None:
        """Once: learning goes on in memory."""
        if not self._broken:
            self._broken = True
            log.warning("what is learned of token counts is not kept: %s", error)


class Remembered:
    """What others have learned, for shells that only count. Read when it is first needed."""

    def __init__(self, store: RatioStore) -> None:
        self._store = store
        self._known: Mapping[str, Learned] | None = None

    def __call__(self, model: str) -> Learned | None:
        """What is known of a model; nothing when it cannot be read."""
        if self._known is None:
            try:
                self._known = self._store.load()
            except StoreError:
                self._known = {}
        return self._known.get(model_key(model))


async def _observe(sample: _Sample, encoder: TiktokenEncoder) -> Observation | None:
    """What a call shows of its model's tokenizer, or None."""
    call, reported = sample
    target = call.target
    try:
        tally = await encoder.tally(target.model, call.request.fields, target.dialect)
    except (ScrimpError, ValueError, TypeError, RecursionError):
        return None  # a body that cannot be counted teaches nothing
    if tally is None:
        return None
    ratio = observed(tally.raw, tally.others, reported)
    return None if ratio is None else Observation(model_key(target.model), ratio)
