"""A call as its target's provider is asked, and whether it can be."""

from __future__ import annotations

from msgspec.structs import replace

from scrimp.calls import Target
from scrimp.errors import InvalidRequest
from tests.support.translating import CHAT, chat, translator


def test_a_limit_that_the_call_did_not_set_is_not_the_calls() -> None:
    """What is held is the same; but who is refused for it should hear that it set none."""
    assert translator().as_sent(chat()).request.max_output_tokens is None
    assert translator().as_sent(chat(fields={"max_tokens": 7})).request.max_output_tokens == 7
    unknown = replace(chat(), target=Target("anthropic", "claude-nobody-knows", CHAT))
    assert translator().as_sent(unknown).request.max_output_tokens == 4096


def test_arguments_that_are_nested_beyond_all_sense_are_refused() -> None:
    """They come in as a text, which nobody has looked into: translated or refused, never broken."""
    refused = 0
    for depth in range(100, 1200, 10):
        function = {"name": "f", "arguments": '{"a":' * depth + "1" + "}" * depth}
        calls = [{"id": "c", "type": "function", "function": function}]
        turns = [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "tool_calls": calls},
            {"role": "tool", "tool_call_id": "c", "content": "x"},
        ]
        try:
            translator().as_sent(chat(fields={"messages": turns}))
        except InvalidRequest:
            refused += 1
    assert refused < 110


def test_why_a_call_cannot_go_to_a_target() -> None:
    """For whoever chooses one; nothing where it can, translated or not."""
    one = translator()
    call = chat(fields={"n": 2})
    assert "'n'" in one.why_not(call.request, call.target)
    assert one.why_not(call.request, Target("openai", "gpt-4o", CHAT)) == ""
    assert one.why_not(chat().request, call.target) == ""
