"""Bad requests get the refusal that the vendor would give, and never another exception."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrimp.simulator import anthropic_requests, openai_requests
from scrimp.simulator.conversation import Question, Refusal

HELLO = [{"role": "user", "content": "Hello"}]
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"messages": HELLO}, 400, "model"),
        ({"model": "gpt-9", "messages": HELLO}, 404, None),
        ({"model": "claude-haiku-4-5", "messages": HELLO}, 404, None),
        ({"model": "gpt-4o"}, 400, "messages"),
        ({"model": "gpt-4o", "messages": []}, 400, "messages"),
        ({"model": "gpt-4o", "messages": ["x"]}, 400, "messages[0]"),
        ({"model": "gpt-4o", "messages": [{"role": "boss"}]}, 400, "messages[0].role"),
        ({"model": "gpt-4o", "messages": HELLO, "max_tokens": 0}, 400, "max_tokens"),
        ({"model": "gpt-4o", "messages": HELLO, "n": 1000}, 400, "n"),
        ({"model": "gpt-4o", "messages": HELLO, "stream": "yes"}, 400, "stream"),
        ({"model": "gpt-4o", "messages": HELLO, "stream_options": {}}, 400, "stream_options"),
    ],
)
def test_openai_names_the_parameter_at_fault(
    body: dict[str, Any], status: int, param: str | None
) -> None:
    """Status and `param` are what the SDK shows to its user."""
    with pytest.raises(Refusal) as refused:
        openai_requests.read(body)
    assert (refused.value.status, refused.value.param) == (status, param)


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"max_tokens": None}, 400, "max_tokens"),
        ({"messages": []}, 400, "messages"),
        ({"model": "gpt-4o"}, 404, "gpt-4o"),
        ({"messages": [{"role": "tool", "content": "x"}]}, 400, "role"),
        ({"thinking": {"type": "enabled", "budget_tokens": 10}}, 400, "1024"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, 400, "2000"),
    ],
)
def test_anthropic_says_which_field_and_why(
    change: dict[str, Any], status: int, words: str
) -> None:
    """The message holds the field or the number that is wrong."""
    body = {"model": "claude-haiku-4-5", "max_tokens": 1500, "messages": HELLO, **change}
    with pytest.raises(Refusal, match=words) as refused:
        anthropic_requests.read(body)
    assert refused.value.status == status


def status_of(read: Callable[[Mapping[str, Any]], Question], body: dict[str, Any]) -> int:
    """200 for a question, the status of a refusal otherwise."""
    try:
        read(body)
    except Refusal as refusal:
        return refusal.status
    return 200


@given(field=st.sampled_from(["messages", "tools", "tool_choice", "stop", "n"]), value=JSON_VALUES)
def test_openai_survives_any_value_in_any_field(field: str, value: object) -> None:
    """A question or a refusal, nothing else."""
    body = {"model": "gpt-4o", "messages": HELLO, field: value}
    assert status_of(openai_requests.read, body) in {200, 400}


@given(
    field=st.sampled_from(["messages", "system", "tools", "tool_choice", "thinking", "max_tokens"]),
    value=JSON_VALUES,
)
def test_anthropic_survives_any_value_in_any_field(field: str, value: object) -> None:
    """A question or a refusal, nothing else."""
    body = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": HELLO, field: value}
    assert status_of(anthropic_requests.read, body) in {200, 400}
