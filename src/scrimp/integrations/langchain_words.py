"""LangChain's prompts and answers in Scrimp's words, so that they can be compared by meaning.

A prompt becomes a body in the shape of OpenAI's chat API, with all that LangChain says of the model
(`llm_string`: parameters, tools, formats) as a field of its own, so that it is part of the scope.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from langchain_core.messages.ai import AIMessage
from langchain_core.outputs.chat_generation import ChatGeneration
from langchain_core.outputs.generation import Generation
from msgspec.structs import replace

from scrimp.calls import Call, Caller, HeldSink, Reply, Request, Target, Trace
from scrimp.dialects import DIALECTS
from scrimp.errors import InvalidRequest
from scrimp.integrations.langchain_cache import generation_of
from scrimp.remembered import CacheControl
from scrimp.tasks import task_of

DIALECT = "openai.chat"
PROVIDER = "langchain"
_ROLES = {
    "HumanMessage": "user",
    "AIMessage": "assistant",
    "SystemMessage": "system",
    "ToolMessage": "tool",
    "FunctionMessage": "function",
}
_KEPT = ("content", "name", "tool_calls", "invalid_tool_calls", "additional_kwargs")
_SAID = frozenset({"text", "reasoning", "thinking", "redacted_thinking"})
# as LangChain writes what it serialises, and what is given to one call
_NUMBER = r"""(?:"{0}": |\('{0}', )(\d+(?:\.\d+)?)"""
_TEMPERATURE = re.compile(_NUMBER.format("temperature"))
_CHOICES = re.compile(_NUMBER.format("n"))
_MODEL = re.compile(r"""(?:"model(?:_name|_id)?": "|\('model(?:_name|_id)?', ')([^"']{1,200})""")


def call_of(
    prompt: str, llm_string: str, caller: Caller, ttl_s: int, made: tuple[str, datetime]
) -> Call | None:
    """A prompt as a call, with its id and time; None for one that is not to be read."""
    found = _MODEL.search(llm_string)
    model = found[1] if found else "unknown"
    try:
        request = _request(prompt, llm_string, model)
    except InvalidRequest:
        return None
    call_id, now = made
    return Call(
        id=call_id,
        purpose="client",
        operation="chat",
        method="POST",
        path="/v1/chat/completions",
        headers=(),
        request=request,
        target=Target(PROVIDER, model, DIALECT),
        caller=caller,
        task=task_of("", {}, "", DIALECTS[DIALECT].last_user_text(request)),
        cache=CacheControl(ttl_s=ttl_s),
        started_at=now,
        sink=HeldSink(),
        trace=Trace(),
    )


def worded(reply: Reply, generations: Sequence[Generation]) -> Reply:
    """A kept answer with its visible text where judges look for it."""
    words = msgspec.json.decode(reply.body or b"[]")
    message: dict[str, Any] = {"content": str(generations[0].text)}
    if len(generations) > 1 or not _is_text(generations[0]):
        message["tool_calls"] = True  # more than a text: it is not for another question
    body = msgspec.json.encode({"choices": [{"message": message}], "langchain": words})
    return replace(reply, body=body)


def unworded(reply: Reply) -> list[Generation] | None:
    """The answer; None for bytes that are none."""
    try:
        words = msgspec.json.decode(reply.body or b"")["langchain"]
        return [generation_of(one) for one in words]
    except (msgspec.MsgspecError, ValueError, TypeError, KeyError, AttributeError):
        return None


def body_saying(text: str) -> bytes:
    """A body with what a model says."""
    return msgspec.json.encode({"choices": [{"message": {"content": text}}]})


def _request(prompt: str, llm_string: str, model: str) -> Request:
    fields: dict[str, Any] = {"model": model, "messages": _messages(prompt), PROVIDER: llm_string}
    for name, pattern in (("temperature", _TEMPERATURE), ("n", _CHOICES)):
        numbers = [float(one) for one in pattern.findall(llm_string)]
        if numbers:
            fields[name] = max(numbers) if name == "temperature" else int(max(numbers))
    try:
        body = msgspec.json.encode(fields)
    except UnicodeEncodeError as error:
        raise InvalidRequest("a prompt that is no text") from error
    return DIALECTS[DIALECT].read_request(body)


def _messages(prompt: str) -> list[dict[str, Any]]:
    """Of a chat model's prompt, which LangChain serialises; any other is one question."""
    try:
        turns = msgspec.json.decode(prompt) if prompt.startswith("[{") else None
        if isinstance(turns, list):
            return [_turn(turn) for turn in turns]
    except (msgspec.MsgspecError, KeyError, TypeError, IndexError):
        pass
    return [{"role": "user", "content": prompt}]


def _turn(turn: dict[str, Any]) -> dict[str, Any]:
    kind, words = turn["id"][-1], turn["kwargs"]
    kept = {name: words[name] for name in _KEPT if words.get(name)}
    return {"content": "", **kept, "role": _ROLES.get(kind, kind)}


def _is_text(generation: Generation) -> bool:
    if not isinstance(generation, ChatGeneration):
        return True
    message = generation.message
    if isinstance(message, AIMessage) and (message.tool_calls or message.invalid_tool_calls):
        return False
    blocks = message.content if isinstance(message.content, list) else []
    return all(isinstance(one, str) or one.get("type") in _SAID for one in blocks)
