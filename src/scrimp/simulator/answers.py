"""What the model says: a pure function of the conversation, believable and never clever."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import msgspec

from scrimp.simulator import packed, phrases, samples
from scrimp.simulator.conversation import Dice, Question, Tool, Turn

_WORD: Final = re.compile(r"[a-z0-9]+")
_LABELS: Final = re.compile(
    r"\b(?:one of|labels?|categor(?:y|ies)|classes|options|intents?|topics?)\b"
    r"[^:\n]{0,60}?(?::|\bare\b|\bfrom\b|\bof\b)\s*\[?\s*"
    r"(?P<list>[^.\n\]]+(?:\n\s*[-*•] [^\n]+)*|(?:\n\s*[-*•] [^\n]+)+)",
    re.IGNORECASE,
)
_LABEL_BREAK: Final = re.compile(r"\s*(?:,\s*(?:or|and)\b|,|\n\s*[-*•]|\||;|/|\bor\b|\band\b)\s*")
_CODE_HINT: Final = re.compile(
    r"```|\bdef |\bclass |\bfunction\b|\bpython\b|\btypescript\b|\bjavascript\b|\bsql\b|\brust\b"
    r"|\brefactor\b|\bunit tests?\b|\btraceback\b|\bcode\b",
    re.IGNORECASE,
)
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_COMMON_WORDS: Final = (
    "a about an and any are as at be by can do for from get given has have how i in into is it its "
    "look me my of on or our please that the their them then this to up use user want what when "
    "where which who will with would you your tool function return returns data value name"
)
_COMMON: Final = frozenset(_COMMON_WORDS.split())


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model asks for; `arguments` is JSON text, or any text of a custom tool."""

    tool: str
    arguments: str
    custom: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """One choice, before any limit is applied. `reasoning_tokens` is hidden work."""

    thinking: str
    text: str
    calls: tuple[ToolCall, ...]
    reasoning_tokens: int


def answer(question: Question, choice: int) -> Answer:
    """The answer of one choice; equal conversations get equal answers."""
    dice = Dice([f"{choice}", *(f"{turn.role}:{turn.text}" for turn in question.turns)])
    thinking = _thoughts(dice) if question.thinking_tokens else ""
    calls = _tool_calls(question, dice)
    text = "" if calls else _text(question, dice).removeprefix(question.prefill)
    return Answer(thinking, text, calls, _reasoning(question, dice))


def _thoughts(dice: Dice) -> str:
    first = dice.below(len(phrases.THOUGHTS))
    count = 2 + dice.below(3)
    return " ".join(phrases.THOUGHTS[(first + i) % len(phrases.THOUGHTS)] for i in range(count))


def _reasoning(question: Question, dice: Dice) -> int:
    """Hidden tokens come in steps of 64, as the providers report them."""
    if not question.model.reasons:
        return 0
    match question.effort:
        case "none" | "minimal":
            return 0
        case "low":
            return 64 * dice.below(2)
        case "high" | "xhigh":
            return 64 * (3 + dice.below(8))
        case _:
            return 64 * (1 + dice.below(4))


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


def _text(question: Question, dice: Dice) -> str:
    asked = question.last_user_text
    if question.json_schema is not None:
        return _json(question, asked, dice)
    last = question.turns[-1]
    word, items = packed.items_of(asked) if last.role == "user" else ("", ())
    if items:
        alike = replace(question, json_schema=packed.form_of(asked))
        return packed.answered(word, items, partial(_by_itself, alike))
    if last.role == "tool":
        return _about_result(last.text, dice)
    if label := _label(question, asked, dice):
        return label
    return _prose(question, asked, dice)


def _by_itself(question: Question, item: str) -> str:
    """What is said to one of several messages: the same as if it had come alone."""
    alone = replace(question, turns=(*question.turns[:-1], Turn("user", item)))
    return answer(alone, 0).text


