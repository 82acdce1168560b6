"""Tokens of an OpenAI embeddings request: its texts without any framing, its token ids as they are.

OpenAI's guide counts a text with the model's encoding and adds nothing ("How can I tell how many
tokens a string has before I embed it?", checked 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrimp.tokens.tally import Tally, exactly


def add_request(tally: Tally, fields: Mapping[str, Any]) -> None:
    """Add every input: a text, token ids, or a list of either."""
    given = fields.get("input")
    inputs = given if isinstance(given, list) else [given]
    tally.add(exactly(_ids(inputs)))
    for one in inputs:
        if isinstance(one, list):
            tally.add(exactly(_ids(one)))
        else:
            tally.text(one)


def _ids(values: list[Any]) -> int:
    return sum(type(value) is int for value in values)
