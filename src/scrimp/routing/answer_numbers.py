"""How an answer deals with numbers: which it uses, how, and what it comes to. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import log1p

from scrimp.checks.agreement import final_number
from scrimp.checks.sums import Sum

Features = dict[str, float]
_MOST_NUMBERS = 200
_NUMBER = re.compile(r"(?<![\w.])(?:\d{1,3}(?:,\d{3})+|\d{1,15})(?:\.\d{1,9})?(?!\w)")
WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_PART = re.compile(r"\b\d{1,3}/\d{1,3}\b")
_FEWER = re.compile(r"(\d[\d,]{0,12})\s+(?:[a-z]+\s+)?(?:fewer|less|shorter|younger|lighter)\b")
_MORE = re.compile(r"(\d[\d,]{0,12})\s+(?:[a-z]+\s+)?(?:more|longer|older|taller|heavier)\b")
_ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_WORTH: Mapping[str, int] = {
    **{word: number for number, word in enumerate(_ONES) if number > 1},
    **dict.fromkeys(("twice", "double", "half", "pair", "couple", "both"), 2),
    **dict.fromkeys(("triple", "third", "thirds"), 3),
    **dict.fromkeys(("quarter", "quarters", "fourth"), 4),
    **dict.fromkeys(("dozen", "twelve"), 12),
    **dict.fromkeys(("tenth",), 10),
    **dict.fromkeys(("fifth",), 5),
    **dict(zip(("eleven", "fifteen", "twenty", "thirty"), (11, 15, 20, 30), strict=True)),
    **dict(zip(("forty", "fifty", "hundred", "thousand"), (40, 50, 100, 1000), strict=True)),
}
_PARTS = frozenset(
    ("half", "third", "thirds", "quarter", "quarters", "fourth", "fifth", "tenth", "percent")
)
_RATES = frozenset(("each", "every", "per", "times", "twice", "double", "triple", "half"))
_CONSTANTS = frozenset(map(Fraction, (0, 1, 2, 7, 10, 12, 24, 30, 52, 60, 100, 365, 1000)))


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What is known of the numbers of a question and its answer."""

    question: str
    answer: str
    found: Sequence[Sum]
    words: Sequence[str]
    asked: Counter[Fraction]
    worded: Counter[Fraction]
    uses: Counter[Fraction]
    said: frozenset[Fraction]
    final: Fraction | None

    @classmethod
    def of(cls, question: str, answer: str, found: Sequence[Sum]) -> Reckoning:
        """Read both texts."""
        words = [word.lower() for word in WORD.findall(question)]
        return cls(
            question=question,
            answer=answer,
            found=found,
            words=words,
            asked=Counter(_numbers(question)),
            worded=Counter(Fraction(_WORTH[word]) for word in words if word in _WORTH),
            uses=Counter(number for one in found for number in one.operands),
            said=frozenset(_numbers(answer)),
            final=final_number(answer),
        )


def of_sums(it: Reckoning) -> Features:
    """How many sums, of what kind, how many wrong."""
    found = it.found
    operators = "".join([one.operators for one in found])
    wrong = sum(not one.right for one in found)
    kinds = [(one.operators, tuple(sorted(one.operands))) for one in found]
    return {
        "sums": log1p(len(found)),
        "no_sums": float(not found),
        "any_wrong": float(wrong > 0),
        "wrong": wrong / max(1, len(found)),
        "rounded": float(sum(one.rounded for one in found)),
        "operators": log1p(len(operators)),
        "longest_sum": float(max((len(one.operators) for one in found), default=0)),
        "additions": float(operators.count("+")),
        "subtractions": float(operators.count("-")),
        "products": float(operators.count("*")),
        "divisions": float(operators.count("/")),
        "broken_values": float(sum(one.value.denominator != 1 for one in found)),
        "negative_values": float(sum(one.value < 0 for one in found)),
        "repeated_sums": float(len(kinds) - len(set(kinds))),
        "idle_sums": float(sum(one.result in one.operands for one in found)),
    }


def of_use(it: Reckoning) -> Features:
    """Which numbers of the question are used, how often, and which come from nowhere."""
    asked, uses = it.asked, it.uses
    results = {one.result for one in it.found}
    named = it.worded.keys()
    unsaid = [n for n in named if n not in asked and not {n, 1 / n} & uses.keys()]
    known = {*asked, *named, *results, *_CONSTANTS}
    over = [max(0, uses[n] - asked[n] - it.worded[n]) for n in asked if n > 1 and n not in results]
    return {
        "asked_numbers": log1p(len(asked)),
        "asked_used": len(asked.keys() & uses.keys()) / max(1, len(asked)),
        "asked_unused": float(len(asked.keys() - uses.keys() - it.said)),
        "words_unused": float(len(unsaid)),
        "underused": float(sum(max(0, asked[n] - uses[n]) for n in asked)),
        "overused": float(sum(over)),
        "invented": float(sum(n not in known for n in uses)),
        "numbers": log1p(len(it.said)),
        "largest": log1p(_size(max(map(abs, uses), default=Fraction(0)))),
    }


