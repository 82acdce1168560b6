"""Whether a provider billed a dearer service tier than was asked. Pure.

OpenAI's API reference (`service_tier` in requests and replies), Anthropic's page on service tiers;
checked 2026-11. `auto` and nothing at all ask for the standard tier: a dearer one is then the
choice of the provider, or of the project's settings there.
"""

from __future__ import annotations

_RANKS = {
    "batch": 0,
    "flex": 0,
    "": 1,
    "auto": 1,
    "default": 1,
    "standard": 1,
    "standard_only": 1,
    "priority": 2,
}


def upgraded(asked: object, billed: str) -> bool:
    """True when the tier that was billed is known to be dearer than the one that was asked."""
    found = _RANKS.get(billed)
    wanted = _RANKS.get(asked if isinstance(asked, str) else "")
    return found is not None and wanted is not None and found > wanted
