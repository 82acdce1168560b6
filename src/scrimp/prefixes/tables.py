"""The table [prefix_cache] of scrimp.toml. Pure."""

from __future__ import annotations

import msgspec


class PrefixCacheSection(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Marks for the provider's own prefix cache. `providers` know the fields that mark.

    With `hour` a prefix that comes back too late for five minutes may be written for an hour.
    """

    enabled: bool = False
    providers: tuple[str, ...] = ("anthropic",)
    hour: bool = True


PREFIX_TABLES = (PrefixCacheSection,)
