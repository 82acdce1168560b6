"""Which Claudes take `temperature`, `top_p` and `top_k`. Pure.

From 4.1 on a model takes `temperature` or `top_p`, not both; from 4.7 on it takes none of the three
and answers with status 400, `temperature` of 1 included (seen in reports of April to November 2026;
the SDK 2.12 of Anthropic has none of them among its parameters any more).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SAMPLING = ("temperature", "top_p", "top_k")
_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?!\d)(?:[-.](\d{1,2})(?!\d))?")
_ONE_OF_BOTH, _NONE = (4, 1), (4, 7)
_FAMILIES = re.compile(r"claude-(?:fable|mythos)")


def refuses_sampling(model: str, fields: Mapping[str, Any], *, translated: bool) -> bool:
    """Whether the model refuses a call for how it wants to be sampled.

    `translated` from OpenAI's dialect a value of 1, the default of both, is not sent.
    """
    given = {
        name
        for name in _SAMPLING
        if (value := fields.get(name)) is not None and not (translated and value == 1)
    }
    if not given:
        return False
    version = _version(model.lower())
    if version >= _NONE:
        return True
    return version >= _ONE_OF_BOTH and {"temperature", "top_p"} <= given


def _version(model: str) -> tuple[int, int]:
    """Of a name such as `claude-opus-4-7`, `anthropic.claude-3-5-sonnet` or `claude-4.7-opus`."""
    if _FAMILIES.search(model):  # they began after 4.7
        return _NONE
    found = _VERSION.search(model)
    return (0, 0) if found is None else (int(found[1]), int(found[2] or 0))
