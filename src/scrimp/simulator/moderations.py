"""Endpoints that are no conversations: embeddings and moderations, plausibly answered."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from scrimp.simulator import tokens
from scrimp.simulator.bill import EMBEDDING_MODEL, Model, Usage
from scrimp.simulator.conversation import Dice, Refusal

_DIMENSIONS: Final = 1536
_CATEGORIES: Final = ("harassment", "hate", "illicit", "self-harm", "sexual", "violence")
_FLAGGED: Final = frozenset({"kill", "murder", "bomb"})

Other = Callable[[Mapping[str, Any], str], tuple[bytes, Usage | None, Model | None]]


def _texts(body: Mapping[str, Any]) -> list[str]:
    match body.get("input"):
        case str(text):
            return [text]
        case list(texts) if texts and all(isinstance(text, str) for text in texts):
            return texts
        case _:
            raise Refusal(400, "'input' must be a string or a list of strings.", param="input")


def _vector(text: str, dimensions: int) -> list[float]:
    dice = Dice([text])
    raw = [dice.below(2001) - 1000 for _ in range(dimensions)]
    length = math.sqrt(sum(number * number for number in raw)) or 1.0
    return [number / length for number in raw]


def embeddings(
    body: Mapping[str, Any], _request_id: str
) -> tuple[bytes, Usage | None, Model | None]:
    """Unit vectors that are a function of the text; billed as text-embedding-3-small."""
    if body.get("model") != EMBEDDING_MODEL.id:
        raise Refusal(404, f"The model `{body.get('model')}` does not exist.", kind="not_found")
    texts = _texts(body)
    dimensions = body.get("dimensions") or _DIMENSIONS
    if not isinstance(dimensions, int) or not 1 <= dimensions <= _DIMENSIONS:
        raise Refusal(400, f"'dimensions' must be in 1 to {_DIMENSIONS}.", param="dimensions")
    data = []
    for index, text in enumerate(texts):
        vector: Any = _vector(text, dimensions)
        if body.get("encoding_format") == "base64":
            vector = base64.b64encode(struct.pack(f"<{dimensions}f", *vector)).decode()
        data.append({"object": "embedding", "index": index, "embedding": vector})
    used = sum(tokens.count(text) for text in texts)
    answer = {
        "object": "list",
        "data": data,
        "model": EMBEDDING_MODEL.id,
        "usage": {"prompt_tokens": used, "total_tokens": used},
    }
    return msgspec.json.encode(answer), Usage(input_tokens=used), EMBEDDING_MODEL


def moderations(
    body: Mapping[str, Any], request_id: str
) -> tuple[bytes, Usage | None, Model | None]:
    """One verdict per text. Free, as with the real one."""
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
    answer = {
        "id": f"modr-{request_id[-16:]}",
        "model": body.get("model") or "omni-moderation-latest",
        "results": results,
    }
    return msgspec.json.encode(answer), None, None


OTHERS: Final[Mapping[str, Other]] = {
    "/v1/embeddings": embeddings,
    "/v1/moderations": moderations,
}
