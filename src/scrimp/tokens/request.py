"""Prompt tokens of a whole request, in the dialect it was written in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrimp.ports import Count
from scrimp.tokens import anthropic_messages, openai_chat, openai_embeddings, openai_responses
from scrimp.tokens.encodings import EncodingChoice, encoding_for
from scrimp.tokens.tally import CountText, CountTexts, Tally

_COUNTED = ("openai.chat", "openai.responses", "openai.embeddings", "anthropic.messages")


def count_request(
    fields: Mapping[str, Any], dialect: str, model: str, count_text: CountText
) -> Count:
    """Input tokens of a request body, with bounds and the method.

    `count_text` counts with the vocabulary `encoding_for(model).name`. Exact for text-only chats
    with OpenAI models up to o4, and for embeddings; tools, images, GPT-5 framing and other vendors
    are estimates. Parts of the wrong type count nothing. Raises ValueError for an unknown dialect.
    """
    tally = tally_request(fields, dialect, model, count_text)
    return total_request(tally, dialect, encoding_for(model))


def total_request(tally: Tally, dialect: str, choice: EncodingChoice) -> Count:
    """The sum of a request, by the vocabulary's own ratio or one that was learned."""
    return tally.total(choice, f"{dialect} framing")


def tally_request(
    fields: Mapping[str, Any],
    dialect: str,
    model: str,
    count_text: CountText,
    count_texts: CountTexts | None = None,
) -> Tally:
    """The texts of a request body in raw tokens, apart from all else. Raises ValueError.

    `count_texts` counts many at once, when there is a faster way for that.
    """
    tally = Tally(count_text)
    add_request(tally, fields, dialect, model)
    tally.count_rest(count_texts)
    return tally


def add_request(tally: Tally, fields: Mapping[str, Any], dialect: str, model: str) -> None:
    """The same added to a tally, whose `texts` are yet to be counted. Raises ValueError."""
    match dialect:
        case "openai.chat":
            openai_chat.add_request(tally, fields, model)
        case "openai.responses":
            openai_responses.add_request(tally, fields, model)
        case "openai.embeddings":
            openai_embeddings.add_request(tally, fields)
        case "anthropic.messages":
            anthropic_messages.add_request(tally, fields, model)
        case _:
            msg = f"cannot count a request in dialect {dialect!r} ({', '.join(_COUNTED)})"
            raise ValueError(msg)
