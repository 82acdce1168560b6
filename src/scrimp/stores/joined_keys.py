"""Keys of the settings beside those of the control store: two places, one answer.

What the settings list is fixed while the gateway runs, and found first.
"""

from __future__ import annotations

from collections.abc import Iterable

from scrimp.identity import KeyStore, VirtualKey


class JoinedKeys:
    """Implements `KeyStore`. A name is a tenant: one that the settings use is nobody else's."""

    def __init__(self, listed: KeyStore, names: Iterable[str], stored: KeyStore) -> None:
        self._listed = listed
        self._names = frozenset(names)
        self._stored = stored

    async def find(self, sha256: str) -> VirtualKey | None:
        """The key with this digest; none of the store's that has the name of a listed one."""
        if self._names and (key := await self._listed.find(sha256)) is not None:
            return key
        found = await self._stored.find(sha256)
        return None if found is not None and found.name in self._names else found

    async def any(self) -> bool:
        """True when there is one in either place."""
        return bool(self._names) or await self._stored.any()

    async def close(self) -> None:
        """Close both."""
        await self._listed.close()
        await self._stored.close()
