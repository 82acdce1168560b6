"""Words of checks: what was asked, what was answered, and what one check says of it. Pure.

A check is a function of a question, an answer and an argument. It says `Failed` only where the
answer is surely not what was asked for; in doubt it says `Unknown`, and the cascade asks on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from scrimp.values import Value


class Question(Value, frozen=True):
    """`text` is the newest thing that a person asked; `fields` is the whole request body.

    `tools` are schemas of arguments by the tool's name, `schema` that of the answer itself where
    the call asks for one; `wants_json` whether it asks for JSON at all.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"text", "tools", "schema"})

    text: str
    tools: Mapping[str, Any] = {}
    schema: Any = None
    wants_json: bool = False


class ToolUse(Value, frozen=True):
    """A tool that the answer wants to be called, its arguments as the model wrote them."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"arguments"})

    name: str
    arguments: str


class Answer(Value, frozen=True):
    """What a model said: its visible text, and the tools that it calls."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"text"})

    text: str
    tool_uses: tuple[ToolUse, ...] = ()


class Passed(Value, frozen=True):
    """Nothing is wrong with the answer, as far as this check sees."""


class Failed(Value, frozen=True):
    """The answer is not what was asked for. `why` never holds its content."""

    why: str


class Unknown(Value, frozen=True):
    """The check cannot tell."""

    why: str


Verdict = Passed | Failed | Unknown
Check = Callable[[Question, Answer, str], Verdict]
PASSED = Passed()
