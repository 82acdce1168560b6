"""How a case fared: each thing that was looked at, with what was expected and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from scrimp.calls import COUNTERS, Usage

Status = Literal["pass", "fail", "not served"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; both sides as text."""

    what: str
    expected: str
    found: str
    good: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """One case. `not served` cases were refused before they reached the provider; `note` says how.

    `cost_nanousd` are the costs that were expected and told (None where there is none).
    """

    case: str
    provider: str
    shape: str
    where: Literal["gateway", "readers"]
    status: Status
    checks: tuple[Check, ...] = ()
    expected_nanousd: int | None = None
    told_nanousd: int | None = None
    note: str = ""

    @property
    def wrong(self) -> tuple[Check, ...]:
        """What failed."""
        return tuple(check for check in self.checks if not check.good)


def check(what: str, expected: object, found: object) -> Check:
    """Both must be equal."""
    return Check(what, _text(expected), _text(found), good=expected == found)


def status_of(checks: tuple[Check, ...]) -> Status:
    """`pass` only when every check is good."""
    return "pass" if all(one.good for one in checks) else "fail"


def buckets(usage: Usage | None) -> Mapping[str, int] | None:
    """The buckets that are not empty; None when no usage was told."""
    if usage is None:
        return None
    return {name: value for name in COUNTERS if (value := getattr(usage, name))}


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {one}" for key, one in sorted(value.items())) or "nothing"
    return "none" if value is None else str(value)
