"""Whether another model will do for a call: by its size, by what it takes, and by who asks. Pure.

In doubt it will not: a saving must never turn an answer into an error. What OpenAI's and
Anthropic's models take is on their model pages (2026-11); of others only text is believed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from scrimp.budgets.frame import frame_of
from scrimp.budgets.worst import NOT_TEXT, own_tools
from scrimp.calls import Call, Request, Target
from scrimp.dialects.sampling import refuses_sampling
from scrimp.prices.rates import ModelPrice

_BYTES_PER_TOKEN = 3  # few, so that what fits by them fits
_SEES = re.compile(
    r"gpt-4o|gpt-4\.1|gpt-4-turbo|gpt-[5-9]|chatgpt-4o|o1(?!-mini)|o3(?!-mini)|o4|claude-"
)
_THINKS = re.compile(r"o[1-9]|gpt-[5-9](?!.*chat)")
_PLAIN_JSON = re.compile(r"gpt-3\.5|gpt-4(?!o|\.)")
_SOUND = (b'"input_audio"', b'"audio"')
_OF_THINKERS = ("reasoning", "reasoning_effort", "verbosity")
_NOT_OF_THINKERS = (
    *("temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs"),
    *("top_logprobs", "logit_bias", "max_tokens"),
)
_OF_FEW = ("thinking", "speed", "context_management", "container", "prediction", "modalities")


def is_listed(models: Sequence[str], name: str, target: Target) -> bool:
    """Whether a list has a model, by its name or by its id; an empty one has them all."""
    return not models or name in models or target.model in models


def needs_another_key(call: Call, target: Target) -> bool:
    """Whether a provider's key that the client brought is none for this target."""
    return call.caller.credential is not None and target.provider != call.target.provider


def will_do(request: Request, asked: Target, other: Target, found: ModelPrice | None) -> bool:
    """True when the other model, `found` in the price book, can answer the same request."""
    return not why_not(request, asked, other, found)


def why_not(
    request: Request,
    asked: Target,
    other: Target,
    found: ModelPrice | None,
    *,
    sees: bool | None = None,
) -> str:
    """What the other model cannot take, in one word; empty when it can answer the same request.

    `sees` says whether it takes images, where that is known better than by its name.
    """
    model = other.model.rpartition("/")[2].lower()
    fields = request.fields
    if not _is_large_enough(request, found):
        return "context"
    if any(fields.get(name) for name in _OF_FEW) or _refuses(fields, asked.model, other):
        return "parameters"
    if not own_tools(fields):
        return "tools"
    if not _takes_parts(request, model, found, sees=sees):
        return "modality"
    return "format" if b'"json_schema"' in request.body and _PLAIN_JSON.match(model) else ""


def _refuses(fields: Mapping[str, Any], asked: str, other: Target) -> bool:
    """Whether the other model knows no such parameters."""
    by_openai = other.dialect.startswith("openai.")
    if refuses_sampling(other.model, fields, translated=by_openai):
        return True
    if not by_openai:
        return False
    thought, thinks = _thinks(asked), _thinks(other.model)
    needs = _OF_THINKERS if not thinks else () if thought else _NOT_OF_THINKERS
    return any(fields.get(name) is not None for name in needs)


def _thinks(model: str) -> bool:
    return _THINKS.match(model.rpartition("/")[2].lower()) is not None


def _is_large_enough(request: Request, found: ModelPrice | None) -> bool:
    if found is None:
        return True
    most, window = request.max_output_tokens or 0, found.context_window
    if found.max_output_tokens is not None and most > found.max_output_tokens:
        return False
    return window is None or len(request.body) // _BYTES_PER_TOKEN + most <= window


def _takes_parts(
    request: Request, model: str, found: ModelPrice | None, *, sees: bool | None
) -> bool:
    """Whether it takes what is no text: sound where it has a price for it, images if it sees."""
    frame = frame_of(request)
    if not any(sign in frame for sign in NOT_TEXT):
        return True
    if any(sign in frame for sign in _SOUND):
        return found is not None and any("input_audio" in row.rates for row in found.rows)
    return _SEES.match(model) is not None if sees is None else sees
