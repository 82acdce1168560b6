"""A ledger that shows each entry to somebody on its way: what counts calls need not ask them."""

from __future__ import annotations

from collections.abc import Callable

from scrimp.ports import Entry, Ledger, LedgerHealth


class WatchedLedger:
    """Implements `ports.Ledger` over another. `watch` is quick and never raises."""

    def __init__(self, ledger: Ledger, watch: Callable[[Entry], None]) -> None:
        self._ledger = ledger
        self._append = ledger.append
        self._watch = watch

    def append(self, entry: Entry) -> None:
        """Hand an entry over, then show it."""
        self._append(entry)
        self._watch(entry)

    async def flush(self) -> None:
        """Wait until everything appended so far is kept."""
        await self._ledger.flush()

    async def find(self, call_id: str) -> Entry | None:
        """One entry, or None. Raises StoreError."""
        return await self._ledger.find(call_id)

    @property
    def ok(self) -> bool:
        """True while entries are committed as they come."""
        return self._ledger.ok

    def health(self) -> LedgerHealth:
        """What the ledger says of itself."""
        return self._ledger.health()

    async def close(self) -> None:
        """Commit what is pending and let go of the file."""
        await self._ledger.close()
