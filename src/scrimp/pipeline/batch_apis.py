"""The providers' batch APIs: begin a batch, find one that nobody confirmed, look, collect.

Whatever may cost money is one request here, `begin`; all others may be repeated.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import timedelta
from typing import NamedTuple

from scrimp.batches import forms
from scrimp.batches.forms import Page, Seen
from scrimp.batches.results import Item, read_line
from scrimp.calls import Headers
from scrimp.errors import UpstreamError
from scrimp.jobs import Batch
from scrimp.ports import Exchange, Upstream, UpstreamRequest

Lines = Sequence[tuple[str, bytes]]
"""Job ids and the bodies to send."""
_JSON = ("content-type", "application/json")
_SLACK = timedelta(minutes=10)
"""How far a provider's clock may be from ours."""
_MOST_PAGES = 50
_MOST_ANSWER_BYTES = 4 * 1024 * 1024
_MOST_LINE_BYTES = 64 * 1024 * 1024


class Found(NamedTuple):
    """What was found of a batch. `sure` that it is not there, or `remote` is its id."""

    remote: str = ""
    sure: bool = False


class BatchApi:
    """Both vendors', over `ports.Upstream` and with the provider's own key."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def upload(self, batch: Batch, lines: Lines) -> str:
        """Where a vendor wants a file: its id. It costs nothing. Raises UpstreamError."""
        if _claude(batch):
            return ""
        content = forms.openai_file(batch.lane, lines)
        kind, body = forms.multipart(
            f"scrimp-{batch.id}.jsonl", content, f"scrimp-{secrets.token_hex(16)}"
        )
        answer = await self._ask(batch, "POST", "/files", body, ("content-type", kind))
        if (found := forms.seen(batch.lane.dialect, answer)) is None:
            raise UpstreamError("the provider answered an upload with no file", status=502)
        return found.id

    async def begin(self, batch: Batch, lines: Lines) -> str:
        """Begin it; the provider's id. This is what is paid for. Raises UpstreamError."""
        if _claude(batch):
            path, body = "/messages/batches", forms.anthropic_begin(lines)
        else:
            path, body = "/batches", forms.openai_begin(batch.lane, batch.file, batch.id)
        answer = await self._ask(batch, "POST", path, body, _JSON)
        if (found := forms.seen(batch.lane.dialect, answer)) is None:
            raise UpstreamError("the provider began a batch and did not name it", status=502)
        return found.id

    async def find(self, batch: Batch, known: Collection[str], jobs: Collection[str]) -> Found:
        """Whether a batch was begun that nobody confirmed. Raises UpstreamError.

        OpenAI keeps our mark. Anthropic keeps none: there a batch that nobody here knows, of the
        same time and size, is ours when its results name our jobs; before it ends nobody can tell.
        """
        since_s = ((batch.sent_at or batch.made_at) - _SLACK).timestamp()
        unsure = False
        async for one in self._listed(batch, since_s):
            if not _claude(batch):
                if one.mark == batch.id or (batch.file and one.file == batch.file):
                    return Found(one.id)
                continue
            if one.id in known or one.items != batch.items:
                continue
            if not one.over:
                unsure = True
            elif await self._is_ours(batch, one, jobs):
                return Found(one.id)
        return Found(sure=not unsure)

    async def look(self, batch: Batch) -> Seen | None:
        """How it stands; None when the provider does not know it. Raises UpstreamError."""
        try:
            answer = await self._ask(batch, "GET", f"{_path(batch)}/{batch.remote}")
        except UpstreamError as error:
            if error.status == 404:
                return None
            raise
        found = forms.seen(batch.lane.dialect, answer)
        if found is None:
            raise UpstreamError("the provider's answer says nothing of the batch", status=502)
        return found

    async def recall(self, batch: Batch) -> None:
        """Let it end with what is done by now. Raises UpstreamError."""
        await self._ask(batch, "POST", f"{_path(batch)}/{batch.remote}/cancel", b"", _JSON)

    async def results(self, batch: Batch, seen: Seen) -> AsyncIterator[Item]:
        """Its lines as they come; unreadable ones are left out. Raises UpstreamError."""
        for path in seen.results:
            async for line in self._lines(batch, path):
                if (item := read_line(line)) is not None:
                    yield item

    async def _is_ours(self, batch: Batch, seen: Seen, jobs: Collection[str]) -> bool:
        async for item in self.results(batch, seen):
            return forms.job_id(item.custom_id) in jobs
        return False

    async def _listed(self, batch: Batch, since_s: float) -> AsyncIterator[Seen]:
        """Newest first, back to that time."""
        after, dialect = "", batch.lane.dialect
        name = "after_id" if _claude(batch) else "after"
        for _ in range(_MOST_PAGES):
            more = f"&{name}={after}" if after else ""
            answer = await self._ask(batch, "GET", f"{_path(batch)}?limit=100{more}")
            page: Page = forms.page_of(dialect, answer)
            for one in page.batches:
                if one.created_s >= since_s:
                    yield one
            after = page.after
            if not after or page.batches[-1].created_s < since_s:
                return

    async def _ask(
        self,
        batch: Batch,
        method: str,
        path: str,
        body: bytes = b"",
        kind: tuple[str, str] | None = None,
    ) -> bytes:
        exchange = await self._open(batch, method, path, body, kind)
        read = bytearray()
        whole = False
        try:
            async for chunk in exchange.chunks():
                read += chunk
                if len(read) > _MOST_ANSWER_BYTES:
                    raise UpstreamError("the provider's answer is too large", status=502)
            whole = True
        finally:
            _close(exchange, whole=whole)
        _check(exchange, bytes(read))
        return bytes(read)

    async def _lines(self, batch: Batch, path: str) -> AsyncIterator[bytes]:
        exchange = await self._open(batch, "GET", path, b"", None)
        rest, whole = b"", False
        try:
            if exchange.status >= 300:
                _check(exchange, b"")
            async for chunk in exchange.chunks():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield line
                if len(rest) > _MOST_LINE_BYTES:
                    raise UpstreamError("a line of the results is too long", status=502)
            whole = True
            yield rest
        finally:
            _close(exchange, whole=whole)

    async def _open(
        self, batch: Batch, method: str, path: str, body: bytes, kind: tuple[str, str] | None
    ) -> Exchange:
        headers: Headers = (*batch.lane.headers, *((kind,) if kind else ()))
        request = UpstreamRequest(batch.lane.provider, method, path, headers, body)
        return await self._upstream.open(request, credential=None, sending=_nothing)


def _claude(batch: Batch) -> bool:
    return batch.lane.dialect == "anthropic.messages"


def _path(batch: Batch) -> str:
    return "/messages/batches" if _claude(batch) else "/batches"


def _check(exchange: Exchange, body: bytes) -> None:
    """Raises UpstreamError for anything but a 2xx."""
    if not 200 <= exchange.status < 300:
        raise UpstreamError(
            f"the provider answered {exchange.status}",
            status=exchange.status,
            headers=exchange.headers,
            body=body,
        )


def _close(exchange: Exchange, *, whole: bool) -> None:
    if whole:
        exchange.release()
    else:
        exchange.abort()


def _nothing() -> None:
    """Nobody asks when it left."""
