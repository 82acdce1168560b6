"""A request of OpenAI's chat completions in the words of Anthropic's messages. Pure.

Where each field goes, and why others are refused, is in docs/translation.md. Sources: the API
references of both vendors and their SDKs' types (checked 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrimp.errors import InvalidRequest
from scrimp.translation import chat_turns
from scrimp.translation.draft import Draft, Fields, Table, items, mapping, text, wrong

MESSAGES = "anthropic.messages"
NO_LIMIT_TOKENS = 4096
"""The limit of output where the call sets none and nobody knows the model's: all models take it."""

_PLACED = frozenset(
    {
        *("model", "messages", "max_tokens", "max_completion_tokens"),
        *("tools", "tool_choice", "parallel_tool_calls", "user", "safety_identifier"),
        *("stream_options",),
    }
)
_LEFT_OUT = frozenset(
    {
        *("metadata", "seed", "prediction"),
        *("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
    }
)
_SAYS_NOTHING: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "store": (False,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "verbosity": ("medium",),
    "modalities": (["text"],),
    "functions": ([],),
}
"""Values that ask for what is so anyway."""
_WAYS_OUT: Mapping[str, str] = {
    "n": "leave it out, and make one call for each choice",
    "store": "leave it out: nothing is stored there",
    "functions": "use 'tools'",
    "function_call": "use 'tool_choice'",
    "web_search_options": "leave it out, or ask a model of OpenAI's",
    "audio": "ask a model that speaks",
    "modalities": 'only ["text"] has one',
    "verbosity": "say it in the system prompt",
}
_EFFORTS = ("low", "medium", "high", "xhigh", "max")


def translated(fields: Fields, *, model: str, max_tokens: int | None) -> Draft:
    """The request for this model. `max_tokens` is the model's own limit, where it is known.

    Raises InvalidRequest for what has no counterpart.
    """
    draft = Draft(MESSAGES)
    out = draft.fields
    out["model"] = model
    out["max_tokens"] = _limit(fields, max_tokens)
    system, out["messages"] = chat_turns.turns(fields["messages"], draft)
    if system:
        out["system"] = chat_turns.slim(system)
    draft.take(fields, _TABLE)
    _take_tools(fields, draft)
    _take_user(fields, draft)
    return draft


def _limit(fields: Fields, known: int | None) -> int:
    for name in ("max_completion_tokens", "max_tokens"):
        if fields.get(name) is not None:
            limit: int = fields[name]
            return limit
    return known or NO_LIMIT_TOKENS


def _take_user(fields: Fields, draft: Draft) -> None:
    for name in ("safety_identifier", "user"):
        if fields.get(name):
            draft.fields["metadata"] = {"user_id": text(fields, name, "")}
            return


def _take_stream(value: object, draft: Draft) -> None:
    if value:
        draft.fields["stream"] = True


def _take_temperature(value: object, draft: Draft) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise wrong("temperature", "a number")
    if value > 1:
        raise InvalidRequest(
            f"'temperature' is {value:g}, and {MESSAGES}, which this model's provider speaks, "
            "goes from 0 to 1 (lower it)"
        )
    if value != 1:  # the default of both; newer models take no other, and some not even this
        draft.fields["temperature"] = value


def _take_top_p(value: object, draft: Draft) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise wrong("top_p", "a number")
    if value != 1:
        draft.fields["top_p"] = value


def _take_stop(value: object, draft: Draft) -> None:
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or not all(isinstance(one, str) for one in stops):
        raise wrong("stop", "a string or a list of strings")
    if not all(one.strip() for one in stops):
        raise draft.refusal("stop", "each must hold more than white space")
    if stops:
        draft.fields["stop_sequences"] = stops


def _take_tier(value: object, draft: Draft) -> None:
    if value == "default":
        draft.fields["service_tier"] = "standard_only"
    elif value != "auto":
        raise draft.refusal("service_tier", "leave it out, or say 'auto' or 'default'")


def _take_effort(value: object, draft: Draft) -> None:
    if value == "none":
        draft.fields["thinking"] = {"type": "disabled"}
    elif value in _EFFORTS:
        draft.fields["thinking"] = {"type": "adaptive"}
        draft.fields.setdefault("output_config", {})["effort"] = value
    else:
        raise draft.refusal("reasoning_effort", f"one of none, {', '.join(_EFFORTS)} has one")


def _take_format(value: object, draft: Draft) -> None:
    form = mapping(value, "response_format")
    match form.get("type"):
        case "text":
            return
        case "json_schema":
            pass
        case _:
            raise draft.refusal(
                "response_format", 'send a schema: {"type": "json_schema", "json_schema": …}'
            )
    where = "response_format.json_schema"
    given = mapping(form.get("json_schema"), where)
    draft.only(given, ("name", "description", "schema", "strict"), where)
    schema = mapping(given.get("schema"), f"{where}.schema")
    if given.get("description") is not None and "description" not in schema:
        schema = {**schema, "description": text(given, "description", where)}
    config = draft.fields.setdefault("output_config", {})
    config["format"] = {"type": "json_schema", "schema": schema}


_TABLE = Table(
    placed=_PLACED,
    taken={
        "stream": _take_stream,
        "temperature": _take_temperature,
        "top_p": _take_top_p,
        "stop": _take_stop,
        "service_tier": _take_tier,
        "reasoning_effort": _take_effort,
        "response_format": _take_format,
    },
    left_out=_LEFT_OUT,
    says_nothing=_SAYS_NOTHING,
    ways_out=_WAYS_OUT,
)


def _take_tools(fields: Fields, draft: Draft) -> None:
    given = fields.get("tools")
    tools = (
        [] if given is None else [_tool(one, where, draft) for where, one in items(given, "tools")]
    )
    choice = fields.get("tool_choice")
    chosen, allowed = _choice(choice, draft)
    if allowed is not None:
        tools = [tool for tool in tools if tool["name"] in allowed]
    if not tools:
        if chosen["type"] in ("any", "tool"):
            raise InvalidRequest("'tool_choice' asks for a tool, and 'tools' has none of that name")
        return
    draft.fields["tools"] = tools
    parallel = fields.get("parallel_tool_calls")
    if parallel is not None and not isinstance(parallel, bool):
        raise wrong("parallel_tool_calls", "true or false")
    if parallel is False and chosen["type"] != "none":
        chosen = {**chosen, "disable_parallel_tool_use": True}
    if choice is not None or len(chosen) > 1:
        draft.fields["tool_choice"] = chosen


def _tool(given: Fields, where: str, draft: Draft) -> dict[str, Any]:
    if given.get("type") != "function":
        raise draft.refusal(f"{where}.type", "only 'function' has one")
    draft.only(given, ("type", "function", "cache_control"), where)
    place = f"{where}.function"
    function = mapping(given.get("function"), place)
    draft.only(function, ("name", "description", "parameters", "strict"), place)
    tool: dict[str, Any] = {"name": text(function, "name", place)}
    if function.get("description") is not None:
        tool["description"] = text(function, "description", place)
    parameters = function.get("parameters")
    if parameters is None:
        parameters = {"type": "object", "properties": {}}
    tool["input_schema"] = mapping(parameters, f"{place}.parameters")
    if function.get("strict"):
        tool["strict"] = True
    return tool | chat_turns.mark(given)


def _choice(choice: object, draft: Draft) -> tuple[dict[str, Any], frozenset[str] | None]:
    """Anthropic's choice, and the names of the tools that are left where only some are allowed."""
    match choice:
        case None | "auto":
            return {"type": "auto"}, None
        case "none":
            return {"type": "none"}, None
        case "required":
            return {"type": "any"}, None
        case {"type": "function", "function": {"name": str(name)}}:
            return {"type": "tool", "name": name}, None
        case {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": list(tools)}}:
            names = frozenset(_allowed_name(one, draft) for one in tools)
            return {"type": "any" if mode == "required" else "auto"}, names
        case _:
            raise draft.refusal(
                "tool_choice", "auto, none, required, a function or allowed_tools has one"
            )


def _allowed_name(tool: object, draft: Draft) -> str:
    match tool:
        case {"type": "function", "function": {"name": str(name)}}:
            return name
        case _:
            raise draft.refusal("tool_choice.allowed_tools.tools", "only functions have one")
