"""The lists of models in both vendors' shapes."""

from __future__ import annotations

import json

from anthropic.types import ModelInfo
from openai.types import Model

from scrimp.dialects import models_list

MODELS = [("gpt-4o-mini", "openai"), ("claude-haiku-4-5", "anthropic")]


def test_openai_shape() -> None:
    """The SDK's own type reads it."""
    listed = json.loads(models_list.openai_list(MODELS))
    assert listed["object"] == "list"
    models = [Model.model_validate(one) for one in listed["data"]]
    assert [(one.id, one.owned_by) for one in models] == MODELS
    assert json.loads(models_list.openai_one(MODELS[0])) == listed["data"][0]


def test_anthropic_shape() -> None:
    """One page, with the first and last id, which the SDK's pager looks at."""
    listed = json.loads(models_list.anthropic_list(MODELS))
    assert (listed["has_more"], listed["first_id"], listed["last_id"]) == (
        False,
        "gpt-4o-mini",
        "claude-haiku-4-5",
    )
    first = ModelInfo.construct(**listed["data"][0])
    assert (first.type, first.id) == ("model", "gpt-4o-mini")
    assert json.loads(models_list.anthropic_one(MODELS[1])) == listed["data"][1]


def test_no_models() -> None:
    """An empty list is a list."""
    assert json.loads(models_list.openai_list([]))["data"] == []
    assert json.loads(models_list.anthropic_list([]))["last_id"] is None
