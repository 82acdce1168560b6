"""What can go wrong on purpose: one request by header, or many by a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, cast, get_args

from scrimp.simulator.conversation import Dice

Kind = Literal[
    "429",
    "500",
    "502",
    "503",
    "529",
    "timeout",
    "slow-first-byte",
    "stall",
    "cut",
    "reset",
    "cut-before-headers",
    "no-usage",
    "error-event",
    "usage-in-choices",
]
"""
429 · 500 · 502 · 503 · 529: an error reply; nothing is billed, unless a 5xx has the option `work`
(the answer was produced first, and is billed).
timeout: accept and never answer (the input is billed) · slow-first-byte=ms: wait before headers.
stall=K: after K pieces (default 3; JSON: after half the body) produce nothing more, stay open.
cut=N: close the connection after N bytes of body · reset=N: the same by TCP reset.
cut-before-headers, hangup: close without an answer · no-usage: usage is missing.
error-event=K: an in-stream error after K pieces (default 3; JSON: a 500 after the work).
usage-in-choices: OpenAI only, usage in the last chunk that has choices, and not by itself.
"""

_KINDS: Final = frozenset(get_args(Kind))
_NEED_NUMBER: Final = frozenset({"cut", "reset", "slow-first-byte"})
_DEFAULT_PIECES: Final = 3


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `text` is how it was written, for the bill."""

    kind: Kind
    number: int = 0
    options: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    @property
    def status(self) -> int:
        """The HTTP status of an error reply, 0 for other faults."""
        return int(self.kind) if self.kind.isdigit() else 0

    @property
    def worked(self) -> bool:
        """True when the work was done before the error."""
        return "work" in self.options


def parse(text: str) -> Fault:
    """`kind[=number][:option[=value]]...`, such as `cut=120` or `429:retry-after=2`.

    Raises ValueError.
    """
    head, *rest = text.strip().split(":")
    name, _, number = head.partition("=")
    name = "cut-before-headers" if name == "hangup" else name
    if name not in _KINDS:
        raise ValueError(f"no such fault: {name!r} (one of {', '.join(sorted(_KINDS))})")
    if number and not number.isdigit():
        raise ValueError(f"fault {name} needs a whole number, not {number!r}")
    if not number and name in _NEED_NUMBER:
        raise ValueError(f"fault {name} needs a number, such as {name}=100")
    options = dict(option.partition("=")[::2] for option in rest)
    default = _DEFAULT_PIECES if name in {"stall", "error-event"} else 0
    return Fault(cast("Kind", name), int(number) if number else default, options, text.strip())


@dataclass(frozen=True, slots=True)
class Rule:
    """When a planned fault strikes: the next `count` calls, or every `every`-th, or by chance.

    `probability` is drawn from `seed`, so that a run can be repeated. `path` limits the rule to
    paths that begin so. A rule with none of the three strikes every call.
    """

    fault: Fault
    count: int | None = None
    every: int | None = None
    probability: float | None = None
    seed: int = 0
    path: str = ""


class Plan:
    """The rules in force. The first one that strikes wins."""

    def __init__(self) -> None:
        self._rules: list[tuple[Rule, list[int], Dice]] = []

    def add(self, rule: Rule) -> None:
        """One more rule, after the others."""
        self._rules.append((rule, [0], Dice([f"{rule.seed}"])))

    def clear(self) -> None:
        """No more faults."""
        self._rules.clear()

    def next(self, path: str) -> Fault | None:
        """The fault of the call that begins now, or None."""
        for rule, seen, dice in tuple(self._rules):
            if not path.startswith(rule.path):
                continue
            seen[0] += 1
            if _strikes(rule, seen[0], dice):
                return rule.fault
        return None


def _strikes(rule: Rule, nth: int, dice: Dice) -> bool:
    if rule.count is not None and nth > rule.count:
        return False
    if rule.every is not None and nth % rule.every:
        return False
    return rule.probability is None or dice.below(1_000_000) < rule.probability * 1_000_000
