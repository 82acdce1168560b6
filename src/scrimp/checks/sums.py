"""Sums in a text, worked out again: `3 * (4 + 5) = 27`, chains, `<<a*b=c>>`. Exact and bounded.

Only what is surely a sum is looked at: numbers, operators and brackets, with a unit at most at the
end of a side. Letters that stand for numbers, dates, versions and mixed fractions are left alone.
Nothing is evaluated but by the few rules here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from scrimp.values import Value

_MOST_CHARS = 64 * 1024
_MOST_SUMS = 200
_MOST_LOOKED_AT = 2_000
"""Signs of equality in all: a text of nothing else holds tens of thousands."""
_MOST_TOKENS = 64
_MOST_SIDE = 256
_MOST_DEPTH = 12
_MOST_DIGITS = 24
_MOST_POWER = 12

_TOKEN = re.compile(
    r"(?P<number>\d[\d.,]*|\.\d+)|(?P<op>\*\*|[-+*/^()])|(?P<equals>=)|(?P<percent>%)"
    r"|(?P<space>[ \t]+)|(?P<word>[^\W\d_]+)|(?P<other>.)",
    re.DOTALL,
)
_PLAIN = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+")
_UNSURE = re.compile(r"\d{1,3}\.\d{3}")  # a thousand, where a comma is the decimal sign
_CLAUSE = re.compile(r"[,;.]\s|\s(?:and|so|then|thus|therefore|or)\s", re.IGNORECASE)
"""What ends one equation before another begins."""
_NOTE = re.compile(r"<<([^<>\n]{1,200})>>")
_FRACTION = re.compile(r"\\d?frac\{([^{}]{1,60})\}\{([^{}]{1,60})\}")
_SIGNS = str.maketrans(
    {
        **dict.fromkeys("×·⋅∗", "*"),  # noqa: RUF001 (signs as models write them)
        **dict.fromkeys("÷∕", "/"),  # noqa: RUF001
        **dict.fromkeys("−–", "-"),  # noqa: RUF001
        **dict.fromkeys("≈≅", "="),
        **dict.fromkeys("$€£¥", " "),
    }
)
_WRITTEN = (("\\times", "*"), ("\\cdot", "*"), ("\\div", "/"), ("\\approx", "="), ("\\$", " "))
_BETWEEN = frozenset("xX")
_OPERATORS = frozenset(("+", "-", "*", "/", "^", "**"))
_OF_SUMS = _OPERATORS | {"(", ")", "%"}
_ODD = "odd"
"""A token that makes what it stands in unsure: no number of ours."""


class Sum(Value, frozen=True):
    """One equation: what stands left of a `=` is worked out, and stands to its right or not.

    `operands` are the numbers that went in, `result` the one that the text gives. `rounded` is set
    where they agree but for rounding.
    """

    operands: tuple[Fraction, ...]
    operators: str
    value: Fraction
    result: Fraction
    right: bool
    rounded: bool = False


class _Side(Value, frozen=True):
    """One side of an equation: an expression that could be read."""

    value: Fraction
    first: Fraction
    numbers: tuple[Fraction, ...]
    operators: str
    step: Fraction
    percent: bool
    unsure: bool


def sums(text: str, *, clauses: bool = False) -> list[Sum]:
    """Every sum that is surely one, in the order of the text; bounded in number.

    With `clauses` also those of which several stand in one line: `5 * 3 = 15, so 15 + 2 = 17`.
    """
    return list(_sums(text, clauses=clauses))


def _sums(text: str, *, clauses: bool) -> Iterator[Sum]:
    """A note that says what the line says, too, is one sum with it."""
    found = looked = 0
    for line in _plain(text[:_MOST_CHARS]).split("\n"):
        if not (signs := line.count("=")):
            continue
        looked += signs
        if looked > _MOST_LOOKED_AT:
            return
        seen: set[Sum] = set()
        for part in (_NOTE.sub("", line), *_NOTE.findall(line)):
            for one in _of_line(part, clauses=clauses):
                if one in seen:
                    continue
                seen.add(one)
                yield one
                found += 1
                if found >= _MOST_SUMS:
                    return


def _plain(text: str) -> str:
    """The text with signs of one kind for each operator."""
    for written, sign in _WRITTEN:
        text = text.replace(written, sign)
    return _FRACTION.sub(r"((\1)/(\2))", text.translate(_SIGNS))


def _of_line(line: str, *, clauses: bool) -> Iterator[Sum]:
    """A middle part is one side of both equations, or the end of one and the start of another."""
    parts = line.split("=")
    last = len(parts) - 1
    ends: list[_Side | None] = []
    starts: list[_Side | None] = []
    for number, part in enumerate(parts):
        whole = _side(part, at_start=number > 0, at_end=number < last)
        apart = clauses and whole is None and 0 < number < last and _CLAUSE.search(part)
        starts.append(_side(part, at_end=True) if apart else whole)
        ends.append(_side(part, at_start=True) if apart else whole)
    for left, right in zip(starts, ends[1:], strict=False):
        if left is None or right is None or not (left.operators or right.operators):
            continue
        if (one := _compared(left, right)) is not None:
            yield one


def _compared(left: _Side, right: _Side) -> Sum | None:
    """None where nobody can say whether they agree."""
    if not left.operators:  # `12 = 3 * 4` is the same sum the other way round
        left, right = right, left
    gap = abs(left.value - right.value)
    running = right.operators and left.value == right.first  # `2 + 3 = 5 * 4 = 20`
    shares = {left.value, left.value * 100, left.value / 100}
    same = gap == 0 or running or ((left.percent or right.percent) and right.value in shares)
    rounded = not same and not right.operators and gap < right.step and _is_rough(left, right)
    if not (same or rounded) and (left.unsure or right.unsure):
        return None
    return Sum(
        operands=left.numbers,
        operators=left.operators,
        value=left.value,
        result=right.first if running else right.value,
        right=bool(same or rounded),
        rounded=rounded,
    )


def _is_rough(left: _Side, right: _Side) -> bool:
    """Whether a value has more decimals than its result: only then it can have been rounded."""
    return (left.value / right.step).denominator != 1


def _side(part: str, *, at_start: bool = False, at_end: bool = False) -> _Side | None:
    """The expression next to the `=`: the end of what is left of it, the start of what is right.

    A side in the middle of a chain must be an expression as a whole, but for its unit.
    """
    near = part[:_MOST_SIDE] if at_start else part[-_MOST_SIDE:]
    tokens, unsure = _without_units(_tokens(near))
    if at_end:
        tokens = _without_unit(tokens)
    run: list[str] = []
    source = tokens if at_start else list(reversed(tokens))
    for token in source:
        if not _is_of_sum(token):
            break
        run.append(token)
    cut = source[len(run)] if len(run) < len(source) else ""
    if at_start and at_end and cut:
        return None
    if not at_start:
        run.reverse()
    if at_start:
        run, cut = _trimmed(run, cut)
    whole = bool(cut) or len(near) == len(part)
    if cut == _ODD or not run or len(run) > _MOST_TOKENS or not whole:
        return None
    return _Reader(run, unsure=unsure).read()


def _trimmed(run: list[str], cut: str) -> tuple[list[str], str]:
    """A result with what follows in its sentence: `= 12 - which` and `= 12 (dollars)` are 12."""
    if cut in ("", _ODD):
        return run, cut
    if run and run[-1] in {*_OPERATORS, "("}:
        run = run[:-1]
    return run, cut


def _is_of_sum(token: str) -> bool:
    return token[0].isdigit() or token[0] == "." or token in _OF_SUMS


def _tokens(part: str) -> list[str]:
    """Numbers, operators, words; `odd` for what makes a sum unsure."""
    found: list[str] = []
    before_space = False
    for match in _TOKEN.finditer(part):
        kind, text = match.lastgroup, match.group()
        glued = bool(found) and not before_space
        before_space = kind == "space"
        match kind:
            case "space":
                continue
            case "number":
                rest = text.rstrip(".,")
                joined = glued and found[-1] not in _BETWEEN and found[-1][0].isalnum()
                clean = _PLAIN.fullmatch(rest) and len(rest) <= _MOST_DIGITS
                found.append(rest if clean and not joined else _ODD)
                if rest != text:
                    found.append("_" + text[-1])
            case "word" if glued and found[-1][0].isdigit() and text not in _BETWEEN:
                found.append(_ODD)
            case "other":
                found.append("_" + text)
            case _:
                found.append(text)
    return _times(found)


def _times(tokens: list[str]) -> list[str]:
    """An `x` between numbers is a sign, and so is `of` after a percentage."""
    for at in range(1, len(tokens) - 1):
        before, after = tokens[at - 1], tokens[at + 1]
        if not (after[0].isdigit() or after in "(."):
            continue
        if (tokens[at] in _BETWEEN and (before[0].isdigit() or before in ")%")) or (
            tokens[at] == "of" and before == "%"
        ):
            tokens[at] = "*"
    return tokens


def _without_units(tokens: list[str]) -> tuple[list[str], bool]:
    """The same without units before operators (`60 minutes / 2`), and whether there were any.

    `5 dollars + 20 cents = 5.20` is right, too: where units stood, what does not agree proves
    nothing.
    """
    kept: list[str] = []
    unsure = False
    for token in tokens:
        if token in _OPERATORS:
            end = len(kept)
            while end > 0 and len(kept) - end < 3 and _is_unit(kept[end - 1]):
                end -= 1
            if end < len(kept) and end > 0 and kept[end - 1][0].isdigit():
                del kept[end:]
                unsure = True
        kept.append(token)
    return kept, unsure


def _is_unit(token: str) -> bool:
    return len(token) > 1 and token.isalpha() and token != _ODD


def _without_unit(tokens: list[str]) -> list[str]:
    """The same without a unit of at most three words at its end: `5 * 3 red apples`."""
    end = len(tokens)
    while end > 0 and len(tokens) - end < 3 and _is_unit(tokens[end - 1]):
        end -= 1
    return tokens[:end] if end and tokens[end - 1][0].isdigit() else tokens


class _UnreadableError(Exception):
    """It is no expression after all."""


class _Reader:
    """Reads one expression by recursive descent, with a bound on its depth."""

    def __init__(self, tokens: list[str], *, unsure: bool) -> None:
        self._tokens = tokens
        self._at = 0
        self._numbers: list[Fraction] = []
        self._operators: list[str] = []
        self._step = Fraction(1)
        self._percent = False
        self._unsure = unsure

    def read(self) -> _Side | None:
        """None where it is none, or has no value."""
        try:
            value = self._sum(0)
        except (_UnreadableError, ZeroDivisionError):
            return None
        if self._at != len(self._tokens) or not self._numbers:
            return None
        return _Side(
            value=value,
            first=self._numbers[0],
            numbers=tuple(self._numbers),
            operators="".join(self._operators),
            step=self._step,
            percent=self._percent,
            unsure=self._unsure,
        )

    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._next()
        self._at += 1
        return token

    def _sum(self, depth: int) -> Fraction:
        value = self._product(depth)
        while self._next() in ("+", "-"):
            sign = self._take()
            self._operators.append(sign)
            other = self._product(depth)
            value = value + other if sign == "+" else value - other
        return value

    def _product(self, depth: int) -> Fraction:
        value = self._power(depth)
        while self._next() in ("*", "/"):
            sign = self._take()
            self._operators.append(sign)
            other = self._power(depth)
            value = value * other if sign == "*" else value / other
        return value

    def _power(self, depth: int) -> Fraction:
        value = self._one(depth)
        if self._next() not in ("^", "**"):
            return value
        self._take()
        self._operators.append("^")
        power = self._one(depth)
        if power.denominator != 1 or abs(power) > _MOST_POWER or abs(value) > 10**6:
            raise _UnreadableError
        return Fraction(value ** int(power))

    def _one(self, depth: int) -> Fraction:
        if depth > _MOST_DEPTH:
            raise _UnreadableError
        token = self._take()
        if token in ("-", "+"):
            value = self._one(depth + 1)
            return -value if token == "-" else value  # noqa: S105 (a sign)
        if token == "(":  # noqa: S105 (a bracket)
            value = self._sum(depth + 1)
            if self._take() != ")":
                raise _UnreadableError
        elif token and (token[0].isdigit() or token[0] == "."):
            value = self._number(token)
        else:
            raise _UnreadableError
        if self._next() == "%":
            self._take()
            self._percent = True
            value /= 100
        return value

    def _number(self, token: str) -> Fraction:
        plain = token.replace(",", "")
        value = Fraction(plain)
        decimals = len(plain.partition(".")[2])
        self._step = Fraction(1, 10**decimals)
        self._unsure = self._unsure or _UNSURE.fullmatch(token) is not None
        self._numbers.append(value)
        return value
