"""Plays cases through any gateway: a client on one side of it, the replaying provider on the other.

What a gateway tells of cost is compared where it is Scrimp, by the ledger's entry of the call; of
others only what the reply shows.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from scrimp.conformance.compare import Got, answer_checks, sent_checks
from scrimp.conformance.corpus import Case
from scrimp.conformance.ledger import entry_checks, told_cost
from scrimp.conformance.replay import ReplayProvider, marked
from scrimp.conformance.verdict import Check, Verdict, status_of
from scrimp.dialects.json_body import parse_object
from scrimp.dialects.usage_readers import Shape, read_reply
from scrimp.errors import ConfigError
from scrimp.prices.book import PriceBook

PATHS: Mapping[Shape, str] = {
    "openai.chat": "/v1/chat/completions",
    "openai.responses": "/v1/responses",
    "openai.embeddings": "/v1/embeddings",
    "anthropic.messages": "/v1/messages",
}
"""Which cases a gateway serves, and where."""

_AT_ONCE = 8
_ENTRY = "/v1/scrimp/calls/"
_BOOKED_AFTER_S = (0, 0.05, 0.2, 0.75, 2, 7)
"""When to look for an entry: an answer that broke off is booked after its client has heard so."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """The gateway under test. `key` is a client's key of it; empty where it wants none.

    `timeout_s` is how long one answer may take.
    """

    url: str
    key: str = field(default="", repr=False)
    timeout_s: float = 60.0

    def at(self, path: str) -> str:
        """A path's address, whether or not the URL ends in `/v1`."""
        return self.url.rstrip("/").removesuffix("/v1") + path


def playable(case: Case) -> bool:
    """True for a case that goes through a gateway; the others are for the readers alone."""
    return case.shape in PATHS


