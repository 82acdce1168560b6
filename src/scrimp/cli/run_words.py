"""What others say, as a terminal may show it."""

from __future__ import annotations

_MOST_SHOWN = 300


def shown(text: str) -> str:
    """The words of others as a terminal may show them: it obeys control characters."""
    words = " ".join(text.split())
    plain = "".join(one if one.isprintable() else "?" for one in words[:_MOST_SHOWN])
    return plain + ("…" if len(words) > _MOST_SHOWN else "")
