"""Puts streamed deltas together into what a reply without streaming would have held.

Strings are appended, lists grow (entries with an `index` are merged into the entry of the same
index), objects are merged. Names and ids are never appended: providers differ in whether they
repeat them in every chunk. What is merged belongs to the result: deltas are used up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WHOLE = frozenset({"id", "type", "role", "name", "index", "format", "object"})


def merge_delta(into: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """Add one delta to what was gathered so far."""
    for key, value in delta.items():
        known = into.get(key)
        if value is None:
            into.setdefault(key, None)
        elif key in _WHOLE:
            into[key] = value if value != "" or known is None else known
        elif isinstance(value, str) and isinstance(known, str):
            into[key] = known + value
        elif isinstance(value, dict):
            if not isinstance(known, dict):
                known = into[key] = {}
            merge_delta(known, value)
        elif isinstance(value, list):
            if not isinstance(known, list):
                known = into[key] = []
            _merge_list(known, value)
        else:
            into[key] = value


def _merge_list(into: list[Any], added: list[Any]) -> None:
    for entry in added:
        known = _same_index(into, entry)
        if known is None:
            into.append(entry)
        else:
            merge_delta(known, entry)


def _same_index(entries: list[Any], entry: object) -> dict[str, Any] | None:
    if not isinstance(entry, dict) or entry.get("index") is None:
        return None
    for known in reversed(entries):
        if isinstance(known, dict) and known.get("index") == entry["index"]:
            return known
    return None
