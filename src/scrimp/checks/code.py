"""Whether code in an answer can be parsed. Nothing is run, and what is too large is not parsed.

Python is read by its own parser, JSON by ours. Of other languages nobody here knows the grammar:
what a check cannot see it does not claim.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator

from scrimp.checks.values import parsed
from scrimp.checks.words import PASSED, Answer, Failed, Question, Unknown, Verdict

_MOST_CHARS = 128 * 1024
_MOST_NESTED = 60
_FENCE = "```"
_PYTHON = frozenset(("python", "py", "python3"))
_SHELL_PROMPT = re.compile(r"^\s*(?:>>>|In \[\d+\]:|\$ )", re.MULTILINE)


def code(question: Question, answer: Answer, argument: str) -> Verdict:
    """Every fenced block of the language parses; with no fence at all the whole text is the code.

    `argument` is `python` (the default) or `json`; for any other it cannot tell.
    """
    del question
    language = (argument or "python").strip().lower()
    if language not in _PYTHON and language != "json":
        return Unknown(f"nobody here can parse {language[:20]}")
    text = answer.text
    if len(text) > _MOST_CHARS:
        return Unknown(f"{len(text)} characters of code, at most {_MOST_CHARS} are parsed")
    blocks = [body for name, body in _fenced(text) if _is(name, language)]
    if not blocks:
        if _FENCE in text:
            return Unknown(f"no whole block of {language}")
        blocks = [text]
    verdicts = [_json(one) if language == "json" else _python(one) for one in blocks]
    failed = next((one for one in verdicts if isinstance(one, Failed)), None)
    unsure = next((one for one in verdicts if isinstance(one, Unknown)), None)
    return failed or unsure or PASSED


def _fenced(text: str) -> Iterator[tuple[str, str]]:
    """Language and content of every block that is closed, in one pass."""
    language = ""
    block: list[str] | None = None
    for line in text.splitlines():
        mark = line.strip()
        if block is None:
            if mark.startswith(_FENCE):
                language, block = mark[len(_FENCE) :].strip().split(" ")[0].lower(), []
        elif mark == _FENCE:
            yield language, "\n".join(block)
            block = None
        else:
            block.append(line)


def _is(name: str, language: str) -> bool:
    return name in _PYTHON if language in _PYTHON else name in (language, "")


def _json(text: str) -> Verdict:
    return Failed("the JSON does not parse") if parsed(text) is None else PASSED


def _python(text: str) -> Verdict:
    if not text.strip():
        return Failed("no code")
    if _SHELL_PROMPT.search(text):
        return Unknown("a session, not a program")
    if _nested(text) > _MOST_NESTED:
        return Unknown(f"nested deeper than {_MOST_NESTED}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:
        return Failed(f"the Python does not parse (line {error.lineno or 0})")
    except (ValueError, RecursionError, MemoryError):
        return Unknown("the Python cannot be parsed here")
    return PASSED


def _nested(text: str) -> int:
    """An upper bound of how deep expressions are nested: brackets, and long runs of operators."""
    depth = deepest = run = longest = 0
    for sign in text:
        if sign in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif sign in ")]}":
            depth = max(0, depth - 1)
        if sign in "-+~!" or sign == " ":
            run += sign != " "
            longest = max(longest, run)
        else:
            run = 0
    indents = max((len(line) - len(line.lstrip()) for line in text.splitlines()), default=0)
    return max(deepest, longest, indents // 2)
