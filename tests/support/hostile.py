"""Texts that have broken tokenizers, made of any size: runs, noise, halves of characters."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Mapping


def _noise(alphabet: str) -> Callable[[int], str]:
    def make(size: int) -> str:
        return "".join(random.Random(7).choices(alphabet, k=size))  # noqa: S311 (no secret)

    return make


def _run(unit: str) -> Callable[[int], str]:
    return lambda size: (unit * (size // len(unit) + 1))[:size]


HOSTILE: Mapping[str, Callable[[int], str]] = {
    "spaces": _run(" "),
    "tabs": _run("\t"),
    "a": _run("a"),
    "random letters": _noise(string.ascii_letters),
    "digits": _run("7"),
    "exclamations": _run("!"),
    "lone surrogates": _run("\ud800"),
    "halves of pairs": _noise("\ud83d\ude00x "),
    "<|endoftext|>": _run("<|endoftext|>"),
    "joined emoji": _run("\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"),
    "combining marks": _run("e\u0301\u0302\u0303"),
    "mixed newlines": _noise("\n\r \t\u2028\u0085"),
    "apostrophes": _run("'s'LL'd"),
    "unbroken Chinese": _noise("".join(map(chr, range(0x4E00, 0x5E00)))),
    "zero bytes": _run("\0"),
    "no-break spaces": _run("\u00a0"),
}
"""Makers by name; each gives a text of as many characters."""
