"""What can be seen of an answer without knowing the right one: sums, numbers, form, doubt. Pure.

Each feature is a plain number with a name. The same answer always gives the same features, and no
text takes long: both are cut, and everything that is counted is bounded.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from math import log1p

from scrimp.checks.sums import sums
from scrimp.routing.answer_numbers import (
    WORD,
    Features,
    Reckoning,
    of_final,
    of_relations,
    of_sums,
    of_use,
    of_way,
)

VERSION = "answer-1"
"""Says how features are packed: lessons of another version are not read."""
_MOST_CHARS = 16_000
_SENTENCE = re.compile(r"[.!?](?:\s|$)")
_MARK = re.compile(r"####|\\boxed|final answer|answer\s*(?:is|:)", re.IGNORECASE)
_LETTERS = re.compile(r"(?<!\w)[A-Za-z]\s*=|=\s*[A-Za-z](?!\w)|\d[a-zA-Z]\b|\b[A-Z]\s*[-+*/]")
_ENDS = frozenset(".!?)}]`%\"'*")
_HEDGES = frozenset(
    (
        *("approximately", "assume", "assumed", "assuming", "perhaps", "maybe", "probably"),
        *("possibly", "might", "unclear", "unsure", "however", "although", "estimate"),
        *("roughly", "seems", "suppose", "guess", "likely"),
    )
)
_TURNS = frozenset(
    ("wait", "sorry", "mistake", "actually", "correction", "incorrect", "impossible", "cannot")
)
_REASONS = frozenset(("since", "because", "effectively", "which", "if"))
_CONDITIONS = frozenset(("if", "then", "after", "before", "when", "until", "unless"))
_AGES = frozenset(("older", "younger", "age", "ages", "ago"))
_MONEY = frozenset(
    ("cost", "costs", "dollar", "dollars", "money", "pay", "spend", "price", "profit", "earn")
)
_TIMES = frozenset(
    ("hour", "hours", "minute", "minutes", "day", "days", "week", "weeks", "month", "year", "years")
)


def features(question: str, answer: str) -> Features:
    """The features of an answer to a question, by name, always the same names in one order."""
    question, answer = question[-_MOST_CHARS:], answer[:_MOST_CHARS]
    found = sums(answer)
    it = Reckoning.of(question, answer, found)
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    return {
        **of_sums(it),
        **of_use(it),
        **of_way(it),
        **of_final(it),
        **of_relations(it),
        **_of_form(answer, lines, len(found)),
        **_of_question(question, it.words),
        **_of_both(question, answer, lines, it.words),
    }


def packed(question: str, answer: str) -> bytes:
    """The features as little-endian floats of four bytes."""
    values = features(question, answer).values()
    return struct.pack(f"<{len(values)}f", *values)


def unpacked(data: bytes) -> tuple[float, ...]:
    """The numbers of `packed`. Raises ValueError for anything else."""
    if len(data) != 4 * len(NAMES):
        raise ValueError(f"{len(data)} bytes are no features of {VERSION} ({4 * len(NAMES)} bytes)")
    return struct.unpack(f"<{len(NAMES)}f", data)


def _of_form(answer: str, lines: Sequence[str], found: int) -> Features:
    words = [word.lower() for word in WORD.findall(answer)]
    last = lines[-1] if lines else ""
    return {
        "chars": log1p(len(answer)),
        "lines": log1p(len(lines)),
        "sentences": log1p(len(_SENTENCE.findall(answer))),
        "long_line": log1p(max(map(len, lines), default=0)),
        "first_line": log1p(len(lines[0]) if lines else 0),
        "repeated_lines": 1 - len(set(lines)) / len(lines) if lines else 0.0,
        "words_per_sum": log1p(len(words) / max(1, found)),
        "marked": float(_MARK.search(answer) is not None),
        "ends_open": float(bool(last) and not (last[-1].isdigit() or last[-1] in _ENDS)),
        "ends_in_number": float(last.rstrip(".%*")[-1:].isdigit()),
        "hedges": float(sum(word in _HEDGES for word in words)),
        "turns": float(sum(word in _TURNS for word in words)),
        "reasons": float(sum(word in _REASONS for word in words)),
        "letter_sums": log1p(len(_LETTERS.findall(answer))),
        "code": float("```" in answer),
        "json": float(answer.lstrip()[:1] in ("{", "[")),
    }


def _of_question(question: str, words: Sequence[str]) -> Features:
    asked = {word.lower() for word in WORD.findall(_last_sentence(question))}
    return {
        "question_chars": log1p(len(question)),
        "question_sentences": log1p(len(_SENTENCE.findall(question))),
        "question_commas": log1p(question.count(",")),
        "conditions": float(sum(word in _CONDITIONS for word in words)),
        "ages": float(any(word in _AGES for word in words)),
        "percent": float("%" in question or "percent" in question),
        "asks_count": float({"how", "many"} <= asked),
        "asks_money": float({"how", "much"} <= asked or bool(asked & _MONEY)),
        "asks_time": float(bool(asked & _TIMES)),
    }


def _of_both(question: str, answer: str, lines: Sequence[str], words: Sequence[str]) -> Features:
    said = {word.lower() for word in WORD.findall(answer)}
    content = {word for word in words if len(word) > 3}
    asked = {
        word for word in map(str.lower, WORD.findall(_last_sentence(question))) if len(word) > 3
    }
    end = {word.lower() for line in lines[-2:] for word in WORD.findall(line)}
    return {
        "length_ratio": log1p(len(answer)) - log1p(len(question)),
        "shared_words": len(content & said) / max(1, len(content)),
        "shared_end": len(asked & end) / max(1, len(asked)),
    }


def _last_sentence(question: str) -> str:
    parts = [part for part in _SENTENCE.split(question) if part.strip()]
    return parts[-1] if parts else ""


NAMES = tuple(features("", ""))
