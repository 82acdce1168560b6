"""Wire APIs of vendors, sans-IO: bytes to words and back."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from scrimp.dialects.anthropic_messages import AnthropicMessages
from scrimp.dialects.base import Dialect
from scrimp.dialects.openai_chat import OpenAIChat
from scrimp.dialects.openai_embeddings import OpenAIEmbeddings
from scrimp.dialects.openai_responses import OpenAIResponses

_ALL: tuple[Dialect, ...] = (
    OpenAIChat(),
    OpenAIResponses(),
    OpenAIEmbeddings(),
    AnthropicMessages(),
    AnthropicMessages(name="anthropic.count_tokens", counting=True),
)

DIALECTS: Mapping[str, Dialect] = MappingProxyType({dialect.name: dialect for dialect in _ALL})
"""Every dialect by its name, such as `openai.chat`."""
