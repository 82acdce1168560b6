"""Prompt tokens of an OpenAI chat completion request: texts and the framing around them.

Framing by the OpenAI cookbook ("How to count tokens with tiktoken", checked against the API
there): 3 tokens per message, 1 more for a name, 3 that prime the reply. A function's answer takes 2
fewer, a call of a function 3 more, a choice of function 1 or 4 (measured on gpt-3.5-turbo by
hmarr/openai-chat-tokens). GPT-5 and later frame differently: 4 per message, 5 at the end and 24 for
tools, fitted to the API by others; the range spans both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from scrimp.tokens.audio import audio
from scrimp.tokens.image_sizes import data_url_size
from scrimp.tokens.images import image
from scrimp.tokens.openai_tools import AROUND, SHARED, declarations, undeclared
from scrimp.tokens.tally import CountText, Range, Tally, exactly

_GPT5 = re.compile(r"(^|/)gpt-[5-9]")
_OLD = re.compile(r"(^|/)(gpt-4(?![a-z0-9.])|gpt-3\.5|gpt-35)")
FILE: Range = (1, 1_500, 100_000)
_ROLES = ("system", "developer", "user", "assistant")
_TEXTS = frozenset({"role", "content", "name", "tool_call_id", "refusal"})
_NAME, _ANSWER, _CALLED, _CHOSEN, _NONE = 1, -2, 3, 4, 1


def add_request(tally: Tally, fields: Mapping[str, Any], model: str) -> None:
    """Add every part of the request that becomes prompt tokens."""
    framing, end = message_framing(model)
    given = objects(fields.get("tools"))
    functions = objects([tool.get("function") for tool in given])
    functions += objects(fields.get("functions"))
    messages = objects(fields.get("messages"))
    system = next((m for m in messages if m.get("role") == "system"), None) if functions else None
    _add_messages(tally, messages, model, system)
    low, likely, high = tally.around = framing
    tally.add((len(messages) * low, len(messages) * likely, len(messages) * high))
    tally.add(end)
    if functions:
        add_tools(tally, functions, model, shared=system is not None)
        _add_choice(tally, fields.get("function_call"), measured=True)
        _add_choice(tally, fields.get("tool_choice"), measured=False)
    for custom in objects([tool.get("custom") for tool in given]):
        add_about(tally, json.dumps(dict(custom), ensure_ascii=False))
    schema = fields.get("response_format")
    if isinstance(schema, Mapping) and isinstance(schema.get("json_schema"), Mapping):
        add_about(tally, json.dumps(schema["json_schema"], ensure_ascii=False))


@lru_cache(maxsize=1024)
def message_framing(model: str) -> tuple[Range, Range]:
    """Tokens around each message, and those that prime the reply."""
    if _GPT5.search(model.lower()):
        return (3, 4, 4), (3, 5, 5)
    return exactly(3), exactly(3)


class _Roles(dict[Any, int]):
    """Tokens of roles, counted when one is met: most chats have two of them."""

    def __init__(self, count_text: CountText) -> None:
        self._count_text = count_text

    def __missing__(self, role: str) -> int:
        """Count it."""
        self[role] = found = self._count_text(role)
        return found


def _add_messages(
    tally: Tally,
    messages: list[Mapping[str, Any]],
    model: str,
    system: Mapping[str, Any] | None,
) -> None:
    """All messages; those of the shapes that nearly all have, on a short way."""
    later, raw, marks, texts = tally.texts.append, 0, tally.marks, tally.texts
    roles = _Roles(tally.count_text)
    tally.mark()
    for message in messages:
        content, role = message.get("content"), message.get("role")
        plain = len(message) == 2 and type(role) is str and role in _ROLES
        if message is system:
            _add_home(tally, message, model)
        elif plain and type(content) is str:
            raw += roles[role]
            later(content)
        elif plain and type(content) is list:
            raw += roles[role]
            _add_parts(tally, content, model)
        elif _add_of_tools(tally, message):
            raw += roles[role]
        else:
            _add_message(tally, message, model)
        if marks is not None:
            marks.append((len(texts), tally.raw + raw, tally.low, tally.tokens, tally.high))
    tally.raw += raw


def _add_of_tools(tally: Tally, message: Mapping[str, Any]) -> bool:
    """Calls of tools, or a result of one, all but the role; False for any other message."""
    if len(message) != 3:
        return False
    role, content = message.get("role"), message.get("content")
    if role == "tool":
        key = message.get("tool_call_id")
        if type(key) is not str or type(content) is not str:
            return False
        tally.texts += (key, content)
        return True
    called = message.get("tool_calls")
    if role != "assistant" or called is None or content is not None or "content" not in message:
        return False
    _add_tool_calls(tally, called)
    return True


def _add_message(tally: Tally, message: Mapping[str, Any], model: str) -> None:
    for key, value in message.items():
        if type(value) is str:
            if key in _TEXTS and value:
                tally.texts.append(value)
                if key == "name":
                    tally.add(exactly(_NAME))
        elif key == "tool_calls":
            _add_tool_calls(tally, value)
        elif value is not None:
            _add_other(tally, key, value, model)
    if message.get("role") == "function":
        tally.add((_ANSWER, _ANSWER, _ANSWER if _OLD.search(model.lower()) else 0))


def _add_other(tally: Tally, key: str, value: Any, model: str) -> None:
    if key == "content":
        _add_parts(tally, value, model)
    elif key == "function_call":
        _add_function_call(tally, value, model)


def _add_parts(tally: Tally, content: Any, model: str) -> None:
    later = tally.texts.append
    for part in objects(content):
        text = part.get("text")
        if type(text) is str and part.get("type") == "text":
            later(text)
        else:
            _add_part(tally, part, model)


def _add_function_call(tally: Tally, called: Any, model: str) -> None:
    if isinstance(called, Mapping):
        tally.text(called.get("name"))
        tally.text(called.get("arguments"))
        tally.add((_CALLED, _CALLED, _CALLED if _OLD.search(model.lower()) else 16))


def _add_tool_calls(tally: Tally, called: Any) -> None:
    for call in objects(called):
        tool = call.get("function") or call.get("custom")
        if not isinstance(tool, dict):
            continue
        for name in ("name", "arguments", "input"):
            text = tool.get(name)
            if type(text) is str and text:
                tally.texts.append(text)
        tally.tokens += 6
        tally.high += 16


def _add_part(tally: Tally, part: Mapping[str, Any], model: str) -> None:
    kind = part.get("type")
    if kind == "image_url":
        shown = part.get("image_url")
        shown = shown if isinstance(shown, Mapping) else {"url": shown}
        url, detail = shown.get("url"), shown.get("detail")
        size = data_url_size(url) if isinstance(url, str) else None
        tally.add(image(model, size, detail=detail or "auto"))
    elif kind == "input_audio":
        sound = part.get("input_audio")
        tally.add(audio(model, sound.get("data") if isinstance(sound, Mapping) else None))
    elif kind == "file":
        tally.add(FILE)
    else:
        tally.text(part.get("text"))
        tally.text(part.get("refusal"))


def add_tools(
    tally: Tally, tools: Iterable[Mapping[str, Any]], model: str, *, shared: bool = False
) -> None:
    """Tool definitions; plain ones are within 5 % of the API, the range says so.

    `shared`: the request has a system message of its own.
    """
    functions = list(tools)
    before = tally.raw
    tally.text(declarations(functions))
    tally.add(exactly(AROUND + (SHARED if shared else 0)))
    doubt = 2 + (tally.raw - before) // 20
    rest = "".join(undeclared(tool.get("parameters")) for tool in functions)
    tally.add((-doubt, 0, doubt + (tally.count_text(rest) if rest else 0)))
    if _GPT5.search(model.lower()):
        tally.add((0, 0, 24))


def _add_home(tally: Tally, message: Mapping[str, Any], model: str) -> None:
    """The system message that the declarations stand in: it ends in a line break."""
    content = message.get("content")
    if isinstance(content, str):
        _add_message(tally, {**message, "content": f"{content}\n"}, model)
    else:
        _add_message(tally, message, model)
        tally.add((0, 1, 1))


def _add_choice(tally: Tally, choice: Any, *, measured: bool) -> None:
    """What the client says of which function to call; nothing for "auto"."""
    if isinstance(choice, Mapping):
        named = choice.get("function")
        before = tally.raw
        tally.text((named if isinstance(named, Mapping) else choice).get("name"))
        tally.add((_CHOSEN if measured else before - tally.raw, _CHOSEN, _CHOSEN))
    elif choice == "none":
        tally.add((_NONE if measured else 0, _NONE, _NONE))


def add_about(tally: Tally, text: str) -> None:
    """A text that the vendor renders in a way of its own: as it is, give or take half."""
    before = tally.raw
    tally.text(text)
    doubt = (tally.raw - before) // 2
    tally.add((-doubt, 0, doubt))


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list, which may be the very list; nothing for anything else."""
    if type(value) is list:
        for one in value:
            if type(one) is not dict:
                break
        else:
            return value
    if isinstance(value, list | tuple):
        return [one for one in value if isinstance(one, dict)]
    return []
