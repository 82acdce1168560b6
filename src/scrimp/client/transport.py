"""An SDK's own HTTP transport, which asks the engine instead of the network.

One class per face, for `httpx` and `httpx2` alike: both call `handle_request` (or its awaited twin)
and take a response whose stream is of the library's own base class. What was said to the library
about time still holds: its read timeout bounds the wait for the head and between two pieces.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Generic, NoReturn, TypeVar

from scrimp.client.engine import ClosedError, Engine, Job, Running
from scrimp.client.mailbox import (
    Failure,
    Head,
    Item,
    LoopMailbox,
    Mailbox,
    ThreadMailbox,
    TooLateError,
)
from scrimp.client.purses import Pocket, purses_here
from scrimp.client.wrapping import Home, Homes
from scrimp.errors import UpstreamError

T = TypeVar("T")
Pairs = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Parcel:
    """One request of a wrapped client. `path` is the gateway's, with its query."""

    home: Home
    method: str
    path: str
    raw: Pairs = field(repr=False)
    body: bytes = field(repr=False)
    purses: tuple[Pocket, ...] = ()


Serve = Callable[[Parcel, Mailbox, T], Coroutine[Any, Any, None]]
"""Serves a parcel on the engine's loop; the answer goes to the mailbox."""


@dataclass(frozen=True, slots=True)
class Under(Generic[T]):
    """What both faces of a transport stand on. `elsewhere` is the client's own HTTP client."""

    engine: Engine[T]
    serve: Serve[T]
    homes: Homes
    library: Any
    elsewhere: Any
    labels: Pairs

    def parcel(self, request: Any, body: bytes) -> Parcel | None:
        """The request as the engine takes it; None for an address that is no provider's API."""
        url = request.url
        origin = f"{url.scheme}://{url.netloc.decode('ascii')}"
        address = origin + url.raw_path.decode("ascii")
        home = self.homes.of(address)
        if home is None:
            return None
        raw = [(name.lower(), value) for name, value in request.headers.raw]
        if self.labels:
            raw = [*self.labels, *raw]  # later ones win
        path = f"/v1{address[len(home.base_url) :]}"
        return Parcel(home, request.method, path, raw, body, purses_here())

    def work(self, parcel: Parcel, mailbox: Mailbox) -> Job[T]:
        """The job that serves it."""
        return Job(partial(self.serve, parcel, mailbox), mailbox)

    def head(self, item: Item, request: Any) -> Head:
        """The head of the answer. Raises what the library itself would raise."""
        if not isinstance(item, Head):
            self.fail(item.error if isinstance(item, Failure) else _odd(item), request)
        return item

    def response(self, head: Head, request: Any, stream: Any = None) -> Any:
        """The answer in the library's own words; it reads even a whole body as a stream."""
        headers = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in head.headers
        ]
        if head.body is not None:
            stream = self.library.ByteStream(head.body)
            headers.append((b"content-length", b"%d" % len(head.body)))
        extensions = {} if head.refused is None else {"scrimp": head.refused}
        return self.library.Response(
            head.status, headers=headers, stream=stream, request=request, extensions=extensions
        )

    def fail(self, error: BaseException, request: Any) -> NoReturn:
        """Raise what the library itself would raise."""
        library = self.library
        text = str(error)
        match error:
            case TooLateError():
                raise library.ReadTimeout("no answer in time", request=request) from None
            case UpstreamError(status=504):
                raise library.ReadTimeout(text, request=request) from error
            case UpstreamError(sent=False):
                raise library.ConnectError(text, request=request) from error
            case UpstreamError():
                raise library.RemoteProtocolError(text, request=request) from error
            case ClosedError():
                raise library.ReadError(text, request=request) from error
            case _:
                raise error


def _odd(item: Item) -> Exception:
    """What cannot be: an answer that is no answer to a request."""
    return TypeError(f"an answer to a request, not {type(item).__name__}")


def _read_timeout_s(request: Any) -> float | None:
    """What the client said of the time between two bytes; None is for ever."""
    timeouts = request.extensions.get("timeout") or {}
    seconds: float | None = timeouts.get("read")
    return seconds


