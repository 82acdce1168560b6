"""What is never answered by meaning, and the reason that the trace gives."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.calls import Call, Task
from scrimp.dialects import DIALECTS
from scrimp.semantics.bypass import BypassRules, why_not_call, why_not_question
from scrimp.semantics.question import Question, Unasked, question_of
from tests.support.core import call_of, chat_fields

RULES = BypassRules(words=frozenset({"ledger"}))


def cut(call: Call) -> Question | Unasked:
    """The question in the call's own dialect."""
    return question_of(call.request, DIALECTS[call.target.dialect])


def reason_of(text: str, *before: dict[str, Any]) -> str:
    """Why a text is not answered by meaning, after these turns."""
    fields = chat_fields(text)
    found = cut(call_of({**fields, "messages": [*before, *fields["messages"]]}))
    return found.reason if isinstance(found, Unasked) else why_not_question(found, RULES)


@pytest.mark.parametrize(
    "text",
    [
        "How do I reset my password?",
        "My card has not arrived yet",
        "Why was I charged twice for one purchase?",
        "What is your refund policy?",
        "How can I change my address?",
        "Which documents do you need to verify my identity?",
        "Is it possible to top up by cheque",
        "What's the capital of France?",
        "Wie kann ich mein Passwort ändern?",
        "フランスの首都はどこですか",
        "Explain the difference between TCP and UDP.",
        "How do I select a plan from the list?",
        "Which item(s) can I return?",
        "Where is my PIN printed?",
    ],
)
def test_plain_questions_may_be_answered(text: str) -> None:
    """What has one answer for everybody is looked up by meaning."""
    assert reason_of(text) == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("What is the weather in Oslo?", "time"),
        ("Who is the president of France?", "time"),
        ("What is the latest version of Python?", "time"),
        ("How much did we sell last month in total?", "time"),
        ("What is my balance?", "personal"),
        ("Where is my last parcel please", "personal"),
        ("Am I allowed to open a second account?", "personal"),
        ("Hello, my name is Ada, what can you do for me?", "personal"),
        ("Why does for (i=0;i<3;i++) {} not end;", "code"),
        ("What is 17 * 23?", "code"),
        ("```\nprint(1)\n```", "code"),
        ("Is https://example.com/a safe to open?", "literal"),
        ("Please write to ada@example.com for me", "literal"),
        ("What happened to order A7731XK92?", "literal"),
        ("Who owns the number +49 170 1234567?", "literal"),
        ('Make this shorter: "' + "the quick brown fox jumps over it " * 2 + '"', "literal"),
        ("What is the current price of gold?", "time"),
        ("When is the next train to Oslo?", "time"),
        ("Who won the match last night?", "time"),
        ("How many days until Christmas?", "time"),
        ("\uff37\uff48\uff41\uff54 time is it?", "time"),
        ("What ti\u200bme is it?", "time"),
        ("Wie spät ist es?", "time"),
        ("Wo ist meine Bestellung?", "personal"),
        ("Où est ma commande ?", "personal"),
        ("¿Dónde está mi pedido?", "personal"),
        ("What did I ask you before?", "personal"),
        ("Is it safe? My pin is 9921", "personal"),
        ("What does print('hi') do?", "code"),
        ("Why is SELECT * FROM users slow", "code"),
        ("How is the ledger kept?", "word_of_settings"),
        ("", "no_text"),
        ("1234 5678", "not_words"),
        ("\x00\x01\x02 abc", "not_words"),
        ("What does this say?\n\nA first paragraph.\n\nA second one.", "several_paragraphs"),
        ("why " * 200, "long_text"),
    ],
)
def test_each_refusal_has_its_reason(text: str, reason: str) -> None:
    """What depends on the day, the person or the very words is answered word for word only."""
    assert reason_of(text) == reason


HISTORY = (
    {"role": "user", "content": "What does the Pro plan cost?"},
    {"role": "assistant", "content": "$20 a month."},
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("How do I reset my password?", ""),
        ("Can I pay for it by the year?", "leans_on_history"),
        ("And for the cheaper plan instead?", "leans_on_history"),
        ("What about the Team plan?", "leans_on_history"),
        ("Really?", "leans_on_history"),
    ],
)
def test_later_turns_must_stand_alone(text: str, reason: str) -> None:
    """A turn that points back means something else after another history."""
    assert reason_of(text, *HISTORY) == reason


