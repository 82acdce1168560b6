"""Where a prompt of Anthropic's messages may be marked that is translated for OpenAI. Pure.

It stands in Anthropic's words and is rendered by OpenAI: forms of output and tools come first and
carry no mark, and neither does what the assistant said. Marks are Anthropic's; beside
`prompt_cache_options` the translation makes breakpoints of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from scrimp.dialects.attribution import without_attribution
from scrimp.dialects.json_body import encode
from scrimp.prefixes.prompt import Ends, Part

Fields = Mapping[str, Any]

_SHAPES = ("output_config", "output_format", "thinking", "service_tier")
_THOUGHTS = frozenset({"thinking", "redacted_thinking"})
_BLOCKS = frozenset({"text", "image", "document"})


def messages_parts(fields: Fields) -> Iterator[Part]:
    """The parts of a prompt as OpenAI renders it."""
    yield Part(("choices", -1), encode([fields.get(name) for name in _SHAPES]), "no")
    tools, system = fields.get("tools"), without_attribution(fields.get("system"))
    if isinstance(tools, list) and tools:
        yield Part(("tools", len(tools) - 1), tools, "no")
    if system:
        yield Part(("system", 0), system, _may_end(system))
    for number, message in enumerate(fields["messages"]):
        yield Part(("messages", number), _sent(message), _ends(message))


def marks_passed_on(fields: Fields) -> int:
    """How many of its client's own marks stand where OpenAI takes a breakpoint."""
    return sum(1 for one in _input_blocks(fields) if one.get("cache_control") and _carries(one))


def _sent(message: object) -> object:
    """A message without thoughts: they are not sent, and clients drop old ones as they like."""
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(content, list):
        return message
    kept = [one for one in content if not _is(one, _THOUGHTS)]
    return message if len(kept) == len(content) else {**message, "content": kept}


def _ends(message: object) -> Ends:
    if not isinstance(message, dict) or message.get("role") == "assistant":
        return "no"
    return _may_end(message.get("content"))


def _may_end(content: object) -> Ends:
    """Results of tools become messages before what else the user says: only they may stand last."""
    if isinstance(content, str):
        return "marked" if content else "no"
    last = content[-1] if isinstance(content, list) and content else None
    if not isinstance(last, dict) or not isinstance(content, list):
        return "no"
    if last.get("type") == "tool_result":
        results = all(_is(one, ("tool_result",)) for one in content)
        return "marked" if results and _carries(last) else "no"
    return "marked" if _carries(last) else "no"


def _carries(block: Fields) -> bool:
    """Whether a block can carry a breakpoint once it is translated."""
    kind, said = block.get("type"), block.get("content")
    if kind == "tool_result":  # only text has a counterpart there
        last = said[-1] if isinstance(said, list) and said else said
        return bool(last.get("text")) if isinstance(last, dict) else bool(last)
    return kind in _BLOCKS and (kind != "text" or bool(block.get("text")))


def _is(block: object, types: Collection[str]) -> bool:
    return isinstance(block, dict) and block.get("type") in types


def _input_blocks(fields: Fields) -> Iterator[Fields]:
    """Every block of what goes in, those within results of tools too."""
    said = [one for one in fields["messages"] if isinstance(one, dict)]
    held = [without_attribution(fields.get("system"))]
    held += [one.get("content") for one in said if one.get("role") != "assistant"]
    while held:
        content = held.pop()
        for block in content if isinstance(content, list) else ():
            if isinstance(block, dict):
                yield block
                if block.get("type") == "tool_result":
                    held.append(block.get("content"))
