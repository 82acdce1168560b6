"""Pack: responses, and calls whose answers have a form, share prompts and are held to it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.dialects import DIALECTS
from tests.support.core import verdicts
from tests.support.packs import (
    RULES,
    Office,
    adds_up,
    message,
    office,
    question,
    response,
    said,
    text_of,
)

SCHEMA = {
    "type": "object",
    "properties": {"text": {"type": "string"}, "n": {"type": "integer"}},
    "required": ["text"],
    "additionalProperties": False,
}
CHAT: dict[str, Any] = {
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}
}
RESPONSE: dict[str, Any] = {
    "text": {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA}}
}
CLAUDE: dict[str, Any] = {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}


def written(text: str) -> str:
    """What the provider answers to one item."""
    return json.dumps({"text": text})


def why(scene: Office, number: int) -> list[object]:
    """Why calls went by themselves."""
    lines = [line for line in scene.sent[number].trace.lines if line.lever == "pack"]
    return [value for line in lines for name, value in line.numbers if name == "why"]


async def test_responses_share_a_prompt_and_each_gets_a_response_of_its_own() -> None:
    """Whether their input is a text or messages; parts of tokens and bill add up."""
    async with office(calls=3) as scene:
        forms: list[Any] = [
            "Text 0",
            [{"role": "user", "content": "Text 1"}],
            [
                {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "Text 2"}],
                }
            ],
        ]
        sent = [scene.send(response(one), dialect="openai.responses") for one in forms]
        replies = await asyncio.gather(*sent)
    (asked,) = scene.provider.asked
    assert asked.request.fields["instructions"] == RULES
    assert asked.request.fields["store"] is False
    assert asked.request.fields["max_output_tokens"] > 60
    assert [text_of(reply) for reply in replies] == [said(f"Text {n}") for n in range(3)]
    for number, reply in enumerate(replies):
        assert reply.body is not None
        fields = json.loads(reply.body)
        assert fields["id"] == f"resp_1-{number + 1}"
        assert fields["status"] == "completed"
        assert "max_output_tokens" not in fields  # that of the prompt is nobody's own
        assert b"thoughts" not in reply.body
        facts = DIALECTS["openai.responses"].read_reply(reply.body)
        assert facts.complete
        assert reply.facts.usage is not None
        assert facts.usage == replace(reply.facts.usage, terms=None)  # a client has its own part
    adds_up(scene)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"store": True}, "acts"),
        ({"store": None}, "stored"),
        ({"previous_response_id": "r"}, "field previous_response_id"),
        ({"include": []}, "field include"),
        ({"input": []}, "not_one_question"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "not_one_question"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "acts"),
        ({"instructions": "Be kind."}, "short_rules"),
        ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "schema"),
        ({"text": {"new": 1}}, "field text"),
    ],
)
async def test_responses_that_are_more_than_a_question_are_left_alone(
    changes: dict[str, Any], reason: str
) -> None:
    """What is kept at the provider, too: it has one id there, and that of the whole prompt."""
    async with office(calls=2) as scene:
        await scene.send(response(**changes), dialect="openai.responses")
    assert why(scene, 0) == [reason]


@pytest.mark.parametrize(
    ("dialect", "fields"),
    [
        ("openai.chat", [question(f"Text {n}", **CHAT) for n in range(3)]),
        ("openai.responses", [response(f"Text {n}", **RESPONSE) for n in range(3)]),
        ("anthropic.messages", [message(f"Text {n}", **CLAUDE) for n in range(3)]),
    ],
)
async def test_answers_of_a_schema_are_served_where_they_keep_to_it(
    dialect: str, fields: list[dict[str, Any]]
) -> None:
    """One does not: it is asked again by itself, in the form that the provider holds it to."""
    async with office(calls=3) as scene:
        scene.provider.answer = written
        scene.provider.spoils = lambda text: text.replace('"Text 1"', "7")
        replies = await asyncio.gather(*[scene.send(one, dialect=dialect) for one in fields])
    packed, alone = scene.provider.asked
    assert alone.request.fields == fields[1]
    assert not {"response_format", "text", "output_config"} & packed.request.fields.keys()
    assert [text_of(reply) for reply in replies] == [written(f"Text {n}") for n in range(3)]
    assert [why(scene, n) for n in range(3)] == [[], ["no_certain_answer"], []]
    adds_up(scene)


async def test_json_mode_is_kept_to() -> None:
    """Objects are served, without the fence that some models put around them."""
    async with office(calls=3) as scene:
        scene.provider.answer = lambda text: (
            f'```json\n{{"a": "{text}"}}\n```' if text != "Text 2" else "[1]"
        )
        form: dict[str, Any] = {"response_format": {"type": "json_object"}}
        sent = [scene.send(question(f"Text {n}", **form)) for n in range(3)]
        replies = await asyncio.gather(*sent)
    assert [text_of(one) for one in replies[:2]] == ['{"a": "Text 0"}', '{"a": "Text 1"}']
    assert why(scene, 2) == ["no_certain_answer"]


async def test_calls_of_different_forms_never_meet() -> None:
    """Their kinds are different."""
    async with office(calls=2) as scene:
        scene.provider.answer = written
        other = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
        sent = [
            scene.send(question("a", **CHAT)),
            scene.send(question("b", response_format=other)),
            scene.send(question("c")),
        ]
        await asyncio.sleep(0)
        for timer in scene.timers:
            timer.go_off()
        await asyncio.gather(*sent)
    assert [verdicts(call, "pack") for call in scene.sent] == [["asked_alone"]] * 3
    assert len(scene.provider.asked) == 3
