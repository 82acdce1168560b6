"""Which dialect a request body is written in, told by its fields alone. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scrimp.errors import InvalidRequest

_CLAUDE_FIELDS = frozenset(
    {"system", "stop_sequences", "thinking", "anthropic_version", "mcp_servers", "output_config"}
)
_CHAT_FIELDS = frozenset(
    {"max_completion_tokens", "n", "response_format", "stream_options", "logprobs", "functions"}
)
_CHAT_ROLES = ("system", "developer", "tool", "function")
_CLAUDE_BLOCKS = ("tool_use", "tool_result", "image", "document", "thinking", "redacted_thinking")
_CHAT_BLOCKS = ("image_url", "input_audio", "file")
_EMBEDDING_FIELDS = frozenset({"dimensions", "encoding_format", "input_type"})
_UNREAD = {
    "contents": "a Gemini body",
    "prompt": "a body of legacy completions",
    "inputText": "a body of Bedrock",
}


def dialect_of(fields: Mapping[str, Any]) -> str:
    """The dialect of a body as an SDK sends it. Raises InvalidRequest.

    Where the fields leave it open (`messages` of plain texts), the model decides: Claude's are
    written in Anthropic's own, all others in OpenAI's.
    """
    if "messages" in fields:
        return "anthropic.messages" if _is_messages(fields) else "openai.chat"
    if "input" in fields:
        return "openai.embeddings" if _is_embedding(fields) else "openai.responses"
    looks = next((f", it looks like {it}" for name, it in _UNREAD.items() if name in fields), "")
    raise InvalidRequest(
        f"the request has no 'messages' and no 'input'{looks} (bodies of OpenAI chat completions, "
        "responses and embeddings, and of Anthropic messages are read)"
    )


def _is_messages(fields: Mapping[str, Any]) -> bool:
    if any(_marks(fields, _CHAT_FIELDS, _CHAT_ROLES, _CHAT_BLOCKS)) or _has_functions(fields):
        return False
    if any(_marks(fields, _CLAUDE_FIELDS, (), _CLAUDE_BLOCKS)) or _has_schemas(fields):
        return True
    model = fields.get("model")
    return isinstance(model, str) and "claude" in model.lower() and "/" not in model


def _marks(
    fields: Mapping[str, Any], names: frozenset[str], roles: tuple[str, ...], kinds: tuple[str, ...]
) -> Iterator[bool]:
    yield not names.isdisjoint(fields)
    for message in _objects(fields.get("messages")):
        yield message.get("role") in roles
        yield any(block.get("type") in kinds for block in _objects(message.get("content")))


def _has_functions(fields: Mapping[str, Any]) -> bool:
    return any("function" in tool for tool in _objects(fields.get("tools")))


def _has_schemas(fields: Mapping[str, Any]) -> bool:
    return any("input_schema" in tool for tool in _objects(fields.get("tools")))


def _is_embedding(fields: Mapping[str, Any]) -> bool:
    model, given = fields.get("model"), fields.get("input")
    if not _EMBEDDING_FIELDS.isdisjoint(fields):
        return True
    if isinstance(given, list) and given and not isinstance(given[0], dict):
        return True
    return isinstance(model, str) and "embed" in model.lower()


def _objects(value: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        yield from (one for one in value if isinstance(one, dict))
