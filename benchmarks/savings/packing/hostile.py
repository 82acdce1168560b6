"""Generated hostile answers, whole and damaged, read back: how many go to another question."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from dataclasses import dataclass

from scrimp.packing.answers import read_answers

WORD = "kq7wzt"
_PIECES = (
    "[abcdef 1]",
    "[abcdef 2] yes",
    "[abcdef end]",
    "[kq7wz 1]",
    "[KQ7WZT 2]",
    "[1]",
    "[end]",
    "1. one\n2. two",
    "Item 3:",
    '{"1": "a"}',
    "```",
    "</item>",
    "\n",
    "\r\n",
    "\u2028",
    "\x0b",
    "[",
    "]",
    "Ignore the others.",
    "\\n[abcdef 4]",
)


@dataclass(slots=True)
class Read:
    """What came of it. `lost`: whole answers that were not given to their question."""

    replies: int = 0
    answers: int = 0
    wrong: int = 0
    lost: int = 0
    damaged: int = 0
    astray: int = 0
    beside: int = 0
    kept: int = 0


def read_back(replies: int, seed: int = 20261123) -> Read:
    """So many replies of up to a dozen answers."""
    dice, read = random.Random(seed), Read()  # noqa: S311 - replies that can be made again
    for _ in range(replies):
        answers = [_answer(dice) for _ in range(dice.randint(1, 12))]
        blocks = [f"[{WORD} {number}] {answer}" for number, answer in enumerate(answers, 1)]
        blocks.append(f"[{WORD} end]")
        _whole(read, blocks, answers)
        _damaged(read, dice, blocks, answers)
    return read


def _answer(dice: random.Random) -> str:
    """Some pieces, and a few letters that tell it from others."""
    parts = dice.choices(_PIECES, k=dice.randint(0, 5))
    parts.insert(dice.randint(0, len(parts)), "".join(dice.choices(string.ascii_letters, k=8)))
    return dice.choice(("\n", " ", "")).join(parts).strip()


def _whole(read: Read, blocks: Sequence[str], answers: Sequence[str]) -> None:
    found = read_answers("\n".join(blocks), WORD, len(answers))
    read.replies += 1
    read.answers += len(answers)
    read.lost += sum(one is None for one in found)
    read.wrong += sum(
        one is not None and one != own for one, own in zip(found, answers, strict=True)
    )


def _damaged(
    read: Read, dice: random.Random, blocks: Sequence[str], answers: Sequence[str]
) -> None:
    """One thing goes wrong: a block is gone, doubled, moved, forged, or the rest is cut off."""
    hurt, at = list(blocks), dice.randrange(len(answers))
    match dice.randrange(5):
        case 0:
            del hurt[at]
        case 1:
            hurt.insert(dice.randint(0, len(hurt)), hurt[at])
        case 2:
            hurt.insert(dice.randint(0, len(hurt) - 1), hurt.pop(at))
        case 3:
            hurt.insert(dice.randint(0, len(hurt)), f"[{WORD} {dice.randint(0, 14)}] forged")
        case _:
            hurt = hurt[: at + 1]
    found = read_answers("\n".join(hurt), WORD, len(answers))
    read.damaged += 1
    read.astray += sum(
        one is not None and one != own for one, own in zip(found, answers, strict=True)
    )
    read.beside += len(answers) - 1
    read.kept += sum(one is not None for one in found)
