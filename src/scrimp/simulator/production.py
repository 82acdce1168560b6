"""An answer as it is produced, token by token, so that a broken one is billed for what it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Final, Literal

from scrimp.simulator import tokens
from scrimp.simulator.answers import Answer, ToolCall, answer
from scrimp.simulator.bill import Usage
from scrimp.simulator.conversation import Dice, Question

Finish = Literal["stop", "length", "tool_calls", "stop_sequence"]
Kind = Literal["reasoning", "thinking", "text", "call", "arguments"]
_REASONING_STEP: Final = 16


@dataclass(frozen=True, slots=True)
class Piece:
    """A few tokens of one choice. `text` of a `call` is the tool's name; `index` numbers calls.

    `reasoning` is hidden: it takes time and money and shows nothing.
    """

    kind: Kind
    choice: int
    text: str
    raw_tokens: int
    index: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """One finished choice. `stopped_by` is the stop sequence that ended it."""

    thinking: str
    text: str
    calls: tuple[ToolCall, ...]
    finish: Finish
    stopped_by: str = ""


@dataclass(frozen=True, slots=True)
class Production:
    """Everything that a question will bring, in the order in which it is produced."""

    question: Question
    choices: tuple[Choice, ...]
    pieces: tuple[Piece, ...]

    @property
    def stream(self) -> bool:
        """True when the client wants it as it is produced."""
        return self.question.stream

    def usage(self, produced: int | None = None) -> Usage:
        """What is billed once the first `produced` pieces exist (None: all of them)."""
        pieces = self.pieces if produced is None else self.pieces[:produced]
        hidden = sum(piece.raw_tokens for piece in pieces if piece.kind == "reasoning")
        shown = sum(piece.raw_tokens for piece in pieces if piece.kind != "reasoning")
        return replace(
            self.question.usage,
            output_tokens=tokens.scaled(shown, claude=self.question.claude),
            reasoning_tokens=hidden,
        )

    @property
    def thinking_tokens(self) -> int:
        """Tokens of visible thinking, which are part of the output."""
        raw = sum(piece.raw_tokens for piece in self.pieces if piece.kind == "thinking")
        return tokens.scaled(raw, claude=self.question.claude)


def produce(question: Question) -> Production:
    """Compose all choices and cut them to the limits that the client set."""
    made = [_choice(question, answer(question, number), number) for number in range(question.n)]
    rounds = zip_longest(*(pieces for _, pieces in made))
    pieces = tuple(piece for turn in rounds for piece in turn if piece is not None)
    return Production(question, tuple(choice for choice, _ in made), pieces)


def _choice(question: Question, given: Answer, number: int) -> tuple[Choice, list[Piece]]:
    text, stopped_by = _stopped(given.text, question.stop)
    whole = list(_pieces(replace(given, text=text), number))
    limit = question.max_tokens
    if limit is not None:
        limit = tokens.raw_limit(limit, claude=question.claude)
    kept, cut = _cut(whole, limit)
    finish: Finish = "tool_calls" if given.calls else "stop_sequence" if stopped_by else "stop"
    if cut:
        finish, stopped_by = "length", ""
    choice = Choice(
        "".join(piece.text for piece in kept if piece.kind == "thinking"),
        "".join(piece.text for piece in kept if piece.kind == "text"),
        _calls(given.calls, kept),
        finish,
        stopped_by,
    )
    return choice, kept


def _stopped(text: str, stops: tuple[str, ...]) -> tuple[str, str]:
    found = [(text.find(stop), stop) for stop in stops if stop and stop in text]
    if not found:
        return text, ""
    at, stop = min(found)
    return text[:at], stop


def _pieces(given: Answer, choice: int) -> Iterator[Piece]:
    for done in range(0, given.reasoning_tokens, _REASONING_STEP):
        size = min(_REASONING_STEP, given.reasoning_tokens - done)
        yield Piece("reasoning", choice, "", size)
    yield from _grouped("thinking", choice, given.thinking)
    yield from _grouped("text", choice, given.text)
    for index, call in enumerate(given.calls):
        yield Piece("call", choice, call.tool, max(1, tokens.count(call.tool)), index)
        yield from _grouped("arguments", choice, call.arguments, index)


def _grouped(kind: Kind, choice: int, text: str, index: int = 0) -> Iterator[Piece]:
    """Chunks of one to four tokens, the same ones for the same text."""
    parts = tokens.split(text)
    dice = Dice([text])
    at = 0
    while at < len(parts):
        size = 1 + dice.below(4)
        group = parts[at : at + size]
        yield Piece(kind, choice, "".join(group), len(group), index)
        at += size


def _cut(pieces: list[Piece], limit: int | None) -> tuple[list[Piece], bool]:
    if limit is None:
        return pieces, False
    kept: list[Piece] = []
    for piece in pieces:
        if piece.raw_tokens > limit:
            if limit and piece.kind != "call":
                text = "".join(tokens.split(piece.text)[:limit])
                kept.append(replace(piece, text=text, raw_tokens=limit))
            return kept, True
        kept.append(piece)
        limit -= piece.raw_tokens
    return kept, False


def _calls(given: tuple[ToolCall, ...], pieces: list[Piece]) -> tuple[ToolCall, ...]:
    """The calls as far as they were produced."""
    begun = {piece.index for piece in pieces if piece.kind == "call"}
    return tuple(
        replace(call, arguments=_arguments(pieces, index))
        for index, call in enumerate(given)
        if index in begun
    )


def _arguments(pieces: list[Piece], index: int) -> str:
    return "".join(
        piece.text for piece in pieces if piece.kind == "arguments" and piece.index == index
    )
