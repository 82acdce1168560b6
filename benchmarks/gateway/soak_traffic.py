"""The calls of the soak: which one is asked, what goes wrong with it, and what came back.

Everything follows from the call's number, so a run can be repeated. The number travels as the
session to the ledger and as `x-sim-id` to the simulator's bill.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp

Dialect = Literal["chat", "messages", "responses", "embeddings"]
Leaving = Literal["", "at once", "after the first bytes"]

FAULTS = (
    *("429:retry-after-ms=5", "500", "502", "503", "529", "500:work", "cut-before-headers"),
    *("cut=60", "cut=900", "reset=60", "reset=900", "error-event", "no-usage"),
    *("slow-first-byte=30", "slow-first-token=20", "stall=3", "drip=2", "keep-alive", "crlf"),
    *("rate-limit=1", "failed=2", "bad-event=2", "no-blank-line=2", "wrong-type"),
)
HARMLESS = ("no-usage", "slow-first-byte=30", "slow-first-token=20", "drip=2", "keep-alive", "crlf")
"""A whole answer comes in spite of them."""

FAULT_SHARE = 0.12
LEAVING_SHARE = 0.05
REPEATED_SHARE = 0.25
_POOL = 16  # questions that are asked again, soon enough to be still in a small cache
_PATHS: dict[Dialect, str] = {
    "chat": "/v1/chat/completions",
    "messages": "/v1/messages",
    "responses": "/v1/responses",
    "embeddings": "/v1/embeddings",
}
_ENDS = (b"data: [DONE]", b'"type":"message_stop"', b'"type":"response.completed"')
_ERRORS = (b'"error":{', b'"type":"response.failed"')
_SYSTEM = "You are the support assistant of a maker of smart lamps. Be brief and kind. " * 3


@dataclass(frozen=True, slots=True)
class Ask:
    """One call."""

    number: int
    dialect: Dialect
    stream: bool
    fault: str
    leaving: Leaving
    repeated: bool

    @property
    def path(self) -> str:
        """Where it is asked."""
        return _PATHS[self.dialect]

    @property
    def kind(self) -> str:
        """For the tally."""
        form = " stream" if self.stream else ""
        return f"{self.dialect}{form}{' again' if self.repeated else ''}"

    def headers(self) -> dict[str, str]:
        """With its number for both books, and the fault for the simulator."""
        found = {"x-scrimp-session": str(self.number), "x-sim-id": str(self.number)}
        if self.fault:
            found["x-sim-fault"] = self.fault
        if self.dialect == "messages":
            return {**found, "anthropic-version": "2023-06-01", "x-api-key": "sk-soak"}
        return {**found, "authorization": "Bearer sk-soak"}

    def body(self) -> bytes:
        """What is asked."""
        which = f"R{self.number % _POOL}" if self.repeated else f"N{self.number}"
        text = f"How do I return the lamp that came with order {which}?"
        fields: dict[str, Any]
        turns = [{"role": "user", "content": text}]
        match self.dialect:
            case "chat":
                turns.insert(0, {"role": "system", "content": _SYSTEM})
                fields = {"model": "gpt-4o-mini", "messages": turns}
            case "messages":
                fields = {"model": "claude-haiku-4-5", "messages": turns}
                fields |= {"system": _SYSTEM, "max_tokens": 300}
            case "responses":
                fields = {"model": "gpt-4.1-mini", "input": turns, "instructions": _SYSTEM}
            case "embeddings":
                fields = {"model": "text-embedding-3-small", "input": text}
        return json.dumps(fields | ({"stream": True} if self.stream else {})).encode()


def ask_of(number: int, seed: int) -> Ask:
    """The call with this number."""
    dice = random.Random(f"{seed}/{number}")  # noqa: S311 (made-up traffic)
    dialects: tuple[Dialect, ...] = ("chat", "messages", "responses", "embeddings")
    dialect = dice.choices(dialects, (50, 33, 12, 5))[0]
    repeated = dice.random() < REPEATED_SHARE
    stream = dialect != "embeddings" and dice.random() < 0.5
    fault, ways = "", tuple[Leaving, ...](("at once", "after the first bytes"))
    leaving = dice.choice(ways)
    if not repeated and dice.random() < FAULT_SHARE:
        fault = dice.choice(FAULTS)
    leaves = dice.random() < LEAVING_SHARE
    return Ask(number, dialect, stream, fault, leaving if leaves else "", repeated)


def verdict(ask: Ask, status: int, body: bytes, *, broke: bool) -> str:
    """What a client sees: a whole answer, an error that says so, or a lie."""
    if status != 200:
        return f"status {status}"
    if any(mark in body for mark in _ERRORS):
        return "error in the stream"
    if broke:
        return "connection broke"
    if ask.stream:
        return "whole" if any(end in body for end in _ENDS) else "HALF AND SILENT"
    try:
        json.loads(body)
    except ValueError:
        return "HALF AND SILENT"
    return "whole"


class Client:
    """Many connections that ask one call after another."""

    def __init__(self, url: str, seed: int) -> None:
        self._url = url
        self._seed = seed
        self.seen: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.wrong: list[str] = []

    async def run(self, numbers: Iterator[int], connections: int) -> None:
        """Ask them all; every connection of ours is closed at the end."""
        connector = aiohttp.TCPConnector(limit=0)
        limit = aiohttp.ClientTimeout(total=60)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=limit) as session,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(connections):
                group.create_task(self._asker(session, numbers))

    async def _asker(self, session: aiohttp.ClientSession, numbers: Iterator[int]) -> None:
        for number in numbers:
            ask = ask_of(number, self._seed)
            self.kinds[ask.kind] += 1
            seen = await (self._leave(session, ask) if ask.leaving else self._stay(session, ask))
            self.seen[seen] += 1
            promised = not ask.fault or ask.fault in HARMLESS
            if seen.isupper() or (promised and not ask.leaving and seen != "whole"):
                self.wrong.append(f"call {number} ({ask.kind}, {ask.fault or 'no fault'}): {seen}")

    async def _stay(self, session: aiohttp.ClientSession, ask: Ask) -> str:
        body = bytearray()
        status, broke = 0, False
        try:
            async with self._post(session, ask) as answer:
                status = answer.status
                async for piece in answer.content.iter_any():
                    body += piece
        except aiohttp.ClientError:
            broke = True
        return verdict(ask, status, bytes(body), broke=broke)

    async def _leave(self, session: aiohttp.ClientSession, ask: Ask) -> str:
        try:
            async with asyncio.timeout(0.004 if ask.leaving == "at once" else None):
                async with self._post(session, ask) as answer:
                    await answer.content.readany()
                    answer.close()  # the connection too: the rest is not read
        except (TimeoutError, aiohttp.ClientError):
            pass
        return f"left {ask.leaving}"

    def _post(
        self, session: aiohttp.ClientSession, ask: Ask
    ) -> aiohttp.client._RequestContextManager:
        headers = {**ask.headers(), "content-type": "application/json"}
        return session.post(self._url + ask.path, data=ask.body(), headers=headers)
