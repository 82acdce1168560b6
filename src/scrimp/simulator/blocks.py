"""A prompt as its vendor's cache sees it: blocks in the order tools, system, messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import msgspec

from scrimp.simulator import anthropic_requests, openai_requests, responses_requests, tokens
from scrimp.simulator.breakpoints import FIELD
from scrimp.simulator.conversation import Refusal

Section = Literal["tools", "system", "messages"]
Mark = Literal["", "5m", "1h", "30m"]
_MOST_MARKS: Final = 4
_TEXT_TYPES: Final = frozenset({"text", "input_text", "output_text"})


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of a prompt. `identity` is all of it but its text, `raw_tokens` all of it.

    `flat_tokens` are those that a vendor does not scale (images). `mark`: it ends a prefix that
    the client wants kept for so long. `said`: it is the model's own.
    """

    section: Section
    identity: bytes
    text: str
    raw_tokens: int
    flat_tokens: int = 0
    mark: Mark = ""
    said: bool = False


def of_chat(body: Mapping[str, Any]) -> list[Block]:
    """Of a chat completion that was read without complaint."""
    found = list(_openai_tools(body.get("tools")))
    for index, message in enumerate(body["messages"]):
        turn = openai_requests.turn_of(message, f"messages[{index}]")
        found += _openai_blocks(message, message.get("content"), turn.text, turn.raw_tokens)
    return found


def of_responses(body: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Of a response that was read without complaint, `items` being all of its talk."""
    found = list(_openai_tools(body.get("tools")))
    if isinstance(said := body.get("instructions"), str):
        raw = tokens.count(said) + tokens.MESSAGE_OVERHEAD
        found.append(Block("system", b"instructions", said, raw))
    for index, item in enumerate(items):
        turn, raw = responses_requests.turn_of(dict(item), f"input[{index}]")
        if turn is not None:
            named = {key: value for key, value in item.items() if key not in {"id", "status"}}
            content = item.get("output", item.get("content"))
            found += _openai_blocks(named, content, turn.text, raw)
    return found


def _openai_tools(tools: Any) -> Iterator[Block]:
    for tool in tools if isinstance(tools, list) else ():
        said = tool.get("function") or tool.get("custom") or tool
        if not isinstance(said, Mapping) or "name" not in said:
            continue
        schema = said.get("parameters")
        size = tokens.count_tool(
            str(said["name"]),
            str(said.get("description") or ""),
            schema if isinstance(schema, Mapping) else {},
        )
        yield Block("tools", msgspec.json.encode(tool), "", size)


def _openai_blocks(
    message: Mapping[str, Any], content: Any, text: str, raw_tokens: int
) -> Iterator[Block]:
    """A message, in two where a breakpoint stands in the midst of its texts."""
    parts = content if isinstance(content, list) else []
    at = max((n for n, part in enumerate(parts, 1) if _is_marked(part)), default=0)
    rest = {key: value for key, value in message.items() if key not in {"content", "type"}}
    if isinstance(rest.get("output"), str | list):
        del rest["output"]
    others = [_unmarked(part) for part in parts if not _is_text(part)]
    identity = msgspec.json.encode(rest | ({"content": others} if others else {}))
    if not at or others:
        said = message.get("role") == "assistant" or "arguments" in message
        yield Block("messages", identity, text, raw_tokens, mark="30m" if at else "", said=said)
        return
    before = "\n".join(part["text"] for part in parts[:at] if part["text"])
    after = "\n".join(part["text"] for part in parts[at:] if part["text"])
    last = tokens.count(after)
    yield Block("messages", identity, before, raw_tokens - last, mark="30m")
    if after:
        yield Block("messages", b"", after, last)


def _is_marked(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get(FIELD) is not None


def _unmarked(part: Any) -> Any:
    return {key: value for key, value in part.items() if key != FIELD}


def _is_text(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type") in _TEXT_TYPES


def of_claude(body: Mapping[str, Any]) -> list[Block]:
    """Of a messages request that was read without complaint. Raises Refusal for wrong marks."""
    found: list[Block] = []
    for index, tool in enumerate(body.get("tools") or ()):
        schema = tool.get("input_schema")
        size = tokens.count_tool(
            str(tool.get("name") or ""),
            str(tool.get("description") or ""),
            schema if isinstance(schema, Mapping) else {},
        )
        block = _claude_block("tools", tool, size, f"tools.{index}")
        if tool.get("defer_loading") is not True:
            found.append(block)  # others come where the model looks for them
        elif block.mark:
            raise Refusal(
                400,
                f"Tool '{tool.get('name')}' cannot have both defer_loading=true and cache_control "
                "set. Tools with defer_loading cannot use prompt caching.",
            )
    found += _claude_content("system", body.get("system") or [], 0, "system")
    for index, message in enumerate(body["messages"]):
        where = f"messages.{index}.content"
        made = _claude_content("messages", message["content"], tokens.MESSAGE_OVERHEAD, where)
        if made:
            named = message["role"].encode() + b"\0" + made[0].identity
            made[0] = replace(made[0], identity=named)
        found += made
    found = _automatic(found, body.get("cache_control"))
    _check_marks(found)
    return found


def _claude_content(section: Section, content: Any, overhead: int, where: str) -> list[Block]:
    """A string is one block, without a mark; the overhead is in the first block."""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    found = []
    for index, part in enumerate(parts):
        _, raw = anthropic_requests.part_of(part, f"{where}.{index}")
        flat = anthropic_requests.image_tokens([part])
        block = _claude_block(section, part, raw + (overhead if index == 0 else 0), where)
        found.append(replace(block, flat_tokens=flat))
    return found


def _claude_block(section: Section, part: Mapping[str, Any], raw: int, where: str) -> Block:
    mark = _mark(part.get("cache_control"), where)
    if mark and part.get("type") == "text" and not part.get("text"):
        raise Refusal(400, f"{where}: cache_control cannot be set for empty text blocks")
    rest = {key: value for key, value in part.items() if key != "cache_control"}
    return Block(section, msgspec.json.encode(rest), "", raw, mark=mark)


def _mark(control: Any, where: str) -> Mark:
    match control:
        case None:
            return ""
        case {"type": "ephemeral", "ttl": "1h"}:
            return "1h"
        case {"type": "ephemeral", "ttl": "5m" | None}:
            return "5m"
        case {"type": "ephemeral"} if "ttl" not in control:
            return "5m"
        case _:
            raise Refusal(400, f"{where}.cache_control: not a type or ttl that is known")


def _automatic(blocks: list[Block], control: Any) -> list[Block]:
    """One `cache_control` for the whole request marks its last block."""
    mark = _mark(control, "cache_control")
    if not mark or not blocks:
        return blocks
    return [*blocks[:-1], replace(blocks[-1], mark=blocks[-1].mark or mark)]


def _check_marks(blocks: Sequence[Block]) -> None:
    marks = [block.mark for block in blocks if block.mark]
    if len(marks) > _MOST_MARKS:
        raise Refusal(
            400,
            f"A maximum of {_MOST_MARKS} blocks with cache_control may be provided. "
            f"Found {len(marks)}.",
        )
    if "1h" in marks[marks.index("5m") :] if "5m" in marks else False:
        raise Refusal(
            400,
            "A ttl='1h' cache_control block must not come after a ttl='5m' cache_control block.",
        )
