"""What translation makes is what the other vendor's SDK lets its own users send: by its types."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from hypothesis import given
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from pydantic import TypeAdapter

from scrimp.dialects import DIALECTS
from scrimp.dialects.json_body import encode
from scrimp.translation import chat_to_messages, messages_to_chat
from tests.support.talks import chats
from tests.support.translating import CHAT, MESSAGES


@cache
def adapters() -> tuple[TypeAdapter[Any], TypeAdapter[Any]]:
    """The types of a request: Anthropic's, OpenAI's."""
    return (
        TypeAdapter(MessageCreateParamsNonStreaming),
        TypeAdapter(CompletionCreateParamsNonStreaming),
    )


def read(value: Any) -> Any:
    """Lists are checked while they are read; a key that the types do not know is not in them."""
    if isinstance(value, Mapping):
        return {name: read(one) for name, one in value.items()}
    if isinstance(value, str | bytes | int | float | None):
        return value
    return [read(one) for one in value]


def whole(fields: dict[str, Any]) -> dict[str, Any]:
    """A request that is no stream: the types have two of each."""
    return {name: value for name, value in fields.items() if name != "stream"}


@given(chats())
def test_the_other_sdks_types_hold_every_request(chat: dict[str, Any]) -> None:
    """Every field is known there, of the right kind; nothing that must be there is missing."""
    claude, gpt = adapters()
    fields = DIALECTS[CHAT].read_request(encode(chat)).fields
    there = chat_to_messages.translated(fields, model="m", max_tokens=None).fields
    # sampling parameters are no part of the newest types, though older models take them
    known = {name: there[name] for name in there if name not in ("temperature", "top_p")}
    assert read(claude.validate_python(whole(known))) == whole(known)
    again = DIALECTS[MESSAGES].read_request(encode(there)).fields
    back = messages_to_chat.translated(again, model="m", provider="openai", ask_usage=False).fields
    assert read(gpt.validate_python(whole(back))) == whole(back)
