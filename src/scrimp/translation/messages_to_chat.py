"""A request of Anthropic's messages in the words of OpenAI's chat completions. Pure.

Where each field goes, and why others are refused, is in docs/translation.md. Sources: the API
references of both vendors and their SDKs' types (checked 2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from scrimp.translation import message_turns
from scrimp.translation.draft import Draft, Fields, Table, items, mapping, text, wrong

CHAT = "openai.chat"

_PLACED = frozenset({"model", "messages", "system", "max_tokens", "stream", "tools", "tool_choice"})
_LEFT_OUT = frozenset({"cache_control", "diagnostics"})
_CACHE_WORDS = ("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention")
"""OpenAI's own: nobody says them to Anthropic, and who does so here means the provider's cache."""
_SAYS_NOTHING: Mapping[str, tuple[Any, ...]] = {
    "inference_geo": ("global",),
    "speed": ("standard",),
    "mcp_servers": ([],),
    "betas": ([],),
}
"""Values that ask for what is so anyway."""
_WAYS_OUT: Mapping[str, str] = {
    "top_k": "leave it out; 'top_p' has one",
    "inference_geo": "leave it out, or ask a model of Anthropic's",
    "speed": "leave it out",
    "mcp_servers": "leave them out, or ask a model of Anthropic's",
    "container": "leave it out, or ask a model of Anthropic's",
}
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_NEVER_THINKS = re.compile(r"gpt-(?:3\.5|4)|chatgpt-4o")
_READ_MAX_TOKENS = frozenset({"deepseek", "mistral"})
"""Providers (of the price book) that read no `max_completion_tokens` (their API references)."""
_LONGEST_USER = 64
_NO_TOOL = "leave it out, or ask a model of Anthropic's"


def translated(fields: Fields, *, model: str, provider: str, ask_usage: bool) -> Draft:
    """The request for this model. `provider` is its name in the price book.

    A stream is asked for its usage where the provider can be. Raises InvalidRequest for what has no
    counterpart.
    """
    draft = Draft(CHAT)
    out = draft.fields
    out["model"] = model
    draft.marks = fields.get("prompt_cache_options") is not None
    out["messages"] = message_turns.turns(fields, draft)
    limit = "max_tokens" if provider in _READ_MAX_TOKENS else "max_completion_tokens"
    if fields["max_tokens"] == 0:
        raise draft.refusal(
            "max_tokens", "0 fills a prompt cache and asks nothing: ask for 1 or more"
        )
    out[limit] = fields["max_tokens"]
    if fields.get("stream"):
        out["stream"] = True
        if ask_usage:
            out["stream_options"] = {"include_usage": True}
    draft.take(fields, _TABLE)
    _take_tools(fields, draft)
    return draft


def _take_stop(value: object, draft: Draft) -> None:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise wrong("stop_sequences", "a list of strings")
    if value:
        draft.fields["stop"] = value


def _take_user(value: object, draft: Draft) -> None:
    metadata = mapping(value, "metadata")
    draft.only(metadata, ("user_id",), "metadata")
    user = metadata.get("user_id")
    if isinstance(user, str) and 0 < len(user) <= _LONGEST_USER:
        draft.fields["user"] = user
    elif user:
        draft.leave_out("metadata.user_id")


def _take_tier(value: object, draft: Draft) -> None:
    if value == "standard_only":
        draft.fields["service_tier"] = "default"
    elif value != "auto":
        raise draft.refusal("service_tier", "leave it out, or say 'auto' or 'standard_only'")


def _take_context(value: object, draft: Draft) -> None:
    """Thoughts of before are left out anyway; other edits change what the model reads."""
    edits = mapping(value, "context_management").get("edits")
    if edits is None:
        raise draft.refusal("context_management", _NO_TOOL)
    for where, edit in items(edits, "context_management.edits"):
        if not str(edit.get("type")).startswith("clear_thinking"):
            raise draft.refusal(where, _NO_TOOL)
    draft.leave_out("context_management")


def _take_thinking(value: object, draft: Draft) -> None:
    thinking = mapping(value, "thinking")
    match thinking.get("type"):
        case "adaptive":
            draft.only(thinking, ("type", "display"), "thinking")
        case "disabled":
            draft.only(thinking, ("type",), "thinking")
            if not _NEVER_THINKS.match(draft.fields["model"].rpartition("/")[2].lower()):
                draft.fields["reasoning_effort"] = "none"
        case "enabled":
            way_out = 'send {"type": "adaptive"} with output_config.effort, which has one'
            raise draft.refusal("thinking.budget_tokens", way_out)
        case _:
            raise draft.refusal("thinking.type", "'adaptive' and 'disabled' have one")


def _take_output(value: object, draft: Draft) -> None:
    config = mapping(value, "output_config")
    draft.only(config, ("effort", "format"), "output_config")
    if (effort := config.get("effort")) is not None:
        if effort not in _EFFORTS:
            raise draft.refusal("output_config.effort", f"one of {', '.join(_EFFORTS)} has one")
        draft.fields.setdefault("reasoning_effort", effort)  # none, where thinking is disabled
    if config.get("format") is not None:
        _take_format(config["format"], draft)


def _take_format(value: object, draft: Draft) -> None:
    form = mapping(value, "output_config.format")
    draft.only(form, ("type", "schema"), "output_config.format")
    if form.get("type") != "json_schema":
        raise draft.refusal("output_config.format.type", "'json_schema' has one")
    schema = mapping(form.get("schema"), "output_config.format.schema")
    made = {"name": "answer", "schema": schema, "strict": True}
    draft.fields["response_format"] = {"type": "json_schema", "json_schema": made}


_TABLE = Table(
    placed=_PLACED,
    taken={
        "stop_sequences": _take_stop,
        "metadata": _take_user,
        "service_tier": _take_tier,
        "thinking": _take_thinking,
        "context_management": _take_context,
        "output_config": _take_output,
        "output_format": _take_format,
    },
    left_out=_LEFT_OUT,
    says_nothing=_SAYS_NOTHING,
    ways_out=_WAYS_OUT,
    passed=frozenset({"temperature", "top_p", *_CACHE_WORDS}),
)


def _take_tools(fields: Fields, draft: Draft) -> None:
    given = fields.get("tools")
    if given is None or given == []:
        return
    draft.fields["tools"] = [_tool(one, where, draft) for where, one in items(given, "tools")]
    choice = fields.get("tool_choice")
    if choice is None:
        return
    chosen = mapping(choice, "tool_choice")
    draft.only(chosen, ("type", "name", "disable_parallel_tool_use"), "tool_choice")
    draft.fields["tool_choice"] = _choice(chosen, draft)
    if chosen.get("disable_parallel_tool_use"):
        draft.fields["parallel_tool_calls"] = False


def _choice(chosen: Fields, draft: Draft) -> str | dict[str, Any]:
    match chosen.get("type"):
        case "auto":
            return "auto"
        case "none":
            return "none"
        case "any":
            return "required"
        case "tool":
            name = text(chosen, "name", "tool_choice")
            return {"type": "function", "function": {"name": name}}
        case _:
            raise draft.refusal("tool_choice.type", "auto, any, tool and none have one")


def _tool(given: Fields, where: str, draft: Draft) -> dict[str, Any]:
    if given.get("type") not in (None, "custom"):
        raise draft.refusal(f"{where}.type", f"it is a tool of the provider's own: {_NO_TOOL}")
    if given.get("defer_loading"):
        raise draft.refusal(f"{where}.defer_loading", "leave it out")
    if given.get("allowed_callers") not in (None, [], ["direct"]):
        raise draft.refusal(f"{where}.allowed_callers", "leave it out")
    if given.get("input_examples"):
        raise draft.refusal(f"{where}.input_examples", "write the examples into the description")
    known = (
        *("type", "name", "description", "input_schema", "strict", "cache_control"),
        *("eager_input_streaming", "defer_loading", "allowed_callers", "input_examples"),
    )
    draft.only(given, known, where)
    draft.without(given, "cache_control")
    function: dict[str, Any] = {"name": text(given, "name", where)}
    if given.get("description") is not None:
        function["description"] = text(given, "description", where)
    function["parameters"] = mapping(given.get("input_schema"), f"{where}.input_schema")
    if given.get("strict"):
        function["strict"] = True
    return {"type": "function", "function": function}
