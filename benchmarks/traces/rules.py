"""What a provider's own prefix cache does to a prompt, by its documented rules.

OpenAI (https://platform.openai.com/docs/guides/prompt-caching, read 2026-11-22): by itself, from
1,024 tokens on, in steps of 128, forgotten after five minutes without use; a write costs nothing.

Anthropic (https://platform.claude.com/docs/en/build-with-claude/prompt-caching, read 2026-11-22):
where the client marks blocks. A prefix is written at each mark for five minutes (for 1.25 times the
input price), and from each mark up to 20 blocks are looked back for one that was written before,
which is read (for a tenth) and lives on. Prefixes below the model's least are not cached.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

LIFE_S = 300.0
LEAST_TOKENS = 1024
STEP_TOKENS = 128
LOOKBACK_BLOCKS = 20
CLAUDE_LEAST_TOKENS = {"claude-opus-5": 512, "claude-opus-4-5": 4096, "claude-haiku-4-5": 4096}

Vendor = Literal["openai", "anthropic"]
Raw = dict[str, Any]
"""Usage in the provider's own words, as a reply tells it."""


@dataclass(frozen=True, slots=True)
class Block:
    """A place where prompts may part: `key` tells the whole prompt up to its end, `tokens` too."""

    key: Hashable
    tokens: int


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of a trace. `marks` are the blocks (by index) that a client of Anthropic's marks."""

    at_s: float
    input_tokens: int
    output_tokens: int
    blocks: Sequence[Block]
    marks: Sequence[int] = ()


class PrefixCache(Protocol):
    """Remembers prompts; answers what the provider would report."""

    def usage(self, asked: Asked) -> Raw:
        """The usage of this call, after all the calls before it."""
        ...


class OpenAIPrefixes:
    """As OpenAI does it by itself."""

    def __init__(self) -> None:
        self._used_s: dict[Hashable, float] = {}

    def usage(self, asked: Asked) -> Raw:
        """Cached tokens are a part of the prompt's."""
        read = 0
        for block in asked.blocks:
            if asked.at_s - self._used_s.get(block.key, -LIFE_S - 1) > LIFE_S:
                break
            read = block.tokens - block.tokens % STEP_TOKENS
        for block in asked.blocks:
            self._used_s[block.key] = asked.at_s
        cached = read if read >= LEAST_TOKENS else 0
        return {
            "prompt_tokens": asked.input_tokens,
            "completion_tokens": asked.output_tokens,
            "total_tokens": asked.input_tokens + asked.output_tokens,
            "prompt_tokens_details": {"cached_tokens": cached},
        }


class ClaudePrefixes:
    """As Anthropic does it where a client marks blocks."""

    def __init__(self, model: str) -> None:
        self._least = CLAUDE_LEAST_TOKENS.get(model, LEAST_TOKENS)
        self._used_s: dict[Hashable, float] = {}

    def usage(self, asked: Asked) -> Raw:
        """Input, reads and writes are apart."""
        marks = [at for at in asked.marks if asked.blocks[at].tokens >= self._least]
        read = max((self._read(asked, at) for at in marks), default=0)
        end = asked.blocks[marks[-1]].tokens if marks else 0
        for at in marks:
            self._used_s[asked.blocks[at].key] = asked.at_s
        return {
            "input_tokens": asked.input_tokens - end,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": end - read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": end - read,
                "ephemeral_1h_input_tokens": 0,
            },
            "output_tokens": asked.output_tokens,
        }

    def _read(self, asked: Asked, mark: int) -> int:
        for at in range(mark, max(-1, mark - LOOKBACK_BLOCKS), -1):
            block = asked.blocks[at]
            if asked.at_s - self._used_s.get(block.key, -LIFE_S - 1) <= LIFE_S:
                self._used_s[block.key] = asked.at_s
                return block.tokens
        return 0


def cache_of(vendor: Vendor, model: str) -> PrefixCache:
    """An empty prefix cache of a vendor, for one model."""
    return OpenAIPrefixes() if vendor == "openai" else ClaudePrefixes(model)
