"""The checks by name, and how a call or the settings name them: `arithmetic`, `min_length=40`.

Those here cost nothing but a moment. `agreement`, `score` and `function` need what only the
cascade has: another model, what was learned, a program. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from scrimp.checks.code import code
from scrimp.checks.plain import arithmetic, citations, min_length, requires
from scrimp.checks.schema import json, tool_arguments
from scrimp.checks.values import parsed
from scrimp.checks.words import Answer, Check, Question, Unknown, Verdict

CHECKS: Mapping[str, Check] = {
    "min_length": min_length,
    "requires": requires,
    "json": json,
    "tool_arguments": tool_arguments,
    "code": code,
    "arithmetic": arithmetic,
    "citations": citations,
}
ASKING = ("agreement", "score", "function")
NAMES = (*CHECKS, *ASKING)
_COUNTED = ("min_length", "citations")


def run(name: str, question: Question, answer: Answer, argument: str) -> Verdict:
    """What a check says; one that breaks says that it cannot tell."""
    try:
        return CHECKS[name](question, answer, argument)
    except Exception as error:  # noqa: BLE001 (texts of strangers: whatever it is, it asks on)
        return Unknown(f"broke ({type(error).__name__})")


def named(text: str) -> tuple[str, str]:
    """Name and argument of a check as it is written. Raises ValueError."""
    name, _, argument = text.partition("=")
    found = name.strip(), argument.strip()
    check_named(*found)
    return found


def check_named(name: str, argument: str) -> None:
    """Raises ValueError for a check that there is not, or an argument that it cannot take."""
    if name not in NAMES:
        raise ValueError(f"there is no check '{name[:40]}' (there are {', '.join(NAMES)})")
    if name in _COUNTED and not (argument.isdecimal() or (name == "citations" and not argument)):
        raise ValueError(f"{name} needs a whole number (such as {name}=40), not '{argument[:40]}'")
    if name in ("requires", "agreement") and not argument:
        raise ValueError(f"{name} needs something after '=' (such as {name}={_SUCH[name]})")
    if name == "json" and argument and not _is_schema(argument):
        raise ValueError(f"json needs a JSON schema, not '{argument[:40]}'")
    if name == "score" and argument:
        _check_score(argument)


def _is_schema(argument: str) -> bool:
    found = parsed(argument)
    return found is not None and isinstance(found.it, dict | bool)


_SUCH = {"requires": "price|delivery", "agreement": "gpt-4.1-nano"}


def _check_score(argument: str) -> None:
    try:
        least = float(argument)
    except ValueError:
        least = -1.0
    if not 0 <= least <= 1:
        raise ValueError(f"score needs a number from 0 to 1, not '{argument[:40]}'")
