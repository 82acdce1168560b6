"""Whatever is asked before a call is sent: an answer in order, or one of two errors."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import scrimp
from scrimp.errors import InvalidRequest, PriceUnknown
from scrimp.shell.quoting import rough_count

MODELS = ("gpt-4o", "gpt-5.4", "claude-sonnet-4-5", "gemini-2.5-pro", "o3", "grok-4", "nobody")
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["user", "system", "text", "image_url", "image", "tool_use", "web_search"])
)
NAMES = (
    *("role", "content", "type", "text", "name", "function", "parameters", "image_url", "url"),
    *("source", "data", "input", "tools", "max_uses", "cache_control"),
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(NAMES) | st.text(max_size=8),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
FIELDS = (
    *("messages", "input", "system", "instructions", "tools", "functions", "max_tokens", "n"),
    *("max_completion_tokens", "max_output_tokens", "service_tier", "speed", "inference_geo"),
    *("modalities", "web_search_options", "max_tool_calls", "mcp_servers", "response_format"),
    *("previous_response_id", "thinking", "tool_choice", "dimensions", "stream", "metadata"),
)
good = st.sampled_from(
    [
        {"messages": [{"role": "user", "content": "hi"}]},
        {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 10},
        {"input": "hi"},
    ]
)


@given(
    st.sampled_from(MODELS) | anything,
    good,
    st.dictionaries(st.sampled_from(FIELDS), anything, max_size=5),
)
def test_any_body_is_estimated_or_refused(
    model: object, base: dict[str, Any], more: dict[str, Any]
) -> None:
    """Bodies of all shapes; what is answered is in order and adds up."""
    try:
        found = scrimp.estimate({"model": model, **base, **more})
    except (InvalidRequest, PriceUnknown):
        return
    assert found.input.low <= found.input.tokens <= found.input.high
    assert found.output.low <= found.output.tokens <= found.output.high
    assert found.cost_nanousd is not None
    assert 0 <= found.low_nanousd <= found.cost_nanousd <= found.upper_nanousd
    assert found.cost_nanousd == sum(line.nanousd for line in found.lines)
    assert found.upper_nanousd == sum(line.nanousd for line in found.upper_lines)


@given(anything, st.sampled_from(MODELS), st.sampled_from(["", "openai", "xai", "nobody"]))
def test_any_usage_is_priced_or_unknown(usage: object, model: str, provider: str) -> None:
    """Never $0 for what cannot be read; the lines make the total."""
    try:
        cost = scrimp.price(usage, model, provider)
    except PriceUnknown:
        return
    assert cost.nanousd == sum(line.nanousd for line in cost.lines)


@given(st.text(max_size=200))
def test_any_text_is_counted(text: str) -> None:
    """The rough rule's bounds hold what the tokenizer says."""
    exact, rough = scrimp.count(text, "gpt-4o"), rough_count(text)
    assert rough.low <= exact.tokens <= rough.high
    assert rough.low <= rough.tokens <= rough.high
