"""Texts of several kinds and any size, made up here: no two with the same seed are told apart."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping

_SENTENCE = (
    "the gateway answers what was asked before and nobody pays for it twice while a budget holds"
    " what the next call may cost until its provider says how much it really was because invoices"
    " arrive at the end of a month and surprises are worth more when they are small"
)
_ENGLISH = _SENTENCE.split()
_NAMES = ("price", "usage", "reply", "entry", "call", "budget", "cache", "key", "window", "total")
_WORLD = (
    "Die Rechnung kommt am Ende des Monats, und niemand will überrascht werden.",
    "La facture arrive à la fin du mois et personne n'aime les surprises.",
    "月末に請求書が届くので、使った分はその場で数えておく。",
    "每个月底都会收到账单,所以每一次调用都要记下来。",
    "Счёт приходит в конце месяца, поэтому каждый вызов записан.",
    "تصل الفاتورة في نهاية الشهر ولذلك نسجل كل طلب.",
    "महीने के अंत में बिल आता है, इसलिए हर कॉल लिखी जाती है।",
    "월말에 청구서가 오므로 모든 호출을 기록합니다.",
)


def _english(dice: random.Random) -> str:
    words = " ".join(dice.choices(_ENGLISH, k=dice.randint(6, 18)))
    return f"{words.capitalize()} ({dice.randint(1, 9999)}). "


def _code(dice: random.Random) -> str:
    one, two, three = dice.choices(_NAMES, k=3)
    return (
        f"def {one}_{two}_{dice.randint(1, 99)}({three}: int, *, limit: int = 10) -> int:\n"
        f'    """The {one} of one {two}."""\n'
        f"    if {three} > limit:\n        raise ValueError(f'{{{three}}} is over {{limit}}')\n"
        f"    return {three} * {dice.randint(2, 500)}\n\n\n"
    )


def _json(dice: random.Random) -> str:
    row = {name: dice.randint(0, 10**9) for name in dice.sample(_NAMES, 4)}
    return json.dumps({**row, "id": f"{dice.getrandbits(64):x}", "ok": dice.random() < 0.5}) + ",\n"


def _world(dice: random.Random) -> str:
    return f"{dice.choice(_WORLD)} {dice.randint(1, 9999)} "


KINDS: Mapping[str, Callable[[random.Random], str]] = {
    "english": _english,
    "code": _code,
    "json": _json,
    "eight languages": _world,
}


def text(kind: str, chars: int, seed: int) -> str:
    """So many characters of a kind; another seed gives another text."""
    dice = random.Random(f"{kind} {chars} {seed}")  # noqa: S311 (no secret)
    parts, length = [f"{seed} "], 0
    while length < chars:
        parts.append(KINDS[kind](dice))
        length += len(parts[-1])
    return "".join(parts)[:chars]