def of_way(it: Reckoning) -> Features:
    """The way to the final number: which numbers it rests on, how long it is, what led nowhere."""
    last: dict[Fraction, Sum] = {}
    depth: dict[Fraction, int] = {}
    from_results = only_results = 0
    for one in it.found:
        before = [number in last and number not in it.asked for number in one.operands]
        from_results += sum(before)
        only_results += all(before)
        deep = 1 + max((depth.get(number, 0) for number in one.operands), default=0)
        depth[one.result] = max(deep, depth.get(one.result, 0))
        last[one.result] = one
    steps: set[Fraction] = set()
    leaves: set[Fraction] = set()
    waiting = [it.final] if it.final is not None and it.final in last else []
    while waiting:
        result = waiting.pop()
        if result in steps:
            continue
        steps.add(result)
        for number in last[result].operands:
            inner = number in last and number not in it.asked
            if inner and number not in steps:
                waiting.append(number)
            elif not inner:
                leaves.add(number)
    asked = it.asked.keys()
    return {
        "covered": len(asked & leaves) / max(1, len(asked)),
        "uncovered": float(len(asked - leaves)),
        "wasted": float(len(last) - len(steps)),
        "way_depth": float(depth.get(it.final, 0)) if it.final is not None else 0.0,
        "way_steps": float(len(steps)),
        "from_results": from_results / max(1, sum(it.uses.values())),
        "only_results": float(only_results),
    }


def of_final(it: Reckoning) -> Features:
    """The number that the answer comes to."""
    final, results = it.final, [one.result for one in it.found]
    largest = max([*it.asked, Fraction(1)])
    whole = final is not None and final.denominator == 1
    size = log1p(_size(abs(final))) if final is not None else 0.0
    counted = "how many" in it.question.lower()
    return {
        "no_final": float(final is None),
        "final_computed": float(final in results),
        "final_last": float(bool(results) and final == results[-1]),
        "final_asked": float(final in it.asked or final in it.worded),
        "final_whole": float(whole),
        "final_broken_count": float(counted and final is not None and not whole),
        "final_negative": float(final is not None and final < 0),
        "final_fives": float(whole and final is not None and final % 5 == 0),
        "final_tens": float(whole and final is not None and final % 10 == 0),
        "final_size": size,
        "final_shrunk": size - log1p(_size(largest)),
    }


def of_relations(it: Reckoning) -> Features:
    """Whether what the question says of its numbers shows in what is done with them."""
    found, words = it.found, it.words
    products = sum(one.operators.count("*") + one.operators.count("/") for one in found)
    rates = sum(word in _RATES for word in words)
    parts = sum(word in _PARTS for word in words) + it.question.count("%")
    parts += len(_PART.findall(it.question))
    divided = sum(one.operators.count("/") for one in found) + it.answer.count("%")
    divided += sum(n.denominator != 1 for n in it.uses.elements())
    numbers = sum(it.asked.values()) + sum(it.worded.values())
    steps = sum(len(one.operators) for one in found)
    lower = it.question.lower()
    return {
        "rates": float(rates),
        "rates_left": float(rates - products),
        "parts_asked": float(parts),
        "parts_left": float(max(0, parts - divided)),
        "steps_left": float(numbers - 1 - steps),
        "fewer_added": float(_against(_FEWER.findall(lower), found, "+", "-")),
        "more_taken": float(_against(_MORE.findall(lower), found, "-", "+")),
    }


def _against(told: Sequence[str], found: Sequence[Sum], odd: str, fit: str) -> int:
    """How many of the numbers were only ever put to the opposite use."""
    count = 0
    for text in told[:_MOST_NUMBERS]:
        number = Fraction(text.replace(",", ""))
        signs = "".join([one.operators for one in found if number in one.operands])
        count += odd in signs and fit not in signs
    return count


def _numbers(text: str) -> list[Fraction]:
    found = _NUMBER.findall(text)[:_MOST_NUMBERS]
    return [Fraction(number.replace(",", "")) for number in found]


def _size(number: Fraction) -> float:
    """A float of any number: those beyond all sense are as large as it gets."""
    return float(min(number, Fraction(10**15)))
