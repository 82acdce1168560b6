"""What an answer says to a person, and whether it may be kept for others. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scrimp.calls import Reply
from scrimp.dialects.base import Dialect
from scrimp.dialects.json_body import parse_object

_SHORT = 400
"""A refusal says so at its start, and little more."""
_REFUSALS = (
    "i'm sorry, but i can",
    "i am sorry, but i can",
    "i'm sorry, i can",
    "sorry, but i can",
    "sorry, i can",
    "i can't help",
    "i cannot help",
    "i can't assist",
    "i cannot assist",
    "i'm unable to",
    "i am unable to",
    "i'm not able to",
    "i won't be able to",
    "i can't provide",
    "i cannot provide",
    "as an ai language model",
)


def text_of(reply: Reply, dialect: Dialect) -> str:
    """The visible text of a whole reply; empty when it has none, or something else beside it."""
    if reply.body is None:
        return ""
    body = dialect.from_stream(reply.body) if reply.framing == "sse" else reply.body
    fields = parse_object(body)
    if fields is None:
        return ""
    try:
        return "\n".join(_texts(fields, dialect.name))
    except (KeyError, IndexError, TypeError, AttributeError, _OtherError):
        return ""


def why_not_kept(reply: Reply, text: str, max_bytes: int) -> str:
    """Why an answer must not be served for another question; empty when it may."""
    facts = reply.facts
    if not reply.cacheable or reply.body is None or reply.served_by != "upstream":
        return "not_cacheable"
    if not facts.complete or facts.finish != "complete":
        return "not_whole"
    if len(reply.body) > max_bytes:
        return "too_large"
    if not text.strip():
        return "no_text"
    return "refusal" if declines(text) else ""


def declines(text: str) -> bool:
    """Whether an answer begins as one that declines to answer."""
    start = text[:_SHORT].lower().replace("\u2019", "'").lstrip()
    return start.startswith(_REFUSALS)


class _OtherError(Exception):
    """There is more than text in it: a call of a tool, a sound, a picture."""


def _texts(fields: dict[str, Any], dialect: str) -> Iterator[str]:
    match dialect:
        case "openai.chat":
            choice = fields["choices"][0]
            message = choice["message"]
            if message.get("tool_calls") or message.get("function_call") or message.get("audio"):
                raise _OtherError
            yield message["content"] or ""
        case "anthropic.messages":
            yield from _blocks(fields["content"], ("thinking", "redacted_thinking"), "text")
        case "openai.responses":
            for item in fields["output"]:
                if item["type"] == "message":
                    yield from _blocks(item["content"], (), "output_text")
                elif item["type"] != "reasoning":
                    raise _OtherError
        case _:
            raise _OtherError


def _blocks(blocks: Any, unseen: tuple[str, ...], said: str) -> Iterator[str]:
    for block in blocks:
        if block["type"] == said:
            yield block["text"]
        elif block["type"] not in unseen:
            raise _OtherError