class _Stream(Generic[T]):
    """A body in pieces; who lets go of it before its end leaves the call."""

    def __init__(self, under: Under[T], running: Running[T], job: Job[T], request: Any) -> None:
        self._under = under
        self._running = running
        self._job: Job[T] | None = job
        self._request = request
        self._timeout_s = _read_timeout_s(request)

    def _piece(self, item: Item) -> bytes | None:
        """The next piece, or None at the end."""
        if isinstance(item, bytes):
            return item
        self._job = None
        if item is not None:
            self._under.fail(item.error if isinstance(item, Failure) else _odd(item), self._request)
        return None

    def _check(self) -> None:
        if self._running.inherited:
            self._job = None
            self._under.fail(
                ClosedError("this stream was begun before a fork, in the parent process"),
                self._request,
            )

    def _let_go(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            self._running.leave(job)

    def __del__(self) -> None:
        self._let_go()


class SyncStream(_Stream[T]):
    """For a thread that blocks."""

    def __init__(
        self,
        under: Under[T],
        running: Running[T],
        job: Job[T],
        request: Any,
        mailbox: ThreadMailbox,
    ) -> None:
        super().__init__(under, running, job, request)
        self._mailbox = mailbox

    def __iter__(self) -> Iterator[bytes]:
        """Pieces as they come."""
        while self._job is not None:
            self._check()
            try:
                piece = self._piece(self._mailbox.get(self._timeout_s))
            except TooLateError as error:
                self._let_go()
                self._under.fail(error, self._request)
            if piece is None:
                return
            yield piece

    def close(self) -> None:
        """Leave, if the end is not here yet."""
        self._let_go()


class AsyncStream(_Stream[T]):
    """For a task on an event loop."""

    def __init__(
        self, under: Under[T], running: Running[T], job: Job[T], request: Any, mailbox: LoopMailbox
    ) -> None:
        super().__init__(under, running, job, request)
        self._mailbox = mailbox

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Pieces as they come."""
        while self._job is not None:
            self._check()
            try:
                piece = self._piece(await self._mailbox.get(self._timeout_s))
            except TooLateError as error:
                self._let_go()
                self._under.fail(error, self._request)
            if piece is None:
                return
            yield piece

    async def aclose(self) -> None:
        """Leave, if the end is not here yet."""
        self._let_go()


@cache
def _streams(library: Any) -> tuple[type[SyncStream[Any]], type[AsyncStream[Any]]]:
    """Both faces as the library's own kinds of stream, which it insists on."""
    return (
        type("ScrimpStream", (SyncStream, library.SyncByteStream), {}),
        type("ScrimpAsyncStream", (AsyncStream, library.AsyncByteStream), {}),
    )


class SyncTransport(Generic[T]):
    """Under a client that blocks."""

    def __init__(self, under: Under[T]) -> None:
        self._under = under
        self._stream = _streams(under.library)[0]

    def __enter__(self) -> SyncTransport[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def handle_request(self, request: Any) -> Any:
        """One HTTP request."""
        under = self._under
        parcel = under.parcel(request, request.read())
        if parcel is None:
            return under.elsewhere.send(request, stream=True, auth=None, follow_redirects=False)
        running = under.engine.running()
        mailbox = ThreadMailbox(running.loop)
        job = under.work(parcel, mailbox)
        try:
            running.submit(job)
            item = mailbox.get(_read_timeout_s(request))
        except TooLateError as error:
            running.leave(job)
            under.fail(error, request)
        except BaseException:
            running.leave(job)
            raise
        head = under.head(item, request)
        stream = None
        if head.body is None:
            stream = self._stream(under, running, job, request, mailbox)
        return under.response(head, request, stream)

    def close(self) -> None:
        """The engine is not the client's to close."""


class AsyncTransport(Generic[T]):
    """Under a client that is awaited."""

    def __init__(self, under: Under[T]) -> None:
        self._under = under
        self._stream = _streams(under.library)[1]

    async def __aenter__(self) -> AsyncTransport[T]:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def handle_async_request(self, request: Any) -> Any:
        """One HTTP request."""
        under = self._under
        parcel = under.parcel(request, await request.aread())
        if parcel is None:
            return await under.elsewhere.send(
                request, stream=True, auth=None, follow_redirects=False
            )
        running = await under.engine.arunning()
        mailbox = LoopMailbox(running.loop)
        job = under.work(parcel, mailbox)
        try:
            running.submit(job)
            item = await mailbox.get(_read_timeout_s(request))
        except TooLateError as error:
            running.leave(job)
            under.fail(error, request)
        except BaseException:
            running.leave(job)
            raise
        head = under.head(item, request)
        stream = None
        if head.body is None:
            stream = self._stream(under, running, job, request, mailbox)
        return under.response(head, request, stream)

    async def aclose(self) -> None:
        """The engine is not the client's to close."""