def test_what_came_from_tools_is_not_answered_by_meaning() -> None:
    """Results of tools are facts of one moment."""
    called = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]}
    result = {"role": "tool", "tool_call_id": "1", "content": "12 degrees"}
    assert reason_of("How do I reset a password?", *HISTORY, called, result) == "tool_results"
    block = {"type": "tool_result", "tool_use_id": "1", "content": "12"}
    fields = {
        "model": "claude-haiku-4-5",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": [block, {"type": "text", "text": "And?"}]}],
    }
    assert cut(call_of(fields, dialect="anthropic.messages")) == Unasked("tool_results")
    given = [
        {"type": "function_call_output", "call_id": "1", "output": "12"},
        {"role": "user", "content": "How do I reset a password?"},
    ]
    asked = call_of({"model": "gpt-4o-mini", "input": given}, dialect="openai.responses")
    assert cut(asked) == Unasked("tool_results")


@pytest.mark.parametrize(
    ("dialect", "part"),
    [
        ("openai.chat", {"type": "image_url", "image_url": {"url": "data:,"}}),
        ("openai.chat", {"type": "file", "file": {"file_id": "f"}}),
        ("anthropic.messages", {"type": "document", "source": {"type": "text", "data": "x"}}),
        ("openai.responses", {"type": "input_image", "image_url": "data:,"}),
    ],
)
def test_attachments_are_not_answered_by_meaning(dialect: str, part: dict[str, Any]) -> None:
    """Nobody has read what is attached."""
    name = "input" if dialect == "openai.responses" else "messages"
    kind = "input_text" if dialect == "openai.responses" else "text"
    content = [part, {"type": kind, "text": "What is on this picture?"}]
    fields = {"model": "m", "max_tokens": 9, name: [{"role": "user", "content": content}]}
    assert cut(call_of(fields, dialect=dialect)) == Unasked("attachments")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"operation": "embeddings"}, "not_a_chat"),
        ({"cache": replace(call_of().cache, mode="no-store")}, "no_store"),
        ({"task": Task("translation", "header")}, "task_word_for_word"),
        ({"task": Task("code_generation", "header")}, "task_word_for_word"),
    ],
)
def test_some_calls_are_not_even_read(changes: dict[str, Any], reason: str) -> None:
    """By what the call itself says."""
    assert why_not_call(call_of(**changes), 60, RULES) == reason


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"temperature": 1.5}, "temperature"),
        ({"n": 2}, "several_choices"),
        ({"store": True}, "stateful"),
        ({"web_search_options": {}}, "side_effects"),
    ],
)
def test_what_the_exact_cache_refuses_is_refused_here(more: dict[str, Any], reason: str) -> None:
    """Variety, state and acts."""
    assert why_not_call(call_of(chat_fields(**more)), 60, RULES) == reason
    assert why_not_call(call_of(), 0, RULES) == "task_never_cached"


@pytest.mark.parametrize(
    ("text", "asked", "context"),
    [
        (
            "Use these passages:\nA cat sleeps.\n\nQuestion: Where do cats sleep?",
            "Where do cats sleep?",
            ("Use these passages:\nA cat sleeps.\n\nQuestion: ", ""),
        ),
        (
            "<docs>A cat sleeps.</docs>\n<question>Where do cats sleep?</question> Be brief.",
            "Where do cats sleep?",
            ("<docs>A cat sleeps.</docs>\n<question>", "</question> Be brief."),
        ),
    ],
)
def test_passages_are_no_part_of_the_question(
    text: str, asked: str, context: tuple[str, str]
) -> None:
    """They go into the scope, whole; only what is asked is compared by meaning."""
    found = cut(call_of(chat_fields(text)))
    assert isinstance(found, Question)
    assert (found.text, found.context) == (asked, context)


def test_of_several_parts_the_last_text_asks() -> None:
    """Passages in parts of their own stay in the scope, with whatever the part says beside."""
    parts = [
        {"type": "text", "text": "A cat sleeps.", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "Where do cats sleep?"},
    ]
    fields = {
        "model": "claude-haiku-4-5",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": parts}],
    }
    found = cut(call_of(fields, dialect="anthropic.messages"))
    assert isinstance(found, Question)
    assert found.text == "Where do cats sleep?"
    assert found.rest["messages"][0]["content"] == [parts[0], {"type": "text", "text": None}]
    assert fields["messages"][0]["content"] == parts  # type: ignore[index]  # nothing was changed