def _json(question: Question, asked: str, dice: Dice) -> str:
    schema: Any = question.json_schema or {
        "type": "object",
        "properties": {
            "answer": {"type": "string"},
            "category": {"enum": ["question", "request", "complaint", "other"]},
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        },
    }
    return msgspec.json.encode(samples.fitting(schema, asked, dice)).decode()


def _about_result(result: str, dice: Dice) -> str:
    shown = " ".join(result.split())[:160]
    opener = dice.pick(("I have looked it up.", "Here is what I found.", "The lookup worked."))
    return f"{opener} The result says: {shown}. {dice.pick(phrases.CLOSERS)}".strip()


def _label(question: Question, asked: str, dice: Dice) -> str:
    """The label of a classification prompt, empty when no labels are offered."""
    prompt = " \n".join(turn.text for turn in question.turns if turn.role == "system")
    for place in (prompt, asked):
        for found in _LABELS.finditer(place):
            if labels := _labels_in(found.group("list")):
                rest = asked.replace(found.group(), " ")
                return _best_label(labels, _words(rest), dice)
    return ""


def _labels_in(text: str) -> tuple[str, ...]:
    labels = []
    for part in _LABEL_BREAK.split(text):
        label = part.strip(" \t\r\n\"'`*-•()[]")
        if not label:
            continue
        if len(label) > 32 or len(label.split()) > 3:
            return ()
        labels.append(label)
    return tuple(labels) if len(labels) >= 2 else ()


def _best_label(labels: Sequence[str], words: set[str], dice: Dice) -> str:
    for label in labels:
        if _words(label) & words:
            return label
    for label in labels:
        for topic in phrases.SUPPORT:
            if _words(label) & topic.words and words & topic.words:
                return label
    return dice.pick(labels)


def _prose(question: Question, asked: str, dice: Dice) -> str:
    code = _CODE_HINT.search(asked) is not None
    topics = phrases.CODING if code else phrases.SUPPORT
    words = _words(asked)
    best = max(topics, key=lambda topic: len(topic.words & words))
    pool = best.sentences if best.words & words else phrases.GENERAL
    first, count = dice.below(len(pool)), 1 + dice.below(3)
    sentences = [pool[(first + i) % len(pool)] for i in range(min(count, len(pool)))]
    if dice.below(3) == 0:
        sentences.append(dice.pick(phrases.GENERAL))
    body = " ".join(sentences)
    if code:
        return f"{body}\n\n{dice.pick(phrases.CODE_BLOCKS)}\n\n{dice.pick(phrases.GENERAL)}"
    opener = dice.pick(phrases.OPENERS) if len(question.turns) < 3 else ""
    return f"{opener} {body} {dice.pick(phrases.CLOSERS)}".strip()


def _tool_calls(question: Question, dice: Dice) -> tuple[ToolCall, ...]:
    if not question.tools or question.tool_choice == "none":
        return ()
    if question.turns[-1].role == "tool" and question.tool_choice == "auto":
        return ()
    asked = question.last_user_text
    named = [tool for tool in question.tools if tool.name == question.tool_choice]
    wanted = named or [tool for tool in question.tools if _matches(tool, asked)]
    if not wanted and question.tool_choice == "required":
        wanted = [dice.pick(question.tools)]
    wanted = wanted[: 2 if question.parallel_tools else 1]
    return tuple(
        ToolCall(tool.name, _arguments(tool, asked, dice), custom=tool.custom) for tool in wanted
    )


def _arguments(tool: Tool, asked: str, dice: Dice) -> str:
    if tool.custom:
        return " ".join(asked.split()[:24])
    value: Any = samples.fitting(tool.schema, asked, dice) if tool.schema else {}
    return msgspec.json.encode(value if isinstance(value, dict) else {}).decode()


def _matches(tool: Tool, asked: str) -> bool:
    """One telling word of the name, or two of the description, stand in the question."""
    words = {_stem(word) for word in _words(asked)}
    name = {_stem(word) for word in _words(_CAMEL.sub(" ", tool.name).replace("_", " "))}
    described = {_stem(word) for word in _words(tool.description)}
    return bool((name - _COMMON) & words) or len((described - _COMMON) & words) >= 2


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") else word
