"""Which model of the book a model id means: clauses evaluated on lower-case ids.

A rule is a sequence of alternatives; an alternative is one clause, or a tuple of clauses that must
all match. A clause is an operator and a text: `=` equals, `^` starts with, `$` ends with,
`*` contains, `~` regular expression.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from functools import lru_cache

Rule = Sequence[str | tuple[str, ...]]

_COMPACT_DATE = re.compile(r"-(20\d\d)(\d\d)(\d\d)(?=-|:|$)")


def matches(rule: Rule, model: str) -> bool:
    """Whether a lower-case model id satisfies the rule."""
    return any(
        _clause(one, model) if isinstance(one, str) else all(_clause(part, model) for part in one)
        for one in rule
    )


def spellings(model: str) -> tuple[str, ...]:
    """The id as it is, as Google's APIs list it, and with a date in OpenAI's way.

    Google puts `models/` or `publishers/NAME/models/` before an id. Aggregators write dates as
    `-20251211` where OpenAI writes `-2025-12-11`.
    """
    _, listed, bare = model.rpartition("models/")
    if listed and (model.startswith(("models/", "publishers/"))):
        return (model, *spellings(bare))
    found = _COMPACT_DATE.search(model)
    if found is None:
        return (model,)
    year, month, day = found.groups()
    try:
        date(int(year), int(month), int(day))
    except ValueError:
        return (model,)
    return (model, f"{model[: found.start()]}-{year}-{month}-{day}{model[found.end() :]}")


def _clause(clause: str, model: str) -> bool:
    operator, text = clause[0], clause[1:]
    if operator == "=":
        return model == text
    if operator == "^":
        return model.startswith(text)
    if operator == "$":
        return model.endswith(text)
    if operator == "*":
        return text in model
    return _pattern(text).search(model) is not None


@lru_cache(maxsize=256)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)
