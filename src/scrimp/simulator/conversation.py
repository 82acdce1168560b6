"""What a client asked, in words that both vendors share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from scrimp.simulator.bill import Model, Usage

T = TypeVar("T")
Role = Literal["system", "user", "assistant", "tool"]


class Refusal(Exception):
    """The provider says no, and bills nothing. `kind` chooses the vendor's type of error.

    `headers` go with it, beside those of every reply.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid",
        param: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.headers = headers
        self.status = status
        self.message = message
        self.kind = kind
        self.param = param


@dataclass(frozen=True, slots=True)
class Turn:
    """One message, as text."""

    role: Role
    text: str
    raw_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the model may call; a `custom` one takes free text instead of JSON."""

    name: str
    description: str = ""
    schema: Mapping[str, Any] = field(default_factory=dict)
    custom: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """One request, read and checked.

    `tool_choice` is `auto`, `none`, `required`, or the name of one tool. `json_schema` is None
    unless JSON is wanted; an empty one means any object. `max_tokens` is in the vendor's tokens.
    `thinking_tokens` is the budget for visible thinking, `effort` rules hidden reasoning. The
    answer goes on with `prefill`, which is none of the turns.
    """

    model: Model
    turns: tuple[Turn, ...]
    usage: Usage
    stream: bool = False
    include_usage: bool = False
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    parallel_tools: bool = True
    json_schema: Mapping[str, Any] | None = None
    max_tokens: int | None = None
    n: int = 1
    stop: tuple[str, ...] = ()
    thinking_tokens: int = 0
    effort: str = "medium"
    prefill: str = ""

    @property
    def claude(self) -> bool:
        """True for models whose tokens are scaled."""
        return self.model.vendor == "anthropic"

    @property
    def last_user_text(self) -> str:
        """The newest thing that the user said."""
        return next((turn.text for turn in reversed(self.turns) if turn.role == "user"), "")


class Dice:
    """Pseudo-random numbers that are a pure function of what was said."""

    def __init__(self, parts: Iterable[str]) -> None:
        digest = hashlib.blake2b(digest_size=8)
        for part in parts:
            digest.update(part.encode(errors="surrogatepass"))
            digest.update(b"\0")
        self._state = int.from_bytes(digest.digest())

    def below(self, limit: int) -> int:
        """A number in [0, limit); splitmix64 (Steele, Lea, Flood 2014)."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        return (mixed ^ (mixed >> 31)) % limit

    def pick(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.below(len(options))]
