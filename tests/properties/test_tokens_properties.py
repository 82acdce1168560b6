"""A count's bounds hold its estimate for every text, and grow with it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scrimp.tokens import count_request, encoding_for, scale
from scrimp.tokens.images import claude_image, openai_image

models = st.sampled_from(
    ["gpt-4", "gpt-4o", "gpt-5", "gpt-5-mini", "claude-sonnet-4-5", "claude-opus-5", "grok-4"]
)
KEYS = (
    *("role", "content", "name", "type", "text", "tools", "function", "parameters"),
    *("properties", "enum", "description", "source", "input", "image_url", "url"),
)
sides = st.integers(1, 20_000)


@given(st.integers(0, 10**9), models)
def test_scale_keeps_its_order(raw: int, model: str) -> None:
    """The estimate is inside its range."""
    count = scale(raw, encoding_for(model))
    assert 0 <= count.low <= count.tokens <= count.high


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=25,
)


@given(
    st.dictionaries(
        st.sampled_from(["messages", "tools", "functions", "system", "response_format"]),
        json_values,
    ),
    models,
    st.sampled_from(["openai.chat", "anthropic.messages"]),
)
def test_any_json_is_counted(fields: dict[str, object], model: str, dialect: str) -> None:
    """No body, however odd, makes counting fail or its bounds cross."""
    count = count_request(fields, dialect, model, len)
    assert 0 <= count.low <= count.tokens <= count.high


@given(models, sides, sides)
def test_image_bounds(model: str, width: int, height: int) -> None:
    """Any size of image has a positive range around its estimate."""
    for low, guess, high in (
        openai_image(model, (width, height)),
        claude_image(model, (width, height)),
    ):
        assert 0 <= low <= guess <= high
        assert high < 200_000
