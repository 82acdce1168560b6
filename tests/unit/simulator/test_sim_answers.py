"""What the simulated model says: fitting, deterministic, within its limits."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from scrimp.simulator import anthropic_requests, openai_requests
from scrimp.simulator.conversation import Question
from scrimp.simulator.production import produce

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "kelvin"]}},
            "required": ["city"],
        },
    },
}


def ask(text: str, model: str = "gpt-4o-mini", **more: Any) -> Question:
    """A question in OpenAI's shape."""
    return openai_requests.read(
        {"model": model, "messages": [{"role": "user", "content": text}], **more}
    )


def test_equal_conversations_get_equal_answers() -> None:
    """The answer is a function of the messages alone."""
    first, again = produce(ask("Where is my parcel?")), produce(ask("Where is my parcel?"))
    other = produce(ask("How do I cancel my plan?"))
    assert first.choices == again.choices
    assert first.pieces == again.pieces
    assert first.choices != other.choices


def test_a_support_answer_is_about_the_question() -> None:
    """A question about a refund is answered with a sentence about returns."""
    text = produce(ask("Can I get a refund for my order?")).choices[0].text
    assert any(word in text.lower() for word in ("refund", "return", "opened items"))


def test_answers_vary_in_length_around_what_is_typical() -> None:
    """Two hundred questions: between 5 and 200 tokens each, and not all alike."""
    sizes = [produce(ask(f"Question {n}?")).usage().output_tokens for n in range(200)]
    assert min(sizes) >= 5
    assert max(sizes) <= 200
    assert len(set(sizes)) > 30


@pytest.mark.parametrize(
    "prompt",
    [
        "Classify the ticket as one of: billing, shipping, technical or account.",
        "Answer with exactly one of these labels: billing, shipping, technical, account.",
        "Categories:\n- billing\n- shipping\n- technical\n- account",
    ],
)
def test_a_classifier_gets_exactly_one_of_its_labels(prompt: str) -> None:
    """And the right one, where the text names the matter."""
    question = openai_requests.read(
        {
            "model": "gpt-4.1-nano",
            "messages": [
                {"role": "system", "content": prompt},
                {"role": "user", "content": "I was charged twice, see the billing page"},
            ],
        }
    )
    assert produce(question).choices[0].text == "billing"


def test_a_matching_tool_is_called_with_arguments_from_the_question() -> None:
    """The city comes from the question, the unit from the schema."""
    choice = produce(ask("What is the weather in Paris, in kelvin?", tools=[WEATHER])).choices[0]
    assert choice.finish == "tool_calls"
    assert choice.text == ""
    assert choice.calls[0].tool == "get_weather"
    assert json.loads(choice.calls[0].arguments) == {"city": "Paris", "unit": "kelvin"}


def test_tools_are_left_alone_where_they_do_not_fit_or_must_not_be_used() -> None:
    """An unrelated question and `tool_choice: none` get text; `required` gets a call."""
    unrelated = "How do I reset my password?"
    weather = "The weather in Rome?"
    assert not produce(ask(unrelated, tools=[WEATHER])).choices[0].calls
    assert not produce(ask(weather, tools=[WEATHER], tool_choice="none")).choices[0].calls
    assert produce(ask(unrelated, tools=[WEATHER], tool_choice="required")).choices[0].calls


def test_after_a_tool_result_the_model_speaks() -> None:
    """The text repeats what the tool said."""
    messages = [
        {"role": "user", "content": "The weather in Paris?"},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "tool_call_id": "call_1", "content": "18 degrees and rain"},
    ]
    question = openai_requests.read({"model": "gpt-4o", "messages": messages, "tools": [WEATHER]})
    choice = produce(question).choices[0]
    assert not choice.calls
    assert "18 degrees and rain" in choice.text


def test_json_is_json_and_fits_its_schema() -> None:
    """Objects, arrays, enums, numbers in range, references."""
    schema = {
        "type": "object",
        "properties": {
            "mood": {"$ref": "#/$defs/mood"},
            "score": {"type": "number", "minimum": 0, "maximum": 1},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
            "order": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        },
        "required": ["mood", "score", "tags", "order"],
        "$defs": {"mood": {"enum": ["angry", "calm"]}},
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    found = json.loads(produce(ask("I am quite calm", response_format=wanted)).choices[0].text)
    assert found["mood"] == "calm"
    assert 0 <= found["score"] <= 1
    assert len(found["tags"]) == 2
    assert isinstance(found["order"], int)
    plain = produce(ask("Any JSON", response_format={"type": "json_object"})).choices[0].text
    assert isinstance(json.loads(plain), dict)


@pytest.mark.parametrize("limit", [1, 2, 5, 17, 40])
def test_a_limit_is_kept_to_the_token(limit: int) -> None:
    """The cut answer is a beginning of the whole one, and ends for its length."""
    whole = produce(ask("How do I reset my password?"))
    cut = produce(ask("How do I reset my password?", max_tokens=limit))
    assert cut.usage().output_tokens == limit
    assert cut.choices[0].finish == "length"
    assert whole.choices[0].text.startswith(cut.choices[0].text)


def test_a_stop_sequence_ends_the_answer_before_itself() -> None:
    """Nothing of the sequence is said, and it is named as the reason."""
    whole = produce(ask("How do I reset my password?")).choices[0].text
    stop = whole.split()[4]
    choice = produce(ask("How do I reset my password?", stop=[stop])).choices[0]
    assert choice.text == whole[: whole.index(stop)]
    assert (choice.finish, choice.stopped_by) == ("stop_sequence", stop)


def test_several_choices_differ_and_are_all_billed() -> None:
    """The output of three choices is the sum of the three."""
    three = produce(ask("Tell me something", n=3))
    each = [
        sum(piece.raw_tokens for piece in three.pieces if piece.choice == number)
        for number in range(3)
    ]
    assert len({choice.text for choice in three.choices}) == 3
    assert three.usage().output_tokens == sum(each)


def test_usage_grows_with_what_was_produced_and_ends_at_the_whole() -> None:
    """Never more for fewer pieces; nothing but input before the first."""
    made = produce(ask("Explain a mutex in python code"))
    steps = [made.usage(count).total_output_tokens for count in range(len(made.pieces) + 1)]
    assert steps[0] == 0
    assert steps == sorted(steps)
    assert made.usage(len(made.pieces)) == made.usage()


def test_reasoning_models_think_unseen_and_are_paid_for_it() -> None:
    """gpt-5 reports reasoning in steps of 64; `minimal` effort has none; gpt-4o never has."""
    thinks = produce(ask("Why is the sky blue?", "gpt-5")).usage().reasoning_tokens
    assert thinks > 0
    assert thinks % 64 == 0
    quick = ask("Why is the sky blue?", "gpt-5", reasoning_effort="minimal")
    assert produce(quick).usage().reasoning_tokens == 0
    assert produce(ask("Why is the sky blue?")).usage().reasoning_tokens == 0


def test_claude_counts_about_15_percent_more_for_the_same_words() -> None:
    """The factor applies to input and output alike."""
    text = "How do I reset my password? " * 20
    claude = anthropic_requests.read(
        {
            "model": "claude-haiku-4-5",
            "max_tokens": 500,
            "messages": [{"role": "user", "content": text}],
        }
    )
    gpt = ask(text)
    assert 1.1 < claude.usage.input_tokens / gpt.usage.input_tokens < 1.2
    same = replace(gpt, model=claude.model)
    assert produce(same).usage().output_tokens > produce(gpt).usage().output_tokens
