"""What can go wrong on purpose: one request by header, or many by a plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, cast, get_args

from scrimp.simulator.clock import Clock
from scrimp.simulator.conversation import Dice

Kind = Literal[
    "429",
    "500",
    "502",
    "503",
    "529",
    "rate-limit",
    "timeout",
    "slow-first-byte",
    "slow-first-token",
    "drip",
    "stall",
    "cut",
    "reset",
    "cut-before-headers",
    "early-end",
    "no-usage",
    "usage-in-choices",
    "error-event",
    "failed",
    "bad-json",
    "bad-event",
    "bad-utf8",
    "no-blank-line",
    "keep-alive",
    "crlf",
    "html-200",
    "error-200",
    "wrong-type",
    "expired",
    "item-errors",
    "vanished",
    "no-room",
]
"""
429 · 500 · 502 · 503 · 529: an error reply; nothing is billed, unless a 5xx has the option `work`
(the answer was produced first, and is billed).
rate-limit=s: a 429 with the vendor's own headers, which say that it is over after s seconds.
timeout: accept and never answer (the input is billed) · slow-first-byte=ms: wait before headers ·
slow-first-token=ms: headers at once, the first piece late · drip=ms: a pause after each event (or
after each N bytes, `drip=5:bytes=N`).
stall=K: after K pieces (default 3; JSON: after half the body) produce nothing more, stay open.
cut=N: close the connection after N bytes of body · reset=N: the same by TCP reset ·
cut-before-headers, hangup: close without an answer · early-end=K: the stream ends after K pieces
as if it were whole, without its last events (JSON: half a body).
no-usage: usage is missing · usage-in-choices: OpenAI chat only, usage in the last chunk that has
choices, and not by itself.
error-event=K: an in-stream error after K pieces (default 3; JSON: a 500 after the work) ·
failed=K: the same, of responses only `response.failed`.
bad-json=K, bad-event=K, bad-utf8=K, no-blank-line=K: the K-th piece (default 3) with JSON that is
cut, under a name that nobody knows, with half a character, without the line that ends it ·
keep-alive=N: N comments before each piece, with pings where the vendor has them · crlf.
html-200: a page · error-200: an error with status 200 · wrong-type: a stream that says it is JSON
(JSON: that it is text; `wrong-type:type=...`).
expired, item-errors=N, vanished: batches only; it runs out of time; every N-th request fails; it is
taken, and from then on nobody knows it (nothing is done or billed).
no-room=N: OpenAI's batches only; one of more than N requests (default 0) fails when it is checked,
for want of tokens in an account's queue; nothing is done or billed.
"""

_KINDS: Final = frozenset(get_args(Kind))
_NEED_NUMBER: Final = frozenset({"cut", "reset", "slow-first-byte", "slow-first-token", "drip"})
_DEFAULTS: Final[Mapping[str, int]] = {
    "stall": 3,
    "error-event": 3,
    "failed": 3,
    "early-end": 3,
    "bad-json": 3,
    "bad-event": 3,
    "bad-utf8": 3,
    "no-blank-line": 3,
    "keep-alive": 1,
    "rate-limit": 1,
    "item-errors": 2,
}


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
        if self.kind == "rate-limit":
            return 429
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
    chosen = int(number) if number else _DEFAULTS.get(name, 0)
    return Fault(cast("Kind", name), chosen, options, text.strip())


@dataclass(frozen=True, slots=True)
class Rule:
    """When a planned fault strikes: the next `count` calls, or every `every`-th, or by chance.

    `probability` is drawn from `seed`, so that a run can be repeated. `path` limits the rule to
    paths that begin so. It begins after `after` such calls, which are not counted, and ends
    `for_s` seconds after it was planned. A rule with none of these strikes every call.
    """

    fault: Fault
    count: int | None = None
    every: int | None = None
    probability: float | None = None
    seed: int = 0
    path: str = ""
    after: int = 0
    for_s: float | None = None


_WHEN: Final[Mapping[str, tuple[str, Callable[[str], object]]]] = {
    "count": ("count", int),
    "every": ("every", int),
    "share": ("probability", float),
    "seed": ("seed", int),
    "path": ("path", str),
    "after": ("after", int),
    "for": ("for_s", float),
}


def scheduled(rule: Rule) -> Rule:
    """The rule with what its fault's own text says of when: `503:after=10:count=5`.

    Words: count, every, share, seed, path, after, for (seconds). Raises ValueError.
    """
    fields: dict[str, Any] = {}
    for name, value in rule.fault.options.items():
        if name in _WHEN:
            field_name, read = _WHEN[name]
            fields[field_name] = read(value)
    return replace(rule, **fields)


class Plan:
    """The rules in force. The first one that strikes wins."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rules: list[tuple[Rule, list[int], Dice, float]] = []

    def add(self, rule: Rule) -> None:
        """One more rule, after the others. Raises ValueError (see `scheduled`)."""
        rule = scheduled(rule)
        until_s = math.inf if rule.for_s is None else self._clock.now_s() + rule.for_s
        self._rules.append((rule, [-rule.after], Dice([f"{rule.seed}"]), until_s))

    def clear(self) -> None:
        """No more faults."""
        self._rules.clear()

    def next(self, path: str) -> Fault | None:
        """The fault of the call that begins now, or None."""
        now_s = self._clock.now_s()
        for rule, seen, dice, until_s in tuple(self._rules):
            if not path.startswith(rule.path) or now_s > until_s:
                continue
            seen[0] += 1
            if seen[0] > 0 and _strikes(rule, seen[0], dice):
                return rule.fault
        return None


def _strikes(rule: Rule, nth: int, dice: Dice) -> bool:
    if rule.count is not None and nth > rule.count:
        return False
    if rule.every is not None and nth % rule.every:
        return False
    return rule.probability is None or dice.below(1_000_000) < rule.probability * 1_000_000
