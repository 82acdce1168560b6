"""The way to a Redis: one connection, commands of one moment in one trip, a pause after failure.

Many calls at once would each take a connection and a trip of their own; here whoever comes while a
trip is under way goes with the next. A server that does not answer costs one time limit, then
nothing for a while: commands are refused at once until one trip of the next ones has come back.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

from scrimp.errors import ConfigError, StoreError

Argument = bytes | str | int
Command = tuple[Argument, ...]
Ticket = tuple[Command, asyncio.Future[Any] | None]

_BATCH = 256
_DEFAULT_PORT = 6379
_WAITING = 10_000  # more than this may not wait for a server
_KNOWN: tuple[tuple[type[BaseException], str], ...] = (
    (OutOfMemoryError, "it is full (maxmemory, and its policy keeps all)"),
    (AuthorizationError, "it does not allow this"),
    (NoPermissionError, "it does not allow this"),
    (AuthenticationError, "it does not take the password of the URL"),
    (BusyLoadingError, "it is loading its data"),
    (ReadOnlyError, "it is a read-only replica"),
    (ResponseError, "it refuses a command"),
    (RedisTimeoutError, "it does not answer in time"),
    (TimeoutError, "it does not answer in time"),
)


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """`timeout_s` bounds each trip, connecting included. Pauses grow while a server stays away."""

    timeout_s: float = 0.25
    pauses_s: tuple[float, ...] = (0.5, 1.0, 2.0)


class RedisLink:
    """Runs commands while `run` runs. `place` names the server in messages: never its password."""

    def __init__(
        self,
        connection: Callable[[], AbstractConnection],
        place: str,
        options: LinkOptions,
        tell: Callable[[str], None],
    ) -> None:
        self._make = connection
        self._place = place
        self._options = options
        self._tell = tell
        self._connection: AbstractConnection | None = None
        self._waiting: deque[Ticket] = deque()
        self._wake = asyncio.Event()
        self._failures = 0
        self._down_until = 0.0
        self._why = ""
        self._travelling = False
        self._closed = False

    async def ask(self, *command: Argument) -> Any:
        """The answer to one command. Raises StoreError, at once while the server is away."""
        self._check()
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, answer))
        self._wake.set()
        return await answer

    async def ask_all(self, commands: Iterable[Command]) -> list[Any]:
        """The answers to many commands, in as few trips as may be. Raises StoreError."""
        self._check()
        loop = asyncio.get_running_loop()
        answers: list[asyncio.Future[Any]] = []
        for command in commands:
            answers.append(loop.create_future())
            self._waiting.append((command, answers[-1]))
        self._wake.set()
        return await asyncio.gather(*answers)

    @property
    def well(self) -> bool:
        """False while the server is away."""
        return not (self._why or self._closed)

    def post(self, *command: Argument) -> None:
        """A command whose answer nobody waits for; lost when the server is away."""
        if not self.well or len(self._waiting) >= _WAITING:
            return
        self._waiting.append((command, None))
        self._wake.set()

    async def run(self) -> None:
        """Carry commands until `close`."""
        try:
            while not (self._closed and not self._waiting):
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    await self._trip()
        finally:
            self._closed = True
            self._refuse(list(self._waiting), f"Redis at {self._place}: the cache is closed")
            self._waiting.clear()
            await self._disconnect(wait_s=self._options.timeout_s)

    def close(self) -> None:
        """Let `run` end after what waits now."""
        self._closed = True
        self._wake.set()

    def _check(self) -> None:
        if self._closed:
            raise StoreError(f"Redis at {self._place}: the cache is closed")
        if self._why and (self._travelling or time.monotonic() < self._down_until):
            raise StoreError(self._why)
        if len(self._waiting) >= _WAITING:
            raise StoreError(f"Redis at {self._place}: {_WAITING:,} commands wait for it already")

    async def _trip(self) -> None:
        """Send what waits, hand out the answers."""
        waiting = self._waiting
        batch = [waiting.popleft() for _ in range(min(_BATCH, len(waiting)))]
        self._travelling = True
        try:
            async with asyncio.timeout(self._options.timeout_s):
                answers = await self._exchange([command for command, _ in batch])
        except (RedisError, OSError) as error:
            await self._disconnect()
            self._fail(error)
            self._refuse([*batch, *waiting], self._why)
            waiting.clear()
        except BaseException:
            self._refuse(batch, f"Redis at {self._place}: the cache is closed")
            raise
        else:
            self._recover()
            self._hand_out(batch, answers)
        finally:
            self._travelling = False

    async def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Answers in the order of the commands; what the server refuses is an exception in it.

        A connection that the server has closed while nobody looked is made anew once.
        """
        fresh = self._connection is None
        while True:
            try:
                connection = self._connection or await self._connect()
                await connection.send_packed_command(
                    connection.pack_commands(commands), check_health=False
                )
                return [await _read(connection) for _ in commands]
            except (RedisError, OSError) as error:
                await self._disconnect()
                if fresh or isinstance(error, TimeoutError | RedisTimeoutError):
                    raise
                fresh = True

    async def _connect(self) -> AbstractConnection:
        connection = self._make()
        self._connection = connection
        await connection.connect()  # type: ignore[no-untyped-call]  # the library's
        return connection

    async def _disconnect(self, *, wait_s: float = 0.0) -> None:
        """Close the connection; a loop that ends next has to wait until the socket has gone."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with suppress(RedisError, OSError):
            async with asyncio.timeout(wait_s or None):
                await connection.disconnect(nowait=not wait_s)

    def _hand_out(self, batch: Sequence[Ticket], answers: Sequence[Any]) -> None:
        for (_, future), answer in zip(batch, answers, strict=True):
            if future is None or future.done():
                continue
            if isinstance(answer, Exception):
                error = StoreError(self._words(answer))
                error.__cause__ = answer
                future.set_exception(error)
            else:
                future.set_result(answer)

    def _refuse(self, tickets: Sequence[Ticket], why: str) -> None:
        for _, future in tickets:
            if future is not None and not future.done():
                future.set_exception(StoreError(why))

    def _fail(self, error: Exception) -> None:
        pauses = self._options.pauses_s
        pause_s = pauses[min(self._failures, len(pauses) - 1)]
        self._failures += 1
        self._down_until = time.monotonic() + pause_s
        first = not self._why
        self._why = self._words(error)
        if first:
            self._tell(f"cache: {self._why}; calls go on without it")

    def _recover(self) -> None:
        if self._why:
            self._tell(f"cache: Redis at {self._place} is in use again")
        self._failures, self._down_until, self._why = 0, 0.0, ""

    def _words(self, error: Exception) -> str:
        """What is wrong, in words of ours: a library's may quote what it was given."""
        words = next((words for kind, words in _KNOWN if isinstance(error, kind)), "")
        return f"Redis at {self._place}: {words or 'it cannot be reached'}"


async def _read(connection: AbstractConnection) -> Any:
    """One answer; a refusal of this one command is a value, so that the next ones can be read."""
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


def connections(url: str) -> tuple[Callable[[], AbstractConnection], str]:
    """What makes connections, and the server's name without any secret. Raises ConfigError."""
    try:
        given = dict(parse_url(url))
        kind: Any = given.pop("connection_class", Connection)
        given |= {"retry": Retry(NoBackoff(), 0), "protocol": 2, "decode_responses": False}

        def make() -> AbstractConnection:
            connection: AbstractConnection = kind(**given)
            return connection

        make()
    except (ValueError, TypeError, AttributeError):
        msg = "the URL of Redis cannot be read (like redis://:PASSWORD@HOST:6379/0)"
        raise ConfigError(msg) from None  # the library's words quote the URL, with its password
    if (path := given.get("path")) is not None:
        return make, str(path)
    return make, f"{given.get('host', 'localhost')}:{given.get('port', _DEFAULT_PORT)}"
