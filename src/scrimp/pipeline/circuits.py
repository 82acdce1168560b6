"""What one process knows of its upstreams' circuits, and shares with the other workers.

A call looks into memory only. What it has seen is told to the store a moment later, failures at
once and together, good attempts while something fails; with them comes what others have seen. When
the store is down each process goes on by what it sees itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from functools import partial

from scrimp.calls import Attempt, Target
from scrimp.errors import StoreError, kind_and_place
from scrimp.health import WELL, Circuit, Health, Healths, HealthStore, Tally
from scrimp.pipeline.background import Spawn
from scrimp.ports import Clock
from scrimp.routing.circuit import Ended, Rules, Seen, after, claimed, look, troubled
from scrimp.routing.failing import blame_of

log = logging.getLogger("scrimp.fallback")

LOOK_S = 1.0
"""How old what others have seen may be, while there are calls."""
GAP_S = 0.1
"""Between two writes, however many calls fail."""
REST_S = 5.0
"""How long a store that failed is left alone."""
_MOST_UPSTREAMS = 1024


class Circuits:
    """The breakers of one process. `spawn` runs its work beside the calls."""

    def __init__(self, store: HealthStore, clock: Clock, rules: Rules, spawn: Spawn) -> None:
        self._store = store
        self._now = clock.now
        self._sleep = clock.sleep
        self._rules = rules
        self._spawn = spawn
        self._slot_s = rules.slot_s
        self._known: Healths = {}  # as the store said last
        self._view: Healths = {}  # the same with what was seen since
        self._ill: dict[str, Health] = {}  # those of the view whose circuit is not closed
        self._own: dict[str, dict[int, list[int]]] = {}
        self._ended: list[Ended] = []
        self._not_before_s: dict[str, float] = {}
        self._probing: dict[str, Sequence[str]] = {}
        self._failed_since = False
        self._busy = False
        self._one_by_one = asyncio.Lock()
        self._looked_s = self._rests_until_s = 0.0

    @property
    def ill(self) -> Iterable[str]:
        """The upstreams whose circuits are not closed."""
        return tuple(self._ill)

    def state(self, target: Target) -> Circuit:
        """What a call to a target meets now: `half_open` where it may `probe`."""
        if not self._ill:
            return "closed"
        now_s = self._now().timestamp()
        self._touch(now_s)
        states = {look(health, now_s, self._rules) for _, health in self._of(target)}
        if "open" in states:
            return "open"
        return "half_open" if "half_open" in states else "closed"

    async def probe(self, target: Target, prober: str) -> bool:
        """True for the one of all workers that may try now whether it is well again.

        `prober` is a name that nobody else uses; say `end_probe` with it in any case.
        """
        if self._one_by_one.locked():  # nobody waits for a file: the next one may probe
            return False
        async with self._one_by_one:
            if self.state(target) != "half_open":
                return False
            upstreams = [upstream for upstream, _ in self._of(target)]
            now_s = self._now().timestamp()
            rules = self._rules
            claim = partial(claimed, upstreams=upstreams, prober=prober, now_s=now_s, rules=rules)
            try:
                await self._tell(claim)
            except asyncio.CancelledError:  # it may have been claimed all the same
                self._ended += [Ended(upstream, prober, None) for upstream in upstreams]
                raise
            mine = [name for name in upstreams if self._view.get(name, WELL).prober == prober]
        if mine:
            self._probing[prober] = mine
        return bool(mine)

    def saw(
        self, target: Target, attempts: Sequence[Attempt], *, wait_s: float | None, own_key: bool
    ) -> None:
        """How a try of a target ended, by its attempts.

        `wait_s` is what the provider asked to wait, after the last one.
        """
        now_s = self._now().timestamp()
        slot, failing, model = int(now_s) // self._slot_s * self._slot_s, False, _of_model(target)
        for attempt in attempts:
            blame = blame_of(attempt, own_key=own_key)
            if not blame and attempt.outcome != "ok":
                continue  # a client that left, or a call that was at fault itself, proves nothing
            failing = failing or bool(blame)
            self._count(target.provider, slot, failed=blame == "provider")
            if blame != "provider":
                self._count(model, slot, failed=blame == "model")
            if blame and wait_s and attempt is attempts[-1]:
                blamed = target.provider if blame == "provider" else model
                self._not_before_s[blamed] = now_s + wait_s
        if failing:
            self._failed_since = True
            self._refresh(now_s)
        self._touch(now_s, at_once=failing)

    def end_probe(self, prober: str, attempts: Sequence[Attempt], *, own_key: bool) -> None:
        """Whoever may have been a probe has ended; its last attempt says how."""
        upstreams = self._probing.pop(prober, ())
        if not upstreams:
            return
        last = attempts[-1] if attempts else None
        for upstream in upstreams:
            self._ended.append(Ended(upstream, prober, _failed(upstream, last, own_key=own_key)))
        now_s = self._now().timestamp()
        self._refresh(now_s)
        self._touch(now_s, at_once=True)

    def _of(self, target: Target) -> list[tuple[str, Health]]:
        """The ill ones of the upstreams that a target stands for."""
        names = (target.provider, _of_model(target))
        return [(name, self._ill[name]) for name in names if name in self._ill]

    def _count(self, upstream: str, slot: int, *, failed: bool) -> None:
        slots = self._own.get(upstream)
        if slots is None:
            if len(self._own) >= _MOST_UPSTREAMS:  # names of models may come from clients
                self._own.clear()
            slots = self._own[upstream] = {}
        counts = slots.get(slot)
        if counts is None:
            for old in [at for at in slots if at < slot - self._rules.window_s]:
                del slots[old]
            counts = slots[slot] = [0, 0]
        counts[0] += 1
        counts[1] += failed

    def _seen(self) -> Seen:
        tallies = {
            upstream: [Tally(at, *counts) for at, counts in slots.items()]
            for upstream, slots in self._own.items()
        }
        return Seen(tallies, tuple(self._ended), dict(self._not_before_s))

    def _refresh(self, now_s: float) -> None:
        self._show(after(self._known, self._seen(), now_s, self._rules))

    def _show(self, view: Healths) -> None:
        self._view = view
        ill = {name: one for name, one in view.items() if one.circuit != "closed"}
        if ill.keys() != self._ill.keys():
            for name in ill.keys() - self._ill.keys():
                log.warning("circuit '%s' is open: its calls go elsewhere for now", name)
            for name in self._ill.keys() - ill.keys():
                log.warning("circuit '%s' is closed: it answers again", name)
        self._ill = ill

    def _touch(self, now_s: float, *, at_once: bool = False) -> None:
        """See that the store is told and asked, soon."""
        if self._busy or not (at_once or abs(now_s - self._looked_s) >= LOOK_S):
            return
        work = self._share()
        self._busy = True
        try:
            self._spawn(work)
        except RuntimeError:  # the app is not open, or closing: this process goes on by itself
            work.close()
            self._busy, self._looked_s = False, now_s

    async def _share(self) -> None:
        try:
            while True:
                async with self._one_by_one:
                    await self._tell(None)
                if not (self._failed_since or self._ended):
                    return
                await self._sleep(GAP_S)
        except Exception as error:  # noqa: BLE001 (an edge: the app's other tasks must go on)
            log.error("sharing the health of upstreams broke: %s", kind_and_place(error))  # noqa: TRY400 (a traceback ends with the message)
        finally:
            self._busy = False

    async def _tell(self, claim: partial[Healths] | None) -> None:
        """Tell the store what was seen, claim a probe, and take over what all have seen."""
        now_s = self._looked_s = self._now().timestamp()
        matters = bool(claim or self._failed_since or self._ended) or troubled(self._known)
        seen = self._seen() if matters else Seen()
        if matters:
            self._own, self._ended, self._not_before_s, self._failed_since = {}, [], {}, False
        change = partial(_changed, seen=seen, claim=claim, now_s=now_s, rules=self._rules)
        self._known = change(self._known)  # also while the store is at work, and when it is down
        if now_s >= self._rests_until_s or self._rests_until_s - now_s > REST_S:
            try:
                work = self._store.change(change) if matters else self._store.look()
                self._known = await work
            except StoreError as error:
                log.warning("what workers see of upstreams is not shared: %s", error)
                self._rests_until_s = now_s + REST_S
        self._refresh(self._now().timestamp())


def _changed(
    known: Healths, seen: Seen, claim: partial[Healths] | None, now_s: float, rules: Rules
) -> Healths:
    new = after(known, seen, now_s, rules)
    return new if claim is None else claim(new)


def _of_model(target: Target) -> str:
    return f"{target.provider}/{target.model}"


def _failed(upstream: str, last: Attempt | None, *, own_key: bool) -> bool | None:
    """Whether a probe's last attempt speaks against one upstream; None where it says nothing."""
    if last is None or last.outcome == "cancelled":
        return None
    blame = blame_of(last, own_key=own_key)
    of_model = "/" in upstream
    if blame == "provider":
        return None if of_model else True
    return blame == "model" if of_model else False
