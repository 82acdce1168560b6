"""What a call may cost that Scrimp passes on unread. Pure.

Nothing is assumed to be free that is not known to be: a path that is spelled in any other way is
an unknown one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scrimp.errors import InvalidRequest

_FREE_METHODS = ("GET", "HEAD", "DELETE")
_FREE = (
    *("/v1/files", "/v1/uploads", "/v1/uploads/*/parts", "/v1/uploads/*/complete"),
    *("/v1/uploads/*/cancel", "/v1/batches/*/cancel", "/v1/messages/batches/*/cancel"),
    *("/v1/responses/*/cancel", "/v1/responses/input_tokens", "/v1/fine_tuning/jobs/*/cancel"),
)
"""Keeping files and cancelling work is free at OpenAI and Anthropic (pricing pages, 2026-11)."""
_BATCHES = ("/v1/batches", "/v1/messages/batches")


def is_batch(method: str, path: str) -> bool:
    """True for a call that starts a batch: it is billed later, by what stands in a file."""
    return method == "POST" and path.partition("?")[0] in _BATCHES


def unread_nanousd(method: str, path: str, paths: Mapping[str, int]) -> int | None:
    """The most that it may cost; None when nobody knows. `paths` is what the settings state."""
    if method in _FREE_METHODS:
        return 0
    parts = path.partition("?")[0].split("/")
    for pattern, nanousd in paths.items():
        if _matches(pattern.split("/"), parts):
            return nanousd
    free = method == "POST" and any(_matches(one.split("/"), parts) for one in _FREE)
    return 0 if free else None


def unknown(method: str, path: str, budget: str) -> InvalidRequest:
    """The refusal of what has no known worst case."""
    bare = path.partition("?")[0][:80]
    if is_batch(method, path):
        return InvalidRequest(
            f"a batch is billed later than Scrimp can see, and budget '{budget}' is hard "
            '(let batches pass uncounted: [budget] batches = "allow")'
        )
    return InvalidRequest(
        f"{method} {bare} is passed on unread, so nobody knows what it may cost, and budget "
        f"'{budget}' is hard (state the most that one call costs: "
        f'[budget.paths] "{bare}" = "0.20")'
    )


def _matches(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    """`*` stands for one part of the path."""
    return len(pattern) == len(parts) and all(
        one in ("*", part) for one, part in zip(pattern, parts, strict=True)
    )
