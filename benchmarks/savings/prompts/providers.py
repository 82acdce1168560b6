"""Whose rules a trace is measured under: the names of `--provider`, the same for every format.

The rules are those of `scrimp.prefixes.rules`. The prefix cache here is a book of its own: it keeps
what was marked, or sent, and tells usage in the provider's own words.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from benchmarks.traces.rules import LOOKBACK_BLOCKS, STEP_TOKENS, Asked, Raw
from scrimp.prefixes.rules import FIVE_MINUTES, ONE_HOUR, THIRTY_MINUTES, Life, Rules, rules_of

_LATEST_MARKS = 80
"""So many of its latest breakpoints OpenAI compares a prompt with (its guide, 2026-11-22)."""


@dataclass(frozen=True, slots=True)
class Sold:
    """A provider as the price book knows it. Conversations are counted for each of `models`.

    `blocks` is the model whose rules hold for prompts that are known by their blocks only. `lives`
    are those that a mark may ask for; none where writes cost nothing.
    """

    provider: str
    models: tuple[str, ...]
    blocks: str
    lives: tuple[Life, ...] = ()

    def rules(self, model: str) -> Rules:
        """With the lives that this name allows. Raises ValueError where nobody knows any rules."""
        found = rules_of(self.provider, model)
        if found is None:
            raise ValueError(f"no rules are known of {self.provider}'s {model}")
        return found

    def lives_of(self, rules: Rules) -> tuple[Life, ...]:
        """What a mark of this model's may ask for."""
        return tuple([life for life in rules.lives if life in (self.lives or rules.lives)])


_CLAUDE, _GPT = "claude-sonnet-5", "gpt-5.6"
PROVIDERS: dict[str, Sold] = {
    "openai": Sold("openai", ("gpt-4o", "gpt-5"), _GPT),
    "anthropic": Sold("anthropic", (_CLAUDE,), _CLAUDE),
    "anthropic-5m": Sold("anthropic", (_CLAUDE,), _CLAUDE, (FIVE_MINUTES,)),
    "anthropic-1h": Sold("anthropic", (_CLAUDE,), _CLAUDE, (ONE_HOUR,)),
    "gpt-5.6": Sold("openai", (_GPT,), _GPT, (THIRTY_MINUTES,)),
    "gpt-5": Sold("openai", ("gpt-5",), "gpt-5"),
    "mistral": Sold("mistral", ("mistral-large-2512",), "mistral-large-2512"),
}
"""`openai`: prompts known by blocks are GPT-5.6's, whose writes cost. Of Gemini no rules are known
here: its implicit cache takes no fields."""


class Marks:
    """A provider that keeps what is marked, each mark for the life that it was written with."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._until: dict[Hashable, tuple[float, float]] = {}

    def usage(self, asked: Asked, life: Life) -> Raw:
        """The usage of this call, after all the calls before it."""
        blocks, rules = asked.blocks, self._rules
        marks = [at for at in asked.marks if blocks[at].tokens >= rules.least_tokens]
        read = max((self._read(asked, at) for at in marks), default=0)
        end = blocks[marks[-1]].tokens if marks else 0
        for at in marks:
            until, _ = self._until.get(blocks[at].key, (-1.0, 0.0))
            if until < asked.at_s:
                self._until[blocks[at].key] = (asked.at_s + life.seconds, life.seconds)
        told = _openai if rules.provider == "openai" else _anthropic
        return told(asked, read, end - read, life)

    def _read(self, asked: Asked, mark: int) -> int:
        back = LOOKBACK_BLOCKS if self._rules.lookback else _LATEST_MARKS
        for block in reversed(asked.blocks[max(0, mark + 1 - back) : mark + 1]):
            until, kept_s = self._until.get(block.key, (-1.0, 0.0))
            if until >= asked.at_s:
                self._until[block.key] = (asked.at_s + kept_s, kept_s)
                return block.tokens
        return 0


class Itself:
    """A provider that keeps every prompt by itself, and writes for nothing."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._used_s: dict[Hashable, float] = {}

    def usage(self, asked: Asked) -> Raw:
        """The usage of this call, after all the calls before it."""
        read, kept_s = 0, self._rules.kept_s
        for block in asked.blocks:
            if asked.at_s - self._used_s.get(block.key, -kept_s - 1) > kept_s:
                break
            read = block.tokens - block.tokens % STEP_TOKENS
        for block in asked.blocks:
            self._used_s[block.key] = asked.at_s
        return _openai(asked, read if read >= self._rules.least_tokens else 0, 0, FIVE_MINUTES)


def _openai(asked: Asked, read: int, written: int, life: Life) -> Raw:  # noqa: ARG001 (one life)
    details = {"cached_tokens": read, "cache_write_tokens": written}
    return {
        "prompt_tokens": asked.input_tokens,
        "completion_tokens": asked.output_tokens,
        "total_tokens": asked.input_tokens + asked.output_tokens,
        "prompt_tokens_details": details,
    }


def _anthropic(asked: Asked, read: int, written: int, life: Life) -> Raw:
    hour = written if life == ONE_HOUR else 0
    return {
        "input_tokens": asked.input_tokens - read - written,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written,
        "cache_creation": {
            "ephemeral_5m_input_tokens": written - hour,
            "ephemeral_1h_input_tokens": hour,
        },
        "output_tokens": asked.output_tokens,
    }
