"""Prompt tokens of a whole request, in the dialect it was written in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrimp.ports import Count
from scrimp.tokens import anthropic_messages, openai_chat
from scrimp.tokens.encodings import encoding_for
from scrimp.tokens.tally import CountText, Tally


def count_request(
    fields: Mapping[str, Any], dialect: str, model: str, count_text: CountText
) -> Count:
    """Input tokens of a request body, with bounds and the method.

    `count_text` counts with the vocabulary `encoding_for(model).name`. Exact for text-only chats
    with OpenAI models up to o4; tools, images, GPT-5 framing and other vendors are estimates.
    Parts of the wrong type count nothing. Raises ValueError for an unknown dialect.
    """
    tally = Tally(count_text)
    if dialect == "openai.chat":
        openai_chat.add_request(tally, fields, model)
    elif dialect == "anthropic.messages":
        anthropic_messages.add_request(tally, fields, model)
    else:
        msg = f"cannot count a request in dialect {dialect!r} (openai.chat, anthropic.messages)"
        raise ValueError(msg)
    return tally.total(encoding_for(model), f"{dialect} framing")
