"""Mailboxes: in order, bounded, woken, never stuck."""

from __future__ import annotations

import asyncio
import threading

import pytest

from scrimp.client.mailbox import (
    MOST_WAITING_BYTES,
    Head,
    Item,
    LoopMailbox,
    Mailbox,
    ThreadMailbox,
    TooLateError,
)

HEAD = Head(200, (), None)
ITEMS: tuple[Item, ...] = (HEAD, b"one", b"two", None)


async def fill(mailbox: Mailbox) -> None:
    """What a stream puts."""
    for item in ITEMS:
        if isinstance(item, bytes):
            await mailbox.put_piece(item)
        else:
            mailbox.put(item)


async def test_a_thread_gets_what_was_put_in_order() -> None:
    """From the engine's loop to a thread that blocks."""
    mailbox = ThreadMailbox(asyncio.get_running_loop())
    reading = asyncio.to_thread(lambda: [mailbox.get(5) for _ in ITEMS])
    async with asyncio.TaskGroup() as group:
        read = group.create_task(reading)
        await fill(mailbox)
    assert read.result() == list(ITEMS)


async def test_a_task_gets_what_was_put_in_order() -> None:
    """The same on a loop; what is there already is taken without waiting."""
    mailbox = LoopMailbox(asyncio.get_running_loop())
    await fill(mailbox)
    assert [await mailbox.get(5) for _ in ITEMS] == list(ITEMS)
    async with asyncio.TaskGroup() as group:
        read = group.create_task(mailbox.get(5))
        await asyncio.sleep(0)
        mailbox.put(HEAD)
    assert read.result() is HEAD


async def test_two_loops_meet_in_a_mailbox() -> None:
    """The producer's loop wakes the consumer's."""
    engine = asyncio.get_running_loop()
    made: list[LoopMailbox] = []
    ready = threading.Event()

    async def read() -> list[Item]:
        made.append(LoopMailbox(engine))
        ready.set()
        return [await made[0].get(5) for _ in ITEMS]

    async with asyncio.TaskGroup() as group:
        reading = group.create_task(asyncio.to_thread(lambda: asyncio.run(read())))
        await asyncio.to_thread(ready.wait, 5)
        await fill(made[0])
    assert reading.result() == list(ITEMS)


async def test_nothing_in_time_is_too_late() -> None:
    """On either side; a later item is still there."""
    loop = asyncio.get_running_loop()
    thread, task = ThreadMailbox(loop), LoopMailbox(loop)
    with pytest.raises(TooLateError):
        thread.get(0.001)
    with pytest.raises(TooLateError):
        await task.get(0.001)
    task.put(HEAD)
    assert await task.get(0.001) is HEAD


@pytest.mark.parametrize("kind", [ThreadMailbox, LoopMailbox])
async def test_too_much_unread_makes_the_producer_wait(
    kind: type[ThreadMailbox | LoopMailbox],
) -> None:
    """Until the reader has taken enough of it."""
    mailbox = kind(asyncio.get_running_loop())
    await mailbox.put_piece(bytes(MOST_WAITING_BYTES))
    async with asyncio.TaskGroup() as group:
        late = group.create_task(mailbox.put_piece(b"one more"))
        await asyncio.sleep(0)
        assert not late.done()
        taken = mailbox.get(1)
        first = taken if isinstance(taken, bytes) else await taken  # type: ignore[misc]  # by kind
        assert first == bytes(MOST_WAITING_BYTES)


async def test_a_consumer_whose_loop_is_gone_is_a_cancellation() -> None:
    """The call ends as if its client had left."""
    engine = asyncio.get_running_loop()

    async def make() -> LoopMailbox:
        return LoopMailbox(engine)

    mailbox = await asyncio.to_thread(lambda: asyncio.run(make()))
    with pytest.raises(asyncio.CancelledError):
        mailbox.put(HEAD)
