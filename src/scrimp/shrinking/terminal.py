"""What a terminal would show of a program's output, with lines that repeat told once. Pure."""

from __future__ import annotations

import re

_ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # colours, moves (ECMA-48, section 5.4)
    r"|\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles, links
    r"|[PX^_][^\x1b]*(?:\x1b\\)?"
    r"|[ -/]*[0-~])?"
)
_ERASED = re.compile(r"\x1b\[[012]?K")
_FEWEST_REPEATS = 3
_AGAIN = re.compile(r"^\[the line above ([1-9]\d*) more times\]$")
_AGAIN_SIGN = "[the line above "


def shown(text: str) -> str:
    """Without colours and titles; of a line that was written over, what was there in the end."""
    if "\r" in text:
        text = "\n".join(
            [_overwritten(line) if "\r" in line else line for line in text.split("\n")]
        )
    return _ESCAPE.sub("", text) if "\x1b" in text else text


def _overwritten(line: str) -> str:
    body = line.rstrip("\r")
    if "\r" not in body:
        return line
    seen = ""
    for written in body.split("\r"):
        new = _ESCAPE.sub("", written)
        seen = new if _ERASED.search(written) else new + seen[len(new) :]
    return seen


def told_once(text: str) -> str:
    """Each run of three equal lines or more as one, with a line that says how often it came."""
    if _AGAIN_SIGN in text:
        return text
    lines = text.split("\n")
    found: list[str] = []
    at = 0
    while at < len(lines):
        line, past = lines[at], at + 1
        while past < len(lines) and lines[past] == line:
            past += 1
        again = f"{_AGAIN_SIGN}{past - at - 1} more times]"
        if past - at >= _FEWEST_REPEATS and (len(line) + 1) * (past - at - 1) > len(again) + 1:
            found += [line, again]
        else:
            found += lines[at:past]
        at = past
    return "\n".join(found) if len(found) < len(lines) else text


def told_again(text: str) -> str:
    """The opposite of `told_once`."""
    found: list[str] = []
    for line in text.split("\n"):
        match = _AGAIN.match(line)
        found += [found[-1]] * int(match[1]) if match and found else [line]
    return "\n".join(found)
