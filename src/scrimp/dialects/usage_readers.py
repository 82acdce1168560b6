"""One way to read usage, whole or streamed, whatever the provider's shape: bytes in, facts out.

OpenAI's chat is also spoken by Azure, DeepSeek, Groq, Mistral, OpenRouter and xAI. Gemini and
Bedrock Converse are read here, though no dialect serves them. Nothing here raises, whatever the
bytes are; a usage that cannot be read, or that has not come, is None.
"""

from __future__ import annotations

from typing import Literal, get_args

from scrimp.calls import ReplyFacts
from scrimp.dialects import DIALECTS, usage_bedrock_stream, usage_gemini_stream
from scrimp.dialects.base import StreamReader

Shape = Literal[
    "openai.chat",
    "openai.responses",
    "openai.embeddings",
    "anthropic.messages",
    "google.gemini",
    "bedrock.converse",
]
SHAPES: tuple[Shape, ...] = get_args(Shape)


def usage_reader(shape: Shape) -> StreamReader:
    """A fresh reader: `feed` it pieces of any size, then `facts.usage` is what was told."""
    match shape:
        case "google.gemini":
            return usage_gemini_stream.GeminiReader()
        case "bedrock.converse":
            return usage_bedrock_stream.BedrockReader()
        case _:
            return DIALECTS[shape].stream_reader(hide_usage=False)


def read_stream(shape: Shape, data: bytes) -> ReplyFacts:
    """Facts of a stream as far as it came."""
    reader = usage_reader(shape)
    reader.feed(data)
    reader.close()
    return reader.facts


def read_reply(shape: Shape, body: bytes) -> ReplyFacts:
    """Facts of a whole reply."""
    match shape:
        case "google.gemini":
            return usage_gemini_stream.read_reply(body)
        case "bedrock.converse":
            return usage_bedrock_stream.read_reply(body)
        case _:
            return DIALECTS[shape].read_reply(body)
