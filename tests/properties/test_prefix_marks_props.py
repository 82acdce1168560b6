"""Whatever a prompt is: telling of it changes nothing else, and the body is what the fields say."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scrimp.prefixes.planning import Plan, Prices
from scrimp.prefixes.prompt import Keys, encoded, prompt_of
from scrimp.prefixes.rules import ANTHROPIC, OPENAI, OPENAI_FREE, Rules
from scrimp.prefixes.telling import TOLD_FIELDS, Terms, Way, parts_of, told

PRICES = Prices(1000, 100, (1250, 2000))
TEXT = st.one_of(st.text(max_size=30), st.sampled_from(["", "same", '"role":"user"', "é\n\\"]))
CHAT_PART = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": TEXT}),
    st.just({"type": "image_url", "image_url": {"url": "data:,"}}),
)
CONTENT = st.one_of(TEXT, st.lists(CHAT_PART, max_size=3), st.none())
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system", "tool"]), "content": CONTENT},
    optional={"tool_call_id": TEXT, "name": TEXT},
)
TOOL = st.fixed_dictionaries({"name": TEXT, "description": TEXT})
FIELDS = st.fixed_dictionaries(
    {"model": st.just("m"), "messages": st.lists(MESSAGE, min_size=1, max_size=6)},
    optional={
        "tools": st.lists(TOOL, max_size=3),
        "system": st.one_of(TEXT, st.lists(CHAT_PART, min_size=1, max_size=2)),
        "metadata": st.dictionaries(TEXT, TEXT, max_size=2),
    },
)
RESULT = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["function_call_output", "custom_tool_call_output", "other"]),
        "call_id": TEXT,
        "output": CONTENT,
    }
)
ITEMS = st.lists(st.one_of(MESSAGE, RESULT), max_size=12)
RESPONSE = st.fixed_dictionaries(
    {"model": st.just("m"), "input": st.one_of(TEXT, ITEMS)},
    optional={"instructions": TEXT, "tools": st.lists(TOOL, max_size=2)},
)
WAYS: list[tuple[Way, Rules]] = [
    ("claude", ANTHROPIC),
    ("translated", ANTHROPIC),
    ("messages", OPENAI),
    ("messages", OPENAI_FREE),
    ("chat", OPENAI),
    ("chat", OPENAI_FREE),
]


def bare(value: Any) -> Any:
    """Without what was told, a text being as good as a list of that one text."""
    if isinstance(value, dict):
        kept = {name: bare(one) for name, one in value.items() if name not in TOLD_FIELDS}
        if isinstance(kept.get("input"), str):
            kept["input"] = [{"role": "user", "content": bare(kept["input"])}]
        return kept
    if isinstance(value, list):
        only = value[0] if len(value) == 1 and isinstance(value[0], dict) else {}
        if only.get("type") in ("text", "input_text") and isinstance(only.get("text"), str):
            return only["text"]
        return [bare(one) for one in value]
    return value


def check(fields: dict[str, Any], way: Way, rules: Rules, picked: list[bool], indent: int) -> None:
    """With marks at any of the places, in bodies of any form."""
    prompt = prompt_of(parts_of(fields, way), "m")
    chosen = [at for at, pick in zip(range(len(prompt.pieces)), picked, strict=False) if pick]
    found = Plan(-1, tuple(chosen[:4]), 0, 0, (), 10_000, 0, 10_000)
    made = told(fields, prompt, found, Terms(rules, PRICES, way), keys=Keys())
    if made is None:
        return
    body = json.dumps(fields, indent=indent or None, ensure_ascii=bool(indent)).encode()
    if not indent:
        body = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
    sent = encoded(body, fields, made.fields, made.new)
    assert json.loads(sent) == made.fields
    before, after = bare(json.loads(body)), bare(made.fields)
    assert bare(before) == bare(after)


@given(FIELDS, st.sampled_from(WAYS), st.lists(st.booleans(), min_size=8), st.integers(0, 2))
def test_what_is_told_changes_nothing_else(
    fields: dict[str, Any], ways: tuple[Way, Rules], picked: list[bool], indent: int
) -> None:
    """In chats and messages, compact or not, with equal messages and texts that look like JSON."""
    check(fields, *ways, picked, indent)


@given(RESPONSE, st.lists(st.booleans(), min_size=8), st.integers(0, 2))
def test_nor_does_it_in_responses(fields: dict[str, Any], picked: list[bool], indent: int) -> None:
    """A string of input becomes the message that it stands for."""
    check(fields, "responses", OPENAI, picked, indent)
