"""Checks of the text alone: its length, what must stand in it, sources, sums. Pure."""

from __future__ import annotations

import re

from scrimp.checks.sums import sums
from scrimp.checks.words import PASSED, Answer, Failed, Question, Unknown, Verdict

_MOST_CHARS = 256 * 1024
_CITED = re.compile(
    r"\[\d{1,3}(?:[,\s–-]{1,3}\d{1,3})*\]|\[\^?[\w.:-]{1,40}\]"  # noqa: RUF001 (a dash as written)
    r"|\([A-Z][^()\n]{1,60},? \d{4}[a-z]?\)|https?://[^\s<>\")\]]{4,}|\bdoi:\s?10\.|【[^】]{1,40}】"
)


def min_length(question: Question, answer: Answer, argument: str) -> Verdict:
    """At least so many characters, white space at both ends apart; a call of a tool is long enough.

    Raises ValueError for an argument that is no number.
    """
    del question
    least, found = int(argument), len(answer.text.strip())
    if found >= least or answer.tool_uses:
        return PASSED
    return Failed(f"{found} characters of at least {least}")


def requires(question: Question, answer: Answer, argument: str) -> Verdict:
    """Every part of the argument, parted by `|`, stands in the answer, in whatever case."""
    del question
    wanted = [part.strip().casefold() for part in argument.split("|") if part.strip()]
    if not wanted:
        return Unknown("names nothing that is required")
    text = answer.text[:_MOST_CHARS].casefold()
    missing = sum(part not in text for part in wanted)
    return Failed(f"{missing} of {len(wanted)} required elements missing") if missing else PASSED


def citations(question: Question, answer: Answer, argument: str) -> Verdict:
    """At least so many sources (1 by default): `[1]`, `(Author, 2024)`, addresses, DOIs.

    Whether they say what they are cited for nobody can see here. Raises ValueError.
    """
    del question
    least = int(argument or 1)
    found = len({match.group() for match in _CITED.finditer(answer.text[:_MOST_CHARS])})
    return PASSED if found >= least else Failed(f"{found} sources of at least {least}")


def arithmetic(question: Question, answer: Answer, argument: str) -> Verdict:
    """Every sum in the answer is right. Without a sum it cannot tell, `if_any` lets that pass."""
    del question
    found = sums(answer.text, clauses=True)
    wrong = sum(not one.right for one in found)
    if wrong:
        return Failed(f"{wrong} of {len(found)} sums wrong")
    if found or argument == "if_any":
        return PASSED
    return Unknown("no sum in the answer")
