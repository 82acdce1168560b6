"""Presets: names that people write, words that models are told, places for a line."""

from __future__ import annotations

from typing import Any

import pytest

import scrimp
from scrimp.clamping.placing import in_json_mode, instructed, opening, stopped
from scrimp.clamping.presets import brief_of, canonical
from scrimp.errors import InvalidRequest


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("concise", "concise"),
        (" JSON only ", "json"),
        ("json object", "json object"),
        ("code only", "code"),
        ("one  paragraph", "one paragraph"),
        ("one sentence", "1 sentence"),
        ("3-sentences", "3 sentences"),
        ("50 sentences, ALWAYS", "50 sentences, always"),
        ("off", "off"),
        ("", ""),
    ],
)
def test_a_preset_has_one_spelling(written: str, name: str) -> None:
    """However it is written, keys and headers have one name for it."""
    assert canonical(written) == name
    assert canonical(name) == name


@pytest.mark.parametrize(
    "written", ["short", "0 sentences", "51 sentences", "n sentences", "json, perhaps", ", always"]
)
def test_what_is_no_preset_is_refused_by_name(written: str) -> None:
    """The error names what there is."""
    with pytest.raises(ValueError, match=r"concise|always"):
        canonical(written)


def told(fields: dict[str, Any], dialect: str) -> dict[str, Any]:
    """The fields with a line `LINE`."""
    found = instructed(fields, dialect, "LINE")
    assert found is not None
    return found


USER = {"role": "user", "content": "hi"}


def test_the_line_stands_behind_all_instructions_and_before_the_conversation() -> None:
    """What was there stays what it was, so that its beginning is cached as before."""
    marked = {"type": "text", "text": "Rules", "cache_control": {"type": "ephemeral"}}
    line = {"type": "text", "text": "LINE"}
    chat = [{"role": "system", "content": "A"}, {"role": "developer", "content": "B"}, USER]
    assert told({"messages": chat}, "openai.chat")["messages"] == [
        chat[0],
        {"role": "developer", "content": "B\n\nLINE"},
        USER,
    ]
    first = told({"messages": [USER]}, "openai.chat")["messages"][0]
    assert first == {"role": "system", "content": "LINE"}
    assert told({"system": [marked]}, "anthropic.messages")["system"] == [marked, line]
    assert told({"system": "A"}, "anthropic.messages")["system"] == "A\n\nLINE"
    assert told({}, "anthropic.messages")["system"] == "LINE"
    assert told({"input": "hi", "instructions": "A"}, "openai.responses") == {
        "input": "hi",
        "instructions": "A\n\nLINE",
    }
    items = [{"role": "system", "content": [{"type": "input_text", "text": "A"}]}, USER]
    new = told({"input": items, "instructions": "I"}, "openai.responses")
    assert new["instructions"] == "I", "an item stands behind the instructions"
    assert new["input"][0]["content"][-1] == {"type": "input_text", "text": "LINE"}
    assert new["input"][1] is USER


@pytest.mark.parametrize("content", [7, {"odd": 1}])
def test_there_is_no_place_in_what_nobody_knows(content: object) -> None:
    """Then nothing is asked for."""
    assert instructed({"system": content}, "anthropic.messages", "LINE") is None
    assert instructed({"messages": "odd"}, "openai.chat", "LINE") is None


def test_stops_and_json_mode_are_fields_of_some_dialects() -> None:
    """A client's own stay; responses have no stops, Anthropic no JSON mode."""
    assert stopped({"stop": ["a"]}, "openai.chat", ["b"]) is None
    assert stopped({}, "openai.responses", ["b"]) is None
    assert stopped({}, "anthropic.messages", list("abcdef")) == {"stop_sequences": list("abcd")}
    assert in_json_mode({}, "anthropic.messages") is None
    assert in_json_mode({"tools": [1]}, "openai.chat") is None
    assert in_json_mode({"input": "as you like"}, "openai.responses") is None
    found = in_json_mode({"input": "as JSON"}, "openai.responses")
    assert found is not None
    assert found[0]["text"] == {"format": {"type": "json_object"}}


def test_the_opening_of_a_conversation_is_its_first_question() -> None:
    """Whether the model has answered since tells a first turn from a later one."""
    parts = {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image"}]}
    answer = {"role": "assistant", "content": "b"}
    assert opening({"messages": [parts]}, "openai.chat") == ("a", False)
    assert opening({"messages": [parts, answer, USER]}, "openai.chat") == ("a", True)
    assert opening({"input": "a"}, "openai.responses") == ("a", False)
    assert opening({}, "openai.chat") == ("", False)


def test_a_line_without_an_engine() -> None:
    """In a text and in messages; what was given stays as it was."""
    assert scrimp.brief("Why?") == "Why?\n\nBe brief: " + scrimp.brief("Why?").split(": ", 1)[1]
    found = scrimp.brief([USER], "2 sentences")
    assert found == [{"role": "user", "content": "hi\n\nAnswer in at most 2 sentences."}]
    assert USER["content"] == "hi"
    for bad in ("off", "short"):
        with pytest.raises(InvalidRequest, match="concise"):
            scrimp.brief("x", bad)
    with pytest.raises(InvalidRequest, match="none of 0 messages"):
        scrimp.brief([])


def test_one_sentence_is_asked_for_in_good_words() -> None:
    """No `at most 1 sentences`."""
    found = brief_of("1 sentence")
    assert found is not None
    assert found.text == "Answer in one sentence."
