"""A call hears that its client has left."""

from __future__ import annotations

import asyncio

import pytest

from scrimp.gateway.leaving import Leaving


async def test_a_lost_connection_cancels_the_call() -> None:
    """At once, wherever it waits."""
    leaving = Leaving()
    waits = asyncio.Event()

    async def call() -> None:
        leaving.task = asyncio.current_task()
        waits.set()
        await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(call())
        await waits.wait()
        leaving.happened()
    assert task.cancelled()
    assert leaving.gone


async def test_a_call_that_is_over_is_left_alone() -> None:
    """The connection of an answered request may close."""
    leaving = Leaving()
    leaving.task = asyncio.current_task()
    leaving.task = None
    leaving.happened()
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:  # pragma: no cover - what must not happen
        pytest.fail("cancelled")
