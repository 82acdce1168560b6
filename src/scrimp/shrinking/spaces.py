"""White space that says nothing: at the ends of lines, and lines without a word. Pure.

Between fences all of it stays, and the indentation of every line always does.
"""

from __future__ import annotations

import re

from scrimp.shrinking.prose import in_lines

_BLANKS = re.compile(r"\n{3,}")
_INNER = re.compile(r"(?<=[^\s|]) {2,}(?=[^\s|])")


def tidied(text: str) -> str:
    """No white space at the ends of lines, one blank line where several were, none at the end."""
    return in_lines(text, _tidied).rstrip()


def single_spaced(text: str) -> str:
    """One space between words, in lines that are neither indented nor tables."""
    return in_lines(text, lambda run: "\n".join(map(_single, run.split("\n"))))


def _tidied(run: str) -> str:
    lines = [line.rstrip(" \t\r") for line in run.split("\n")]
    return _BLANKS.sub("\n\n", "\n".join(lines))


def _single(line: str) -> str:
    if "  " not in line or line[:1].isspace() or "|" in line or "\t" in line or "`" in line:
        return line
    return _INNER.sub(" ", line)
