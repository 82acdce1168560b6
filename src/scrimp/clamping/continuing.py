"""Going on with an answer that was cut: who can, how that is asked, how the parts are joined. Pure.

Only what a provider documents as going on with the same text is done: Anthropic's models up to 4.5
continue an assistant's message at the end of a conversation (newer ones refuse it: "What's new in
Claude 4.6", prefill removal), Mistral's one with `prefix` (its reply begins with what it was given,
which proves the joint). To ask any other model to "continue" makes a new answer, which may repeat
the first or contradict it; that is never joined. Sources: the vendors' pages, checked 2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from msgspec.structs import replace

from scrimp.calls import COUNTERS, Reply, Usage
from scrimp.dialects.base import Dialect
from scrimp.dialects.json_body import encode, parse_object

How = Literal["prefill", "prefix"]
_PREFILLED = re.compile(
    r"(?:^|[./])claude-(?:3[-.]|(?:opus|sonnet|haiku)-4(?:[-.][0-5])?(?:$|[-@:](?:v\d|\d{8}|latest)))"
)
_JSON = (("content-type", "application/json"),)


def how_to_go_on(dialect: str, spoken: str, vendor: str, model: str) -> tuple[How | None, str]:
    """How a model goes on with its own text; without a way, why there is none.

    `spoken` is the dialect of its provider, `vendor` the provider's name in the price book.
    """
    if spoken == "anthropic.messages":
        if _PREFILLED.search(model) is None:
            return None, f"{model} takes no text of its own (Claude after 4.5 does not)"
        return ("prefill" if dialect == "anthropic.messages" else "prefix"), ""
    if vendor == "mistral" and spoken == dialect == "openai.chat":
        return "prefix", ""
    return None, f"{vendor} has no way to go on with a text in {spoken}"


def why_not(fields: Mapping[str, Any], dialect: str) -> str:
    """Why answers to a request are not gone on with, by whichever model; empty where they may."""
    thinking, form = fields.get("thinking"), fields.get("response_format")
    config = fields.get("output_config")
    thinks = isinstance(thinking, dict) and thinking.get("type") != "disabled"
    thinks = thinks or (fields.get("reasoning_effort") or "none") != "none"
    shaped = isinstance(config, dict) and config.get("format") is not None
    shaped = shaped or (isinstance(form, dict) and form.get("type") != "text")
    rules = (
        (fields.get("n") not in (None, 1), "it asks for several answers"),
        (thinks, "thoughts cannot be gone on with"),
        (shaped, "an answer in a schema is one piece"),
        (bool(fields.get("logprobs")), "log probabilities of parts are not those of a whole"),
        (not isinstance(fields.get("messages"), list), f"{dialect} has no messages"),
    )
    return next((why for applies, why in rules if applies), "")


def cut_text(body: bytes, dialect: str) -> str | None:
    """The text of a JSON reply that its limit has cut; None where it holds anything else."""
    fields = parse_object(body)
    if fields is None:
        return None
    if dialect == "anthropic.messages":
        block = _only(fields.get("content"))
        if fields.get("stop_reason") != "max_tokens" or block.get("type") != "text":
            return None
        return None if block.get("citations") else _said(block.get("text"))
    choice = _only(fields.get("choices"))
    message = choice.get("message")
    if choice.get("finish_reason") != "length" or not isinstance(message, dict):
        return None
    more = ("tool_calls", "function_call", "refusal", "audio", "reasoning_content", "reasoning")
    return None if any(message.get(name) for name in more) else _said(message.get("content"))


def going_on(
    fields: Mapping[str, Any], said: str, how: How, limit: int | None
) -> dict[str, Any] | None:
    """The request for the next part; `limit` is what the client's own leaves of it.

    Anthropic refuses a text that ends in white space, so none is sent. None where the conversation
    ends in a way to which nothing can be added.
    """
    messages = list(fields["messages"])
    text = said.rstrip()
    last = messages[-1] if messages else None
    if not text or not isinstance(last, dict):
        return None
    if last.get("role") == "assistant":
        if how != "prefill" or not isinstance(last.get("content"), str):
            return None
        messages[-1] = {**last, "content": last["content"] + text}
    elif how == "prefill":
        messages.append({"role": "assistant", "content": text})
    else:
        messages.append({"role": "assistant", "content": text, "prefix": True})
    new = {**fields, "messages": messages}
    if limit is not None:
        for name in ("max_tokens", "max_completion_tokens"):
            if fields.get(name) is not None:
                new[name] = limit
    return new


def joined(
    parts: tuple[Reply, Reply], said: str, dialect: Dialect, *, repeats: bool
) -> Reply | None:
    """Two parts as one reply, whose usage is that of both; None where they do not fit.

    With `repeats` the second must begin with what it was given, which is then left out. The joint
    is remembered nowhere: nobody has given it as one answer.
    """
    first, second = parts
    if first.body is None or second.body is None or not second.facts.complete:
        return None
    one, two = _whole(first, dialect), _whole(second, dialect)
    if one is None or two is None:
        return None
    text = said.rstrip()
    if dialect.name == "anthropic.messages":
        made = _messages(one, two, text)
    else:
        made = _chat(one, two, text, repeats=repeats)
    if made is None:
        return None
    made["usage"] = _summed(one.get("usage"), two.get("usage"))
    usage = _added(first.facts.usage, second.facts.usage)
    headers = tuple(pair for pair in second.headers if pair[0] != "content-type")
    return replace(
        second,
        headers=(*headers, *_JSON),
        body=encode(made),
        framing="json",
        facts=replace(second.facts, usage=usage),
        cacheable=False,
    )


def _messages(one: Mapping[str, Any], two: Mapping[str, Any], text: str) -> dict[str, Any] | None:
    block = _only(two.get("content")) if two.get("content") else {"type": "text", "text": ""}
    if block.get("type") != "text" or not isinstance(block.get("text"), str):
        return None
    made = {**one, "content": [{**_only(one.get("content")), "text": text + block["text"]}]}
    return made | {name: two.get(name) for name in ("stop_reason", "stop_sequence")}


def _chat(
    one: Mapping[str, Any], two: Mapping[str, Any], text: str, *, repeats: bool
) -> dict[str, Any] | None:
    choice, other = _only(one.get("choices")), _only(two.get("choices"))
    message = other.get("message")
    more = message.get("content") if isinstance(message, dict) else None
    if not isinstance(more, str) or message is None or message.get("tool_calls"):
        return None
    if repeats:
        if not more.startswith(text):
            return None
        more = more[len(text) :]
    whole = {**choice["message"], "content": text + more}
    new = {**choice, "message": whole, "finish_reason": other.get("finish_reason")}
    return {**one, "choices": [new]}


def _whole(reply: Reply, dialect: Dialect) -> dict[str, Any] | None:
    body = reply.body or b""
    return parse_object(dialect.from_stream(body) if reply.framing == "sse" else body)


def _only(value: Any) -> dict[str, Any]:
    """The one object of a list; empty for any other list."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        return value[0]
    return {}


def _said(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _summed(one: Any, two: Any) -> Any:
    """Counts of both, field by field; what is no count is that of the second."""
    if isinstance(one, dict) and isinstance(two, dict):
        names = {**one, **two}
        return {name: _summed(one.get(name), two.get(name)) for name in names}
    if type(one) is int and type(two) is int:
        return one + two
    return one if two is None else two


def _added(one: Usage | None, two: Usage | None) -> Usage | None:
    """None where either is not known: half of a usage would be read as all of it."""
    if one is None or two is None:
        return None
    sums = {name: getattr(one, name) + getattr(two, name) for name in COUNTERS}
    return Usage(**sums, suspect="; ".join(filter(None, (one.suspect, two.suspect))))
