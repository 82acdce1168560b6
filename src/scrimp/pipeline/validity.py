"""Whether the key of a call that waited still holds: nothing is sent for one that was revoked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from scrimp.jobs import Job, Outcome


class Validity:
    """`holds` says of a key by its name; calls of no key are this machine's own."""

    def __init__(self, holds: Callable[[str], Awaitable[bool]]) -> None:
        self._holds = holds

    async def ends(self, jobs: Iterable[Job]) -> list[tuple[str, Outcome]]:
        """How the jobs end whose keys hold no more. Raises StoreError: then nothing is sent."""
        by_key: dict[str, list[str]] = {}
        for job in jobs:
            by_key.setdefault(job.key, []).append(job.id)
        return [
            (job_id, Outcome("failed", 401, why="revoked", error=_said(key)))
            for key, job_ids in by_key.items()
            if key and not await self._holds(key)
            for job_id in job_ids
        ]


def _said(key: str) -> str:
    return f"key '{key}' was revoked, or came to its end, before the call was sent"
