"""What the parent of workers decides without any process: pauses, words, messages."""

from __future__ import annotations

import asyncio
import signal

import msgspec
import pytest

from scrimp.gateway.workers import Plan, Workers, _later
from scrimp.gateway.workers_process import _in_words
from scrimp.gateway.workers_wire import (
    Begin,
    Counted,
    FromWorker,
    Ready,
    Stop,
    ToWorker,
    hear_parent,
    hear_worker,
    tell,
)
from scrimp.settings import Loaded, ServerSettings, parse

SECRET = "sk-very-secret"


def settings(toml: str = "") -> Loaded:
    """Settings with a provider's key."""
    return Loaded(parse(toml.encode(), source="test"), "scrimp.toml", {"openai": SECRET})


class Pipe(asyncio.Transport):
    """A transport into a reader."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        super().__init__()
        self._reader = reader
        self._closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """In pieces of any size, as a socket may give them."""
        for one in bytes(data):
            self._reader.feed_data(bytes([one]))

    def close(self) -> None:
        """Remember."""
        self._closed = True

    def is_closing(self) -> bool:
        """True once closed."""
        return self._closed


def ends() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Both ends of a link in one direction."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    return reader, asyncio.StreamWriter(Pipe(reader), protocol, reader, loop)


async def test_messages_arrive_as_they_were_told() -> None:
    """Settings with their secrets too, which no repr and no command line shows."""
    reader, writer = ends()
    loaded = settings('[server]\nport = 1\n[aliases]\na = "b"\n')
    to_worker: list[ToWorker] = [Begin(loaded), Stop(0.5)]
    for message in to_worker:
        tell(writer, message)
    assert [await hear_parent(reader) for _ in to_worker] == to_worker
    assert SECRET not in repr(to_worker)
    writer.close()
    reader, writer = ends()
    from_worker: list[FromWorker] = [Ready(), Counted({"scrimp_calls_total": 2**60})]
    for one in from_worker:
        tell(writer, one)
    assert [await hear_worker(reader) for _ in from_worker] == from_worker
    writer.close()


async def test_a_link_that_breaks_is_an_end_and_no_error() -> None:
    """Between messages, or in the middle of one."""
    for rest in (b"", b"\x00\x00\x01\x00half"):
        reader = asyncio.StreamReader()
        reader.feed_data(rest)
        reader.feed_eof()
        assert await hear_worker(reader) is None


async def test_another_versions_message_is_not_taken_for_one_of_ours() -> None:
    """It raises, where guessing would obey half of it."""
    reader = asyncio.StreamReader()
    data = msgspec.msgpack.encode({"type": "Explode"})
    reader.feed_data(len(data).to_bytes(4) + data)
    with pytest.raises(msgspec.ValidationError):
        await hear_parent(reader)


async def test_a_worker_that_goes_on_dying_is_started_after_longer_pauses() -> None:
    """The first time at once; each worker has pauses of its own."""
    plan = Plan((), [], settings, lambda _: None)
    workers = Workers(plan, settings())
    workers._deaths = [[], []]
    pauses = [workers._pause_s(0) for _ in range(9)]
    assert pauses == [0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 30.0, 30.0]
    assert workers._pause_s(1) == 0.0


def test_how_a_process_ended_is_said_in_words() -> None:
    """The signal by its name."""
    assert _in_words(-signal.SIGKILL) == "was ended by SIGKILL"
    assert _in_words(-99) == "was ended by signal 99"
    assert _in_words(2) == "ended with exit code 2"


def test_settings_that_need_a_new_start_are_named() -> None:
    """What the parent itself holds: address and number of workers."""
    first = ServerSettings()
    assert _later(first, ServerSettings(drain_s=1.0)) == ""
    told = _later(first, ServerSettings(port=1, workers=3))
    assert told == " From the next start on: server.port, server.workers."