class Player:
    """Plays cases through one gateway."""

    def __init__(
        self,
        gateway: Gateway,
        provider: ReplayProvider,
        book: PriceBook,
        *,
        looks_after_s: Sequence[float] = _BOOKED_AFTER_S,
    ) -> None:
        self._gateway = gateway
        self._provider = provider
        self._book = book
        self._served: set[tuple[str, str, str]] = set()
        self._refused: dict[tuple[str, str, str], str] = {}
        self._looks_after_s = looks_after_s

    async def play(self, cases: Sequence[Case], done: Callable[[Verdict], None]) -> None:
        """Play all; `done` is told of each. Raises ConfigError when nobody answers.

        One case of each API and model goes first. When it does not arrive, the rest stays here:
        a gateway that sends it elsewhere would spend money there.
        """
        timeout = aiohttp.ClientTimeout(total=self._gateway.timeout_s)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            await self._knock(session)
            slots = asyncio.Semaphore(_AT_ONCE)
            for wanted in _groups(cases):
                async with asyncio.TaskGroup() as tasks:
                    for group in wanted:
                        tasks.create_task(self._group(session, group, slots, done))

    async def _group(
        self,
        session: aiohttp.ClientSession,
        group: Sequence[Case],
        slots: asyncio.Semaphore,
        done: Callable[[Verdict], None],
    ) -> None:
        """Cases of one API and model, the first one alone."""

        async def one(case: Case) -> Verdict:
            async with slots:
                verdict = await self._verdict(session, case)
            done(verdict)
            return verdict

        kind, others = _kind(group[0]), list(group)
        if kind not in self._served and kind not in self._refused:
            probe = await one(others.pop(0))
            if probe.status == "not served":
                self._refused[kind] = probe.note
            else:
                self._served.add(kind)
        if kind in self._refused:
            for case in others:
                done(_not_served(case, self._refused[kind]))
            return
        async with asyncio.TaskGroup() as tasks:
            for case in others:
                tasks.create_task(one(case))

    async def _knock(self, session: aiohttp.ClientSession) -> None:
        try:
            async with session.get(self._gateway.at("/")):
                return
        except (aiohttp.ClientError, aiohttp.InvalidURL, TimeoutError, OSError) as error:
            why = str(error) or type(error).__name__
            msg = f"no gateway answers at {self._gateway.url}: {why} (start it, or name another)"
            raise ConfigError(msg) from error

    async def _verdict(self, session: aiohttp.ClientSession, case: Case) -> Verdict:
        call = secrets.token_hex(4)
        try:
            got = await self._ask(session, case, marked(case, call))
            entry = await self.entry(session, got.headers.get("x-scrimp-id", ""))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            why = f"no answer: {type(error).__name__} {error}".strip()
            if call not in self._provider.heard:
                return _not_served(case, why)
            return _verdict(case, (Check("answer", f"{case.reply.status}", why, good=False),))
        heard = self._provider.heard.get(call, [])
        if not heard:
            return _not_served(case, _why_unserved(case, got))
        sent = parse_object(marked(case, call)) or {}
        checks = [sent_checks(sent, heard[0])]
        asked = bool((case.request.get("stream_options") or {}).get("include_usage"))
        checks += answer_checks(case, got, usage_asked=asked)
        if entry is None:
            return _verdict(case, tuple(checks))
        found = entry_checks(case, entry, got, self._book)
        return _verdict(case, (*checks, *found.checks), found.expected_nanousd, told_cost(entry))

    async def _ask(self, session: aiohttp.ClientSession, case: Case, body: bytes) -> Got:
        headers = {"content-type": "application/json", **self._credential(case.shape)}
        url = self._gateway.at(PATHS[case.shape])
        async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
            kept, broken = bytearray(), False
            try:
                async for piece in answer.content.iter_any():
                    kept += piece
            except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError):
                broken = True
            told = {name.lower(): value for name, value in answer.headers.items()}
            return Got(answer.status, told, bytes(kept), broken)

    def _credential(self, shape: Shape) -> dict[str, str]:
        key = self._gateway.key or "conformance"
        if shape == "anthropic.messages":
            return {"x-api-key": key, "anthropic-version": "2023-06-01"}
        return {"authorization": f"Bearer {key}"}

    async def entry(self, session: aiohttp.ClientSession, call_id: str) -> dict[str, Any] | None:
        """What Scrimp's ledger says of a call; None where there is no Scrimp."""
        if not call_id:
            return None
        url = self._gateway.at(_ENTRY + call_id)
        for wait_s in self._looks_after_s:
            await asyncio.sleep(wait_s)
            async with session.get(url, headers=self._credential("openai.chat")) as answer:
                body = await answer.read()
            if answer.status == 200:
                return parse_object(body) or {}
            if answer.status != 404:
                return {}
        self._looks_after_s = (0,)  # one that never came: nothing else is waited for so long
        return {}


def _verdict(
    case: Case, checks: tuple[Check, ...], expected: int | None = None, told: int | None = None
) -> Verdict:
    status = status_of(checks)
    return Verdict(case.id, case.provider, case.shape, "gateway", status, checks, expected, told)


def _kind(case: Case) -> tuple[str, str, str]:
    return case.provider, case.shape, case.model


def _groups(cases: Sequence[Case]) -> Iterator[list[list[Case]]]:
    """Good answers first: some gateways avoid a provider for a while after it has failed."""
    for good in (True, False):
        found: dict[tuple[str, str, str], list[Case]] = {}
        for case in cases:
            if case.expected.complete is good:
                found.setdefault(_kind(case), []).append(case)
        yield list(found.values())


def _why_unserved(case: Case, got: Got) -> str:
    if got.status < 400:
        return f"answered with {got.status}, but not from here: the gateway sends it elsewhere"
    return f"{got.status}: {read_reply(case.shape, got.body).error or 'no word why'}"


def _not_served(case: Case, note: str) -> Verdict:
    return Verdict(case.id, case.provider, case.shape, "gateway", "not served", note=note)
