"""The lists of models that clients ask for, in the shapes of both vendors.

When a model was made is not known here; both vendors allow the epoch to say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scrimp.dialects.json_body import encode

Model = tuple[str, str]
"""A model id and the provider that serves it."""


def openai_list(models: Sequence[Model]) -> bytes:
    """The body of `GET /v1/models` for OpenAI clients."""
    return encode({"object": "list", "data": [_openai(*model) for model in models]})


def openai_one(model: Model) -> bytes:
    """The body of `GET /v1/models/{id}` for OpenAI clients."""
    return encode(_openai(*model))


def anthropic_list(models: Sequence[Model]) -> bytes:
    """The body of `GET /v1/models` for Anthropic clients, on one page."""
    return encode(
        {
            "data": [_anthropic(*model) for model in models],
            "has_more": False,
            "first_id": models[0][0] if models else None,
            "last_id": models[-1][0] if models else None,
        }
    )


def anthropic_one(model: Model) -> bytes:
    """The body of `GET /v1/models/{id}` for Anthropic clients."""
    return encode(_anthropic(*model))


def _openai(model: str, provider: str) -> dict[str, Any]:
    return {"id": model, "object": "model", "created": 0, "owned_by": provider}


def _anthropic(model: str, provider: str) -> dict[str, Any]:
    return {
        "type": "model",
        "id": model,
        "display_name": f"{model} ({provider})",
        "created_at": "1970-01-01T00:00:00Z",
    }
