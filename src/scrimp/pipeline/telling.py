"""Tells webhooks that jobs are over, beside the calls and beside the work on jobs.

Every worker does it. A dead address is asked a few times a round, and keeps neither jobs
nor, for longer than one try, other addresses waiting.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Protocol

from scrimp.alerts.delivery import next_try
from scrimp.batches.news import news_of
from scrimp.errors import StoreError, kind_and_place
from scrimp.jobs import JobNews, News, Outcome
from scrimp.notices import Sent
from scrimp.ports import Clock

log = logging.getLogger("scrimp.defer")

_EACH = 32
"""News of one address that are taken at once."""
_AT_ONCE = 4
"""Tries at one address at the same time."""
_MORE_S = 30.0
"""A lease lasts so much longer than all tries at an address may take."""
_FINAL_S = 5.0


class Posts(Protocol):
    """Where news go."""

    async def send(self, address: str, job_id: str, body: bytes) -> Sent:
        """Try once, in bounded time. What goes wrong is said, and not raised."""
        ...


@dataclass(frozen=True, slots=True)
class TellingRules:
    """`answers`: they go with it. `timeout_s` is the longest that one try takes."""

    answers: bool = False
    timeout_s: float = 10.0
    give_up_s: float = 3 * 86400.0
    pause_s: float = 5.0


@dataclass(frozen=True, slots=True)
class TellingMeans:
    """What it is done with. `dice` draws from 0 to 1, `holds` knows keys."""

    news: JobNews
    outcome: Callable[[str], Outcome | None]
    posts: Posts
    clock: Clock
    dice: Callable[[], float]
    holds: Callable[[str], Awaitable[bool]]


class Telling:
    """For as long as the app is open."""

    def __init__(self, means: TellingMeans, rules: TellingRules) -> None:
        self._means = means
        self._rules = rules
        self._stopping = asyncio.Event()
        self._wrong = ""

    def stop(self) -> None:
        """Tell what is due once more, then end; the rest is in the file."""
        self._stopping.set()

    async def run(self) -> None:
        """Tell until `stop`, and a little longer: nobody who closes waits for a slow receiver."""
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(self._serve(), name="scrimp defer tells")
            await self._stopping.wait()
            await asyncio.wait({serving}, timeout=_FINAL_S)
            serving.cancel()

    async def _serve(self) -> None:
        while not self._stopping.is_set():
            await self._unbroken()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._rules.pause_s):
                    await self._stopping.wait()
        await self._unbroken()

    async def _unbroken(self) -> None:
        try:
            while await self.once() and not self._stopping.is_set():
                pass
            self._wrong = ""
        except StoreError as error:
            if self._wrong != (wrong := str(error)):  # else it was said, some seconds ago
                log.warning("webhooks of jobs wait: %s", wrong)
            self._wrong = wrong
        except Exception as error:  # noqa: BLE001 (an edge: the app's other tasks must go on)
            log.error("webhooks of jobs: %s", kind_and_place(error))  # noqa: TRY400 (its message may hold an answer)

    async def once(self) -> int:
        """One round; how many news were taken. Raises StoreError."""
        lease_s = self._rules.timeout_s * _EACH / _AT_ONCE + _MORE_S
        news = await asyncio.to_thread(self._means.news.take, lease_s=lease_s, each=_EACH)
        by_address = sorted(news, key=_address)
        async with asyncio.TaskGroup() as group:
            for _, some in groupby(by_address, key=_address):
                group.create_task(self._address(list(some)), name="scrimp defer tells")
        return len(news)

    async def _address(self, news: Sequence[News]) -> None:
        """All of one address; after the first failure the rest is not tried before later."""
        left, failed = iter(news), list[tuple[News, Sent]]()
        async with asyncio.TaskGroup() as group:
            for _ in range(min(_AT_ONCE, len(news))):
                group.create_task(self._each(left, failed), name="scrimp defer tells")
        if not failed:
            return
        failed += [(one, failed[0][1]) for one in left]
        later = [(one, self._again(one, sent)) for one, sent in failed]
        (first, sent), gone = failed[0], sum(then is None for _, then in later)
        log.warning(
            "webhook of job %s, try %d: %s (%d wait for it, %d were given up)",
            *(first.job.id, first.tries, sent.said, len(later) - gone, gone),
        )
        await asyncio.to_thread(self._means.news.later, later)

    async def _each(self, news: Iterator[News], failed: list[tuple[News, Sent]]) -> None:
        while not failed and (one := next(news, None)) is not None:
            sent = await self._tried(one)
            if sent.ok:
                await asyncio.to_thread(self._means.news.told, [one])
            else:
                failed.append((one, sent))

    async def _tried(self, one: News) -> Sent:
        means = self._means
        outcome = None
        if self._rules.answers and (not one.job.key or await means.holds(one.job.key)):
            outcome = await asyncio.to_thread(means.outcome, one.job.id)
        return await means.posts.send(one.address, one.job.id, news_of(one.job, outcome))

    def _again(self, one: News, sent: Sent) -> datetime | None:
        now, ended = self._means.clock.now(), one.job.ended_at
        return next_try(
            one.tries,
            sent,
            now if ended is None else ended,
            now,
            give_up_s=self._rules.give_up_s,
            dice=self._means.dice(),
        )


def _address(news: News) -> str:
    return news.address
