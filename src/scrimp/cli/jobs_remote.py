"""Where the calls of a file wait: behind a gateway elsewhere, which holds, sends and books them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from scrimp.cli.jobs_queue import ANEW, Found, Handed, Named, told
from scrimp.cli.run_remote import KEY_ENV, Remote, Said, key_headers
from scrimp.client.calling import NoBook
from scrimp.client.lanes import MOST_AT_ONCE, Turn
from scrimp.errors import InvalidRequest, Unauthenticated, Unavailable
from scrimp.many.asked import Item
from scrimp.many.results import Result
from scrimp.money import parse_usd
from scrimp.ports import Clock
from scrimp.shell.jobs_told import MOST_NAMES, PATH
from scrimp.shell.waiting import HEADER, only

_SAID_BYTES = 500


class _View(msgspec.Struct, frozen=True):
    """A job as the gateway tells it."""

    id: str
    status: str
    booked: bool = False
    name: str = ""
    model: str = ""
    provider: str = ""
    cost_usd: str | None = None
    saved_usd: str | None = None
    error: dict[str, Any] | None = None


class _Page(msgspec.Struct, frozen=True):
    data: list[_View]


class There:
    """Implements `Queue`."""

    pause_s = 5.0
    at_once = MOST_AT_ONCE

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        max_wait: str,
        labels: Mapping[bytes, bytes],
        clock: Clock,
    ) -> None:
        self.clock = clock
        self._session = session
        self._url = url
        self._wait = only(max_wait).encode()
        self._remote = Remote(session, url, {**labels, **ANEW}, clock, NoBook())

    def check(self, item: Item) -> None:
        """The gateway says it itself."""

    async def put(self, named: Named) -> Turn[Handed]:
        """Raises nothing that a call can be at fault for."""
        marks = {HEADER.encode(): self._wait, b"idempotency-key": named.name.encode()}
        try:
            status, headers, body = await self._remote.post(named.item, marks)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            why = _silent(self._url, error)
            return Turn("broken", Handed("", why), why=why)
        if status == 202 and (job_id := dict(headers).get("x-scrimp-job")):
            return Turn("answered", Handed(job_id))
        if status == 200:
            why = "the gateway answered at once, at the plain price: is it an older Scrimp?"
            return Turn("failed", Handed("", why))
        turn = self._remote.refused(status, headers, body)
        handed = None if turn.result is None else Handed("", turn.why)
        return Turn(turn.came, handed, turn.refused, turn.wait_s, turn.room, turn.why)

    async def named(self, names: Sequence[str]) -> Mapping[str, Found]:
        """Raises Unavailable, Unauthenticated, InvalidRequest."""
        found: dict[str, Found] = {}
        for first in range(0, len(names), MOST_NAMES):
            asked = ",".join(quote(one, safe="") for one in names[first : first + MOST_NAMES])
            status, _, body = await self._get(f"{PATH}/named/{asked}")
            if status != 200:
                self._fail(status, body)
            try:
                page = msgspec.json.decode(body, type=_Page)
                found |= {one.name: _found(one) for one in page.data}
            except (msgspec.MsgspecError, ValueError) as error:
                raise Unavailable(f"{self._url} is no gateway that has jobs") from error
        return found

    async def unsent(self, found: Sequence[Found]) -> frozenset[str]:  # noqa: ARG002 (the gateway's)
        """That is the gateway's matter."""
        return frozenset()

    async def result(self, item: Item, found: Found) -> Result:
        """Raises as `named`."""
        if found.status == "cancelled":
            return told(item, found, 409, b"")
        status, _, body = await self._get(f"{PATH}/{found.id}/answer")
        if found.status == "done" and status != 200:
            self._fail(status, body)
        return told(item, found, status, body)

    async def _get(self, path: str) -> Said:
        try:
            async with self._session.get(
                self._url + path, headers=key_headers(), allow_redirects=False
            ) as answer:
                return answer.status, (), await answer.read()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unavailable(_silent(self._url, error)) from error

    def _fail(self, status: int, body: bytes) -> None:
        said = body[:_SAID_BYTES].decode("utf-8", "replace").strip()
        text = f"the gateway at {self._url} answered {status}: {said}"
        if status in (401, 403):
            raise Unauthenticated(f"{text} (its key is what ${KEY_ENV} holds)")
        if status >= 500 or status == 429:
            raise Unavailable(text)
        raise InvalidRequest(text)


def _silent(url: str, error: Exception) -> str:
    return f"the gateway at {url} does not answer ({type(error).__name__})"


def _found(view: _View) -> Found:
    error = view.error or {}
    return Found(
        id=view.id,
        name=view.name,
        status=view.status,
        model=view.model,
        provider=view.provider,
        cost_nanousd=None if view.cost_usd is None else parse_usd(view.cost_usd),
        saved_nanousd=None if view.saved_usd is None else parse_usd(view.saved_usd),
        why=str(error.get("why") or ""),
        error=str(error.get("message") or ""),
        booked=view.booked,
    )
