"""Which paths of the API Scrimp reads, and in which dialect; all others are passed on unread."""

from __future__ import annotations

from collections.abc import Mapping

from scrimp.calls import Operation
from scrimp.values import Value


class Route(Value, frozen=True):
    """What a path of the API is for."""

    dialect: str
    operation: Operation
    method: str = "POST"


ROUTES: Mapping[str, Route] = {
    "/v1/chat/completions": Route("openai.chat", "chat"),
    "/v1/responses": Route("openai.responses", "chat"),
    "/v1/embeddings": Route("openai.embeddings", "embeddings"),
    "/v1/messages": Route("anthropic.messages", "chat"),
    "/v1/messages/count_tokens": Route("anthropic.count_tokens", "count_tokens"),
}
UNREAD = Route("", "passthrough", method="")
