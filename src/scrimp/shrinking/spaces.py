"""White space that says nothing: at the ends of lines, and lines without a word. Pure.

Between fences all of it stays, and the indentation of every line always does.
"""

from __future__ import annotations

import re

from scrimp.shrinking.prose import in_lines, in_prose

_BLANKS = re.compile(r"\n{3,}")
_LOOSE = "\x00"
"""A space of plain prose, while the lines are looked through."""
_INNER = re.compile(r"(?<=[^\s|\x00])\x00{2,}(?=[^\s|\x00])")


def tidied(text: str) -> str:
    """No white space at the ends of lines, one blank line where several were, none at the end."""
    return in_lines(text, _tidied).rstrip()


def single_spaced(text: str) -> str:
    """One space between words, in lines that are neither indented nor tables, and in no quotation.

    A text of two spaces may be meant.
    """
    if "  " not in text or _LOOSE in text:
        return text
    loose = in_prose(text, lambda run: run.replace(" ", _LOOSE))
    return "\n".join(map(_single, loose.split("\n"))).replace(_LOOSE, " ")


def _tidied(run: str) -> str:
    lines = [line.rstrip(" \t\r") for line in run.split("\n")]
    return _BLANKS.sub("\n\n", "\n".join(lines))


def _single(line: str) -> str:
    begins = line[:1]
    if begins == _LOOSE or begins.isspace() or "|" in line or "\t" in line or "`" in line:
        return line
    return _INNER.sub(" ", line)
