"""The ledger in one SQLite file: append-only calls and their hourly sums, committed in groups.

`append` puts an entry on a queue; one thread serialises and commits. Acknowledged means committed:
a group gathers for 20 ms after its first entry and is then written in one transaction, so that at
most 50 ms of calls are unacknowledged while the store is well. What a killed process loses is at
most that window; with `synchronous = "NORMAL"` a loss of power may also take what the operating
system had not written yet, with "FULL" it may not.

The writer needs the interpreter some thirty times per group. Beside a thread that never idles,
CPython's switch interval of 5 ms makes each time cost that much, and the window grows to a second;
a server that runs at full load sets it to 1 ms (`sys.setswitchinterval`), which keeps the window.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from msgspec.structs import replace

from scrimp.errors import StoreError
from scrimp.ports import Entry, LedgerHealth
from scrimp.stores.sqlite_ledger_read import LedgerReader
from scrimp.stores.sqlite_ledger_writer import LedgerOptions, Writer

__all__ = ["LedgerOptions", "SqliteLedger"]

_log = logging.getLogger("scrimp.ledger")


class SqliteLedger:
    """`ports.Ledger` over a file. Make it with `open`; one per process and file."""

    def __init__(self, path: Path, writer: Writer, thread: threading.Thread) -> None:
        self._path = path
        self._writer = writer
        self._thread = thread
        self._put = writer.queue.put
        self._closed = False

    @classmethod
    def open(
        cls,
        path: Path,
        options: LedgerOptions | None = None,
        *,
        tell: Callable[[str], None] = _log.warning,
    ) -> SqliteLedger:
        """Open or make the file (0600) and start its writer.

        `tell` gets one line for each turn of fortune, from the writer's thread. Raises StoreError
        when the file is not a ledger that this Scrimp can write. A file that is locked, full or
        unwritable is not an error: entries are kept aside and `health` says so.
        """
        writer = Writer(path, options or LedgerOptions(), tell)
        writer.open()
        thread = threading.Thread(target=writer.run, name="scrimp-ledger", daemon=True)
        thread.start()
        return cls(path, writer, thread)

    def append(self, entry: Entry) -> None:
        """Hand an entry over; never raises, never blocks on the disk."""
        if self._closed:
            self._writer.refuse(entry, "the ledger is closed")
            return
        self._put(entry)

    async def flush(self) -> None:
        """Wait until all is committed or set aside. Raises StoreError when neither can be done."""
        if not self._thread.is_alive():
            raise StoreError("the ledger is closed or its writer has ended; nothing can be flushed")
        flushed: Future[None] = Future()
        self._put(flushed)
        self._writer.hurry.set()
        await asyncio.wrap_future(flushed)

    async def find(self, call_id: str) -> Entry | None:
        """One entry, one that was appended a moment ago too. Raises StoreError."""
        if self._thread.is_alive():
            await self.flush()
        return await asyncio.to_thread(self._find, call_id)

    def _find(self, call_id: str) -> Entry | None:
        return LedgerReader(self._path).find(call_id)

    @property
    def ok(self) -> bool:
        """True while entries are committed as they come."""
        return self._writer.ok and self._thread.is_alive()

    def health(self) -> LedgerHealth:
        """What is true now."""
        health = self._writer.health()
        if self._thread.is_alive():
            return health
        ended = "the ledger is closed" if self._closed else "the writer has ended; see the log"
        return replace(health, ok=False, last_error=health.last_error or ended)

    async def close(self) -> None:
        """Commit or set aside what is pending and let go of the file. May be called twice."""
        if not self._closed:
            self._closed = True
            self._put(None)
            self._writer.hurry.set()
        await asyncio.to_thread(self._thread.join)
