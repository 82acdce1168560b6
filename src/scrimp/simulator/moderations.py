"""Moderations, plausibly answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from scrimp.simulator.conversation import Refusal

_CATEGORIES: Final = ("harassment", "hate", "illicit", "self-harm", "sexual", "violence")
_FLAGGED: Final = frozenset({"kill", "murder", "bomb"})


def _texts(body: Mapping[str, Any]) -> list[str]:
    match body.get("input"):
        case str(text):
            return [text]
        case list(texts) if texts and all(isinstance(text, str) for text in texts):
            return texts
        case _:
            raise Refusal(400, "'input' must be a string or a list of strings.", param="input")


def answer(body: Mapping[str, Any], request_id: str) -> bytes:
    """One verdict per text. Free, as with the real one. Raises Refusal."""
    results = []
    for text in _texts(body):
        flagged = bool(_FLAGGED & set(text.lower().split()))
        results.append(
            {
                "flagged": flagged,
                "categories": {name: flagged and name == "violence" for name in _CATEGORIES},
                "category_scores": {
                    name: 0.92 if flagged and name == "violence" else 0.001 for name in _CATEGORIES
                },
                "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
            }
        )
    reply = {
        "id": f"modr-{request_id[-16:]}",
        "model": body.get("model") or "omni-moderation-latest",
        "results": results,
    }
    return msgspec.json.encode(reply)
