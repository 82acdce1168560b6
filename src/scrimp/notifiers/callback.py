"""Alerts to a function of the program that Scrimp runs in.

A plain function runs in a thread and may take its time; a coroutine function runs on the engine's
own event loop and must not block it.
"""

from __future__ import annotations

import asyncio
import inspect

from scrimp.notices import Alert, OnAlert, Sent


class Callback:
    """Implements `notices.Notifier`."""

    name = "callback"

    def __init__(self, told: OnAlert) -> None:
        self._told = told

    async def send(self, alert: Alert) -> Sent:
        """Call it. What it raises is raised, and counts as not delivered."""
        if inspect.iscoroutinefunction(self._told):
            await self._told(alert)
            return Sent(ok=True)
        answer = await asyncio.to_thread(self._told, alert)
        if inspect.isawaitable(answer):
            await answer
        return Sent(ok=True)
