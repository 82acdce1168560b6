"""What the hammer spends: 69 scopes over five levels, ten windows per call, the truth in a file.

The provider's truth is one line per attempt, appended when it is dispatched, with what it will be
billed; the file is the system's, so that a worker's death takes nothing of it.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from scrimp.limits import Limit, Scope, ScopeKind, Window

ORGS, TEAMS, USERS, KEYS, TAGS = 3, 6, 20, 30, 10
LEASE_S = 3.0
SMALLEST_NANOUSD, LARGEST_NANOUSD = 2_000_000, 20_000_000
MEAN_BILL_NANOUSD = 7_000_000

_WINDOWS: dict[ScopeKind, tuple[Window, Window]] = {
    "org": (Window("day"), Window("month")),
    "team": (Window("week"), Window("lifetime")),
    "user": (Window("day", zone="America/New_York"), Window("month", zone="Asia/Kolkata")),
    "key": (Window("rolling", 86_400), Window("month")),
    "tag": (Window("lifetime"), Window("rolling", 7 * 86_400)),
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One dispatched attempt, as the provider bills it."""

    key: int
    tag: int
    bill_nanousd: int


def scopes_of(key: int, tag: int) -> tuple[Scope, ...]:
    """Whose budgets a call of this key with this tag meets: one scope of each level."""
    user = key % USERS
    team = user % TEAMS
    names: tuple[tuple[ScopeKind, int], ...] = (
        ("org", team % ORGS),
        ("team", team),
        ("user", user),
        ("key", key),
        ("tag", tag),
    )
    return tuple(Scope(kind, f"{kind}{number}") for kind, number in names)


class Plan:
    """The limits of every scope, for about so many calls in all."""

    def __init__(self, calls: int) -> None:
        total = calls * MEAN_BILL_NANOUSD
        amounts: dict[ScopeKind, int] = {
            "org": total // ORGS,
            "team": total * 21 // (20 * TEAMS),
            "user": total * 23 // (20 * USERS),
            "key": total * 26 // (20 * KEYS),
            "tag": total * 26 // (20 * TAGS),
        }
        self._limits = {
            Scope(kind, f"{kind}{number}"): tuple(
                Limit(f"{kind}{number}", Scope(kind, f"{kind}{number}"), "usd", amount, window)
                for window in _WINDOWS[kind]
            )
            for kind, count in _COUNTS.items()
            for number in range(count)
            for amount in (amounts[kind],)
        }
        self._of_call = {
            (key, tag): tuple(
                limit for scope in scopes_of(key, tag) for limit in self._limits[scope]
            )
            for key in range(KEYS)
            for tag in range(TAGS)
        }

    def of_call(self, key: int, tag: int) -> tuple[Limit, ...]:
        """The ten limits of a call."""
        return self._of_call[key, tag]

    def all(self) -> tuple[Limit, ...]:
        """Every limit there is."""
        return tuple(limit for limits in self._limits.values() for limit in limits)


_COUNTS: dict[ScopeKind, int] = {
    "org": ORGS,
    "team": TEAMS,
    "user": USERS,
    "key": KEYS,
    "tag": TAGS,
}


def bill_of(worst_nanousd: int, dice: random.Random) -> int:
    """What the provider bills of a worst case: something between a third and all of it."""
    return worst_nanousd * dice.randint(333, 1000) // 1000


class Provider:
    """Takes attempts in: what is in its file is billed."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def dispatch(self, attempt: Attempt) -> None:
        """Bill it, from this moment on."""
        os.write(self._descriptor, msgspec.json.encode(attempt) + b"\n")

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)


def attempts_in(path: Path) -> Iterator[Attempt]:
    """All that were dispatched."""
    decode = msgspec.json.Decoder(Attempt).decode
    for line in path.read_bytes().splitlines():
        yield decode(line)


def truth(path: Path) -> tuple[int, dict[Scope, int]]:
    """How many attempts were dispatched, and what each scope was billed."""
    billed: Counter[Scope] = Counter()
    attempts = 0
    for attempt in attempts_in(path):
        attempts += 1
        for scope in scopes_of(attempt.key, attempt.tag):
            billed[scope] += attempt.bill_nanousd
    return attempts, dict(billed)
