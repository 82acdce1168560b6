"""The table [prefix_cache] of scrimp.toml. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec


class PrefixCacheSection(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What the provider's own prefix cache is told. `providers` know the fields that tell it.

    With `hour` a prefix that comes back too late for five minutes may be written for an hour.
    `retention` lets older models of OpenAI's keep prompts for a day, which is on their disks.
    `sort_tools` sends tools by name, so that another order of the same ones breaks no prefix.
    """

    enabled: bool = False
    providers: tuple[str, ...] = ("anthropic", "openai", "mistral")
    hour: bool = True
    retention: Literal["", "24h"] = ""
    sort_tools: bool = False


PREFIX_TABLES = (PrefixCacheSection,)
