"""What a call of OpenAI's dialects says of its prompt cache, with OpenAI's complaints.

https://developers.openai.com/api/docs/guides/prompt-caching and the types of its SDK 3.54 (checked
2026-11-23): models since GPT-5.6 take `prompt_cache_options` and breakpoints in blocks of what goes
in, older ones refuse both; the newer refuse `prompt_cache_retention: in_memory`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from scrimp.simulator.bill import Model
from scrimp.simulator.conversation import Refusal

FIELD: Final = "prompt_cache_breakpoint"
_LIVES: Final = ("30m", "12h", None)


@dataclass(frozen=True, slots=True)
class Wish:
    """`explicit`: the end of the prompt is not kept by itself."""

    key: str
    explicit: bool = False


def writes_cost(model: Model) -> bool:
    """True for models that charge what they keep, and take breakpoints."""
    return model.vendor == "openai" and model.price.cache_write_5m is not None


def wish_of(body: Mapping[str, Any], model: Model) -> Wish:
    """What the call asks. Raises Refusal for what its model does not take."""
    key = body.get("prompt_cache_key")
    if key is not None and not isinstance(key, str):
        raise Refusal(400, "'prompt_cache_key' must be a string.", param="prompt_cache_key")
    options = body.get("prompt_cache_options")
    if not writes_cost(model):
        for name, value in (("prompt_cache_options", options), (FIELD, _any_mark(body))):
            if value:
                raise Refusal(400, f"{name} is not supported on this model.", param=name)
        return Wish(key or "")
    _check(body)
    mode = options.get("mode", "implicit") if isinstance(options, Mapping) else "implicit"
    if mode not in ("implicit", "explicit"):
        raise Refusal(400, "prompt_cache_options.mode is not known.", param="prompt_cache_options")
    return Wish(key or "", explicit=mode == "explicit")


def _check(body: Mapping[str, Any]) -> None:
    if body.get("prompt_cache_retention") == "in_memory":
        raise Refusal(
            400,
            "This model is compatible only with 24h extended prompt caching",
            param="prompt_cache_retention",
        )
    for mark in _marks(body):
        if not isinstance(mark, Mapping) or mark.get("mode") != "explicit":
            raise Refusal(400, f"{FIELD}.mode must be 'explicit'.", param=FIELD)
        if mark.get("ttl") not in _LIVES:
            raise Refusal(400, f"{FIELD}.ttl is not supported.", param=FIELD)


def _any_mark(body: Mapping[str, Any]) -> bool:
    return next(_marks(body), None) is not None


def _marks(body: Mapping[str, Any]) -> Iterator[Any]:
    """Those of all blocks. Raises Refusal for one of the assistant's."""
    items = body.get("messages", body.get("input"))
    for item in items if isinstance(items, list) else ():
        for part in _parts(item):
            if not isinstance(part, Mapping) or part.get(FIELD) is None:
                continue
            if item.get("role") == "assistant":
                raise Refusal(400, f"{FIELD} is not supported on output content.", param=FIELD)
            yield part[FIELD]


def _parts(item: Any) -> list[Any]:
    if not isinstance(item, Mapping):
        return []
    content = item.get("output", item.get("content"))
    return content if isinstance(content, list) else []
