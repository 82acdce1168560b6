"""Providers over HTTP by aiohttp: raw bytes, pooled connections, four time limits.

aiohttp closes a connection at once when its call is cancelled, which is what makes a provider
stop producing; faster clients do not. Bodies are passed as they are, redirects are not followed
(a redirect would carry a provider's key to a host that nobody configured).
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from scrimp.calls import Headers
from scrimp.errors import UpstreamError
from scrimp.ports import Exchange, UpstreamRequest

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
        "set-cookie",  # a provider's session cookie belongs to the gateway, not to its client
    }
)
_LARGE_BODY_BYTES = 1 << 20
_INFLATED_BYTES = 1 << 20
"""Most that one step of decompression yields: a small answer may hide a huge one."""
_CREDENTIALS: Headers = (("authorization", ""), ("x-api-key", ""), ("api-key", ""))
_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)

_SENDING: ContextVar[Callable[[], None]] = ContextVar("scrimp_sending")
"""Whom the pool tells: each call runs in a task of its own."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect, to the first byte of the answer, between two bytes, for all of it."""

    connect_s: float = 10.0
    first_byte_s: float = 300.0
    idle_s: float = 120.0
    total_s: float = 1800.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one provider is. `headers` carry its credential and never show in a repr."""

    base_url: str
    headers: Headers = field(default=(), repr=False)
    timeouts: Timeouts = field(default_factory=Timeouts)


class _Connector(aiohttp.TCPConnector):
    """The library's pool, which also tells when a request is about to leave.

    Its own hooks for that (tracing) cost every request as much as the pool itself.
    """

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 (the library's signature)
    ) -> Connection:
        """A connection, new or pooled; the library writes to it without waiting again."""
        connection = await super().connect(req, traces, timeout)
        _SENDING.get()()
        return connection


class HttpUpstream:
    """Implements `ports.Upstream`. Open it inside a running event loop; close it once."""

    def __init__(
        self, endpoints: Mapping[str, Endpoint], *, idle_connection_s: float = 60.0
    ) -> None:
        self._endpoints: dict[str, Endpoint] = {}
        self._urls: dict[tuple[str, str], URL] = {}
        self._limits: dict[str, aiohttp.ClientTimeout] = {}
        for name, endpoint in endpoints.items():
            self.add(name, endpoint)
        self._session = aiohttp.ClientSession(
            connector=_Connector(limit=0, keepalive_timeout=idle_connection_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )

    def add(self, name: str, endpoint: Endpoint) -> None:
        """Reach a provider, from now on at this address."""
        self._endpoints[name] = endpoint
        self._limits[name] = aiohttp.ClientTimeout(
            total=endpoint.timeouts.total_s,
            connect=endpoint.timeouts.connect_s,
            sock_read=endpoint.timeouts.first_byte_s,  # `idle_s` from the first byte on
        )

    async def open(
        self,
        request: UpstreamRequest,
        *,
        credential: tuple[str, str] | None,
        sending: Callable[[], None],
    ) -> Exchange:
        """Send; returns when status and headers are here. Raises UpstreamError."""
        _SENDING.set(sending)
        endpoint = self._endpoints[request.provider]
        own = endpoint.headers
        if credential is not None:
            own = (credential, *_without(own, _CREDENTIALS))
        try:
            response = await self._session.request(
                request.method,
                self._url(request, endpoint),
                data=_data(request.body),
                headers=(*_without(request.headers, own), *own) if own else request.headers,
                allow_redirects=False,
                timeout=self._limits[request.provider],
            )
        except _NEVER_SENT as error:
            msg = f"provider '{request.provider}' cannot be reached: {_why(error)}"
            raise UpstreamError(msg, status=502, sent=False) from error
        except TimeoutError as error:
            msg = f"provider '{request.provider}' sent no answer within {_limit(endpoint):g} s"
            raise UpstreamError(msg, status=504) from error
        except aiohttp.ClientError as error:
            msg = f"provider '{request.provider}' hung up before answering"
            raise UpstreamError(msg, status=502) from error
        return HttpExchange(request.provider, response, endpoint.timeouts)

    async def close(self) -> None:
        """Close all pools."""
        await self._session.close()

    def _url(self, request: UpstreamRequest, endpoint: Endpoint) -> URL:
        key = (request.provider, request.path)
        if (url := self._urls.get(key)) is None:
            url = URL(endpoint.base_url.rstrip("/") + request.path, encoded=True)
            if len(self._urls) < 1024:  # paths come from clients: remember the usual ones only
                self._urls[key] = url
        return url


class HttpExchange:
    """One answer in the air. Implements `ports.Exchange`."""

    def __init__(self, provider: str, response: aiohttp.ClientResponse, timeouts: Timeouts) -> None:
        self._provider = provider
        self._response = response
        self._timeouts = timeouts
        self.status = response.status
        coding = response.headers.get("Content-Encoding", "").lower()
        self._inflate = zlib.decompressobj(wbits=47) if coding in ("gzip", "deflate") else None
        self._inflating = False  # an answer without a body may say gzip too
        self.headers: Headers = tuple(
            [
                (name, value.decode("latin-1"))
                for raw_name, value in response.raw_headers
                if (name := _end_to_end(raw_name))
                and not (self._inflate and name in ("content-encoding", "content-length"))
            ]
        )
        if response.connection is not None and response.connection.protocol is not None:
            response.connection.protocol.read_timeout = timeouts.idle_s

    async def chunks(self) -> AsyncIterator[bytes]:
        """Pieces of the body as they arrive. Raises UpstreamError when it breaks or idles."""
        try:
            content = self._response.content
            while chunk := await content.readany():
                if self._inflate is None:
                    yield chunk
                    continue
                while chunk:
                    yield self._inflate.decompress(chunk, _INFLATED_BYTES)
                    chunk = self._inflate.unconsumed_tail
                self._inflating = True
            if self._inflating and self._inflate is not None:
                if rest := self._inflate.flush():
                    yield rest
                if not self._inflate.eof:
                    raise zlib.error("the compressed answer has no end")  # noqa: TRY301 (one way out)
        except TimeoutError as error:
            msg = (
                f"provider '{self._provider}' was silent for {self._timeouts.idle_s:g} s, or not "
                f"done within {self._timeouts.total_s:g} s"
            )
            raise UpstreamError(msg, status=504) from error
        except (aiohttp.ClientError, zlib.error) as error:
            msg = f"provider '{self._provider}' broke off in the middle of its answer"
            raise UpstreamError(msg, status=502) from error

    def release(self) -> None:
        """The body was read to its end: give the connection back to the pool."""
        self._response.release()

    def abort(self) -> None:
        """Close the connection now."""
        self._response.close()


@lru_cache(maxsize=1024)
def _end_to_end(raw_name: bytes) -> str:
    """A header's name in lower case when it is for the client too, else nothing."""
    name = raw_name.decode("latin-1").lower()
    return "" if name in _HOP_BY_HOP else name


def _data(body: bytes) -> bytes | io.BytesIO | None:
    """A large body as a file, which is written piece by piece: the library warns of large bytes."""
    return io.BytesIO(body) if len(body) > _LARGE_BODY_BYTES else body or None


def _without(headers: Headers, own: Headers) -> list[tuple[str, str]]:
    names = {name for name, _ in own}
    return [pair for pair in headers if pair[0] not in names]


def _limit(endpoint: Endpoint) -> float:
    return min(endpoint.timeouts.first_byte_s, endpoint.timeouts.total_s)


def _why(error: Exception) -> str:
    """The system's reason, without addresses that the configuration may hide."""
    os_error = getattr(error, "os_error", None)
    number = getattr(os_error, "errno", None) or 0
    if number > 0:
        return os.strerror(number)  # the event loop puts the address into the error's own words
    return getattr(os_error, "strerror", None) or type(error).__name__
