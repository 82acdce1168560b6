"""`scrimp run --url`: the calls go through a gateway elsewhere, which prices and books them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from scrimp.calls import Headers, Reply
from scrimp.client.calling import Book, call_headers
from scrimp.client.lanes import Came, Turn
from scrimp.dialects import DIALECTS
from scrimp.errors import ConfigError
from scrimp.many.asked import Item
from scrimp.many.rates import room_in
from scrimp.many.results import Result
from scrimp.money import parse_usd
from scrimp.ports import Clock
from scrimp.routing.failing import retry_after_s
from scrimp.semantics.answers import text_of

KEY_ENV = "SCRIMP_KEY"
_PUSHED_BACK = (429, 503, 529)
_FOR_GOOD = (b"insufficient_quota", b"budget_exceeded")
_OF_ALL = (401, 403, 404)
_ANSWER_S = 1800.0
_SAID_BYTES = 2000
NO_LABELS: Mapping[bytes, bytes] = {}
Said = tuple[int, Headers, bytes]
"""Status, headers and body of an answer."""


@dataclass(frozen=True, slots=True)
class Remote:
    """Makes calls through a gateway. Its key is the one in SCRIMP_KEY."""

    session: aiohttp.ClientSession
    url: str
    labels: Mapping[bytes, bytes]
    clock: Clock
    book: Book

    async def __call__(self, item: Item) -> Turn[Result]:
        """Ask once. Raises nothing that a call can be at fault for."""
        mark = f"{item.line}-{self.clock.monotonic():.6f}"
        self.book.begun(item, mark)
        try:
            status, headers, body = await self.post(item)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            why = f"the gateway at {self.url} does not answer ({type(error).__name__})"
            unsent = isinstance(error, aiohttp.ClientConnectorError)
            cost = 0 if unsent else None
            result = Result("", 502, error=why, kind="upstream", cost_nanousd=cost)
            return Turn("broken", result, why=why)
        turn = self._turn(item, status, headers, body)
        if turn.result is None:
            self.book.put_off(item, mark, None)
        return turn

    async def post(self, item: Item, more: Mapping[bytes, bytes] = NO_LABELS) -> Said:
        """Send a call once. Raises what aiohttp does, and TimeoutError."""
        labels = call_headers(item, {**self.labels, **more})
        headers = {name.decode(): value.decode() for name, value in labels.items()}
        headers |= key_headers()
        async with self.session.post(
            self.url + item.path, data=item.body, headers=headers, allow_redirects=False
        ) as answer:
            told = tuple((name.lower(), value) for name, value in answer.headers.items())
            return answer.status, told, await answer.read()

    def _turn(self, item: Item, status: int, headers: Headers, body: bytes) -> Turn[Result]:
        if status == 200:
            return self._answered(item, headers, body)
        return self.refused(status, headers, body)

    def refused(self, status: int, headers: Headers, body: bytes) -> Turn[Result]:
        """What a status other than 200 says."""
        said, now = dict(headers), self.clock.now()
        room = room_in(headers, now)
        words = body[:_SAID_BYTES].decode("utf-8", "replace").strip()
        why = f"the gateway answered {status}: {words}"
        if "x-scrimp-budget" in said:
            return Turn("no_room", why=why)
        # whether a gateway that has tried by itself would try again says nothing of later
        if status in _PUSHED_BACK and not any(sign in body for sign in _FOR_GOOD):
            return Turn("later", None, refused=True, wait_s=_wait_s(headers, self), why=why)
        broken = status in _OF_ALL or status >= 500 or status == 429
        came: Came = "broken" if broken else "failed"
        cost = _nanousd(said.get("x-scrimp-cost-usd", "0"))
        call_id = said.get("x-scrimp-id", "")
        result = Result(
            call_id, status, error=why, kind="upstream", cost_nanousd=cost, high_nanousd=cost
        )
        return Turn(came, result, room=room, why=why)

    def _answered(self, item: Item, headers: Headers, body: bytes) -> Turn[Result]:
        dialect, said = DIALECTS[item.dialect], dict(headers)
        facts = dialect.read_reply(body)
        cost = _nanousd(said.get("x-scrimp-cost-usd", "unknown"))
        if not facts.complete:
            why = "the gateway's reply is no whole answer"
            result = Result("", 502, error=why, kind="upstream", cost_nanousd=cost)
            return Turn("broken", result, why=why)
        source = said.get("x-scrimp-served-by", "upstream")
        saved = _nanousd(said.get("x-scrimp-saved-usd", "0")) or 0
        reply = Reply(200, headers, body, "json", facts, cacheable=False)
        result = Result(
            id=said.get("x-scrimp-id", ""),
            status=200,
            body=body,
            text=text_of(reply, dialect),
            source=source,
            model=facts.model or item.model,
            finish=facts.finish,
            tokens=facts.usage or Result("", 0).tokens,
            cost_nanousd=cost,
            high_nanousd=cost,
            saved=(("levers" if source == "upstream" else source, saved),) if saved else (),
        )
        return Turn("answered", result, room=room_in(headers, self.clock.now()))


@asynccontextmanager
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections to a gateway; as many as there are calls in the air."""
    limits = aiohttp.ClientTimeout(total=_ANSWER_S, connect=10.0)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=limits
    ) as one:
        yield one


def key_headers() -> dict[str, str]:
    """What the gateway knows its client by."""
    key = os.environ.get(KEY_ENV)
    return {"authorization": f"Bearer {key}"} if key else {}


def root_of(url: str) -> str:
    """The gateway's address as its clients write it, with or without `/v1`. Raises ConfigError."""
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"--url {url[:80]!r} is no address of a gateway (http://HOST:PORT)")
    return url.rstrip("/").removesuffix("/v1")


def _wait_s(headers: Headers, remote: Remote) -> float | None:
    return retry_after_s(headers, remote.clock.now())


def _nanousd(text: str) -> int | None:
    try:
        return parse_usd(text)
    except ValueError:
        return None
