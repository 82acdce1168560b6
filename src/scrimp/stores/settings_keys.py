"""Virtual keys as `scrimp.toml` lists them: fixed while the gateway runs."""

from __future__ import annotations

from collections.abc import Iterable

from scrimp.identity import VirtualKey


class SettingsKeys:
    """Implements `ports.KeyStore`."""

    def __init__(self, keys: Iterable[VirtualKey]) -> None:
        self._keys = {key.sha256: key for key in keys}

    async def find(self, sha256: str) -> VirtualKey | None:
        """The key with this digest, or None."""
        return self._keys.get(sha256)

    async def any(self) -> bool:
        """True when at least one key is listed."""
        return bool(self._keys)

    async def close(self) -> None:
        """Nothing is held open."""
