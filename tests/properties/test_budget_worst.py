"""What is held for a call is never less than what it can cost, however its body is written."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp.budgets.worst import WorstCase, asked, quick_count
from scrimp.calls import Target, Usage
from scrimp.dialects import DIALECTS
from scrimp.encoders.tiktoken_encoder import TiktokenEncoder
from scrimp.prices.pricing import price
from tests.support.budgets import book

NOW = datetime(2026, 11, 22, tzinfo=UTC)
MODELS = {
    "openai.chat": ("openai", "gpt-4o-mini"),
    "openai.responses": ("openai", "gpt-4o"),
    "anthropic.messages": ("anthropic", "claude-haiku-4-5"),
}
TEXTS = st.text(max_size=200)


@cache
def encoder() -> TiktokenEncoder:
    """One, with its vocabulary."""
    return TiktokenEncoder()


def body_of(dialect: str, texts: list[str], *, tools: int, most: int, ascii_only: bool) -> bytes:
    """A request of a dialect, with its characters as they are or escaped."""
    fields: dict[str, Any] = {"model": MODELS[dialect][1]}
    messages = [{"role": "user", "content": text} for text in texts]
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    if dialect == "openai.responses":
        fields |= {"input": messages, "max_output_tokens": most}
        made = [{"type": "function", "name": f"f{n}", "parameters": schema} for n in range(tools)]
    elif dialect == "openai.chat":
        fields |= {"messages": messages, "max_completion_tokens": most}
        made = [
            {"type": "function", "function": {"name": f"f{n}", "parameters": schema}}
            for n in range(tools)
        ]
    else:
        fields |= {"messages": messages, "max_tokens": most}
        made = [{"name": f"f{n}", "input_schema": schema} for n in range(tools)]
    if made:
        fields["tools"] = made
    if not ascii_only:
        return msgspec.json.encode(fields)
    return json.dumps(fields).encode()


@settings(deadline=None, max_examples=150)
@given(
    dialect=st.sampled_from(sorted(MODELS)),
    texts=st.lists(TEXTS, min_size=1, max_size=4),
    tools=st.integers(0, 3),
    most=st.integers(1, 500),
    ascii_only=st.booleans(),
)
def test_the_quick_bound_is_over_every_count_and_the_hold_over_every_bill(
    dialect: str,
    texts: list[str],
    tools: int,
    most: int,
    ascii_only: bool,  # noqa: FBT001
) -> None:
    """Tokens by the size of a body are over the tokenizer's; so is the hold over the bill."""
    provider, model = MODELS[dialect]
    body = body_of(dialect, texts, tools=tools, most=most, ascii_only=ascii_only)
    request = DIALECTS[dialect].read_request(body)
    quick = quick_count(request, dialect)
    assert quick is not None
    counted = encoder().request_now(model, request.fields, dialect)
    assert counted.tokens <= quick.high
    worst = WorstCase(book(), {}, {})(
        asked(request, dialect, quick), Target(provider, model, dialect), NOW
    )
    for usage in (
        Usage(input_tokens=counted.tokens, output_tokens=most),
        Usage(cache_read_tokens=counted.tokens, output_tokens=most),
        Usage(input_tokens=counted.tokens - 1, cache_read_tokens=1, reasoning_tokens=most),
    ):
        bill = price(usage, model, provider, NOW, book=book())
        assert (bill.nanousd or 0) <= worst.nanousd


@given(
    sign=st.sampled_from(["image", "image_url", "file", "document", "input_audio"]),
    where=st.integers(0, 3),
)
def test_no_escape_hides_what_is_no_text(sign: str, where: int) -> None:
    r"""`"im\u0061ge"` is an image all the same: its size bounds nothing."""
    at = where % len(sign)
    hidden = f"{sign[:at]}\\u{ord(sign[at]):04x}{sign[at + 1 :]}"
    plain = '{"model":"gpt-4o","messages":[{"role":"user","content":[{"type":"SIGN"}]}]}'
    body = plain.replace("SIGN", hidden).encode()
    request = DIALECTS["openai.chat"].read_request(body)
    assert quick_count(request, "openai.chat") is None
