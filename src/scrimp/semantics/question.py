"""What a call asks, cut out of its body: the question on one side, all the rest on the other.

The rest (history, passages, settings, fields that nobody knows) belongs to the scope, so a cut that
is not sure is no cut: the call is then answered word for word only.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from scrimp.calls import Request
from scrimp.dialects.base import Dialect
from scrimp.values import Value

MAX_CHARS = 600
"""Of a question without a mark: longer ones carry what they are about, and are no questions."""
_LIST = {
    "openai.chat": "messages",
    "anthropic.messages": "messages",
    "openai.responses": "input",
}
_TEXTS = frozenset({"text", "input_text"})
_SAID = _TEXTS | {"output_text", "refusal", "thinking", "redacted_thinking", "summary_text"}
_RESULTS = frozenset({"tool", "function"})
_MARK = re.compile(
    r"^[ \t]*(?:#{1,4}[ \t]*|\*\*)?(?:the |user |my )?"
    r"(?:question|query|frage|pregunta|domanda|vraag)(?:\*\*)?[ \t]*:(?:\*\*)?[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_TAGS = (("<question>", "</question>"), ("<query>", "</query>"))
_PARAGRAPH = re.compile(r"\n\s*\n")


class Question(Value, frozen=True):
    """`text` is what is asked; `rest` all other fields, the question's place marked.

    `context` is what stood around it in the same text, such as retrieved passages. `history` says
    whether turns came before.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"text", "rest", "context"})

    text: str
    rest: Mapping[str, Any]
    context: tuple[str, str] = ("", "")
    history: bool = False


class Unasked(Value, frozen=True):
    """No question could be cut out, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the text stands: which turn, and which of its parts (-1: it is the content itself)."""

    turn: int
    part: int
    text: str


def question_of(request: Request, dialect: Dialect) -> Question | Unasked:
    """What the newest turn of a person asks."""
    name = _LIST.get(dialect.name)
    if name is None:
        return Unasked("not_a_chat")
    fields = dialect.cache_fields(request)
    turns = fields.get(name)
    if isinstance(turns, str):
        return _cut(turns, {**fields, name: None}, history=False)
    if not isinstance(turns, list):
        return Unasked("unclear_question")
    if reason := _unfit(turns):
        return Unasked(reason)
    place = _find(turns)
    if place is None or not dialect.last_user_text(request).endswith(place.text):
        return Unasked("unclear_question")
    rest = {**fields, name: _marked(turns, place)}
    return _cut(place.text, rest, history=_is_history(turns, place.turn))


def normal(text: str) -> str:
    """A question as it is embedded: one form of each sign, single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _unfit(turns: list[Any]) -> str:
    """Why a conversation is not answered by meaning, by what stands in it; empty when it may."""
    for turn in turns:
        if not isinstance(turn, dict):
            return "unclear_question"
        kind = turn.get("type")
        if turn.get("role") in _RESULTS or turn.get("tool_calls") or turn.get("function_call"):
            return "tool_results"
        if kind not in (None, "message", "reasoning"):
            return "tool_results" if str(kind).endswith(("_call", "_output")) else "attachments"
        if reason := _unfit_parts(turn.get("content")):
            return reason
    return ""


def _unfit_parts(content: object) -> str:
    for part in content if isinstance(content, list) else ():
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in _SAID:
            tool = str(kind).endswith(("tool_use", "tool_result"))
            return "tool_results" if tool else "attachments"
    return ""


def _find(turns: list[Any]) -> _Place | None:
    """The last text of the last turn of a person."""
    for at in range(len(turns) - 1, -1, -1):
        if turns[at].get("role") != "user":
            continue
        content = turns[at].get("content")
        if isinstance(content, str):
            return _Place(at, -1, content)
        parts = content if isinstance(content, list) else []
        for part in range(len(parts) - 1, -1, -1):
            text = parts[part].get("text")
            if isinstance(text, str) and parts[part].get("type") in _TEXTS:
                return _Place(at, part, text)
        return None
    return None


def _marked(turns: list[Any], place: _Place) -> list[Any]:
    """The turns with null where the question stood."""
    turn = turns[place.turn]
    content: Any = None
    if place.part >= 0:
        content = list(turn["content"])
        content[place.part] = {**content[place.part], "text": None}
    return [*turns[: place.turn], {**turn, "content": content}, *turns[place.turn + 1 :]]


def _is_history(turns: list[Any], last: int) -> bool:
    return any(turn.get("role") in ("user", "assistant") for turn in turns[:last])


def _cut(text: str, rest: Mapping[str, Any], *, history: bool) -> Question | Unasked:
    """Part the question from passages that were put around it."""
    before, asked, after = _parted(text)
    shown = normal(asked)
    if reason := _unreadable(asked, shown):
        return Unasked(reason)
    return Question(shown, rest, (before, after), history)


def _parted(text: str) -> tuple[str, str, str]:
    for opening, closing in _TAGS:
        start, end = text.rfind(opening), text.rfind(closing)
        if 0 <= start < end:
            start += len(opening)
            return text[:start], text[start:end], text[end:]
    marks = list(_MARK.finditer(text))
    if marks:
        end = marks[-1].end()
        return text[:end], text[end:], ""
    return "", text, ""


def _unreadable(asked: str, shown: str) -> str:
    if not shown:
        return "no_text"
    odd = sum(1 for sign in shown if unicodedata.category(sign) in ("Cc", "Co", "Cn", "Cs"))
    if odd or shown.count("\ufffd") or not any(map(str.isalpha, shown)):
        return "not_words"
    if len(shown) > MAX_CHARS:
        return "long_text"
    # Nobody can say which paragraph asks, and which is what it is asked about.
    return "several_paragraphs" if _PARAGRAPH.search(asked.strip()) else ""
