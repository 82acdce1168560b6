"""Usage that a stream tells more than once: cumulative, so the last word on each field counts.

Nothing is ever added up. A later null says nothing; a breakdown is taken over field by field.
"""

from __future__ import annotations

from typing import Any


def take_over(known: dict[str, Any], told: object) -> None:
    """Take over every field of a later usage that is not null."""
    if not isinstance(told, dict):
        return
    for name, value in told.items():
        if value is None:
            continue
        before = known.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            known[name] = before | {part: one for part, one in value.items() if one is not None}
        else:
            known[name] = value
