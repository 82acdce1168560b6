"""Whether two answers to one question come to the same. Pure.

What can be compared is compared: tools called, JSON, a number or a choice that the answer comes to,
short texts. Two long texts may say the same in other words; of them nobody here can tell.
"""

from __future__ import annotations

import re
from fractions import Fraction

from scrimp.checks.values import parsed
from scrimp.checks.words import PASSED, Answer, Failed, Question, Unknown, Verdict
from scrimp.dialects.json_body import encode

_SHORT = 80
_FEW = 3
_NUMBER = re.compile(
    r"(?<![\w.])-?\d{1,3}(?:,\d{3})+(?:\.\d{1,9})?(?![\d,])|(?<![\w.])-?\d{1,15}(?:\.\d{1,9})?"
)
_CHOICE = re.compile(
    r"(?:answer|option|choice)(?: is)?:?\s*\(?([A-J])\b\)?|^\W*([A-J])(?:[.):]|\s*$)", re.IGNORECASE
)
_MARK = re.compile(r"####|\\boxed|final answer|(?:the |my )answer(?: is|:)|answer:", re.IGNORECASE)
_ASKS_NUMBER = re.compile(
    r"\bhow (?:many|much|old|long|far|tall|often)\b|\bcalculate\b|\bwhat percent", re.IGNORECASE
)
_DIFFER = Failed("two models do not come to the same")


def agree(question: Question, one: Answer, other: Answer) -> Verdict:
    """Passed where both come to the same, Failed where they surely do not."""
    if one.tool_uses or other.tool_uses:
        return PASSED if _calls(one) == _calls(other) else _DIFFER
    left, right = parsed(one.text, fenced=True), parsed(other.text, fenced=True)
    if left is not None and right is not None:
        return PASSED if encode(left.it) == encode(right.it) else _DIFFER
    plain, also = _plain(one.text), _plain(other.text)
    if plain == also and plain:
        return PASSED
    for found in (_choices(one.text, other.text), _numbers(question.text, one.text, other.text)):
        if found is not None:
            return PASSED if found[0] == found[1] else _DIFFER
    words = plain.split(), also.split()
    if max(map(len, words)) <= _FEW and not {*words[0]} & {*words[1]}:
        return _DIFFER
    return Unknown("two texts that cannot be compared")


def final_number(text: str) -> Fraction | None:
    """The number that an answer comes to: after its mark, else the last one of its last line."""
    marks = list(_MARK.finditer(text))
    if marks:
        found = _NUMBER.search(text[marks[-1].end() :][:_SHORT])
        if found:
            return _value(found.group())
    lines = [line for line in text.splitlines() if line.strip()]
    numbers = _NUMBER.findall(lines[-1][-400:]) if lines else []
    return _value(numbers[-1]) if numbers else None


def _calls(answer: Answer) -> list[tuple[str, bytes]]:
    """Tools and arguments, whatever the order and the spelling."""
    found = []
    for use in answer.tool_uses:
        value = parsed(use.arguments or "{}")
        written = use.arguments.encode() if value is None else _sorted(value.it)
        found.append((use.name, written))
    return sorted(found)


def _sorted(value: object) -> bytes:
    if isinstance(value, dict):
        value = dict(sorted(value.items()))
    return encode(value)


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _choices(one: str, other: str) -> tuple[str, str] | None:
    left, right = _choice(one), _choice(other)
    return (left, right) if left and right else None


def _choice(text: str) -> str:
    """The letter of an answer to a question with choices."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1:
        text = lines[-1]
    found = _CHOICE.search(text[-_SHORT:])
    return (found.group(1) or found.group(2) or "").upper() if found else ""


def _numbers(asked: str, one: str, other: str) -> tuple[Fraction, Fraction] | None:
    """Both numbers, where the question asks for one or both answers mark theirs."""
    marked = _MARK.search(one) and _MARK.search(other)
    if not (marked or _ASKS_NUMBER.search(asked[-4000:])):
        return None
    left, right = final_number(one), final_number(other)
    return None if left is None or right is None else (left, right)


def _value(text: str) -> Fraction:
    return Fraction(text.replace(",", ""))
