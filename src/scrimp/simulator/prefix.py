"""The vendors' own prompt caching: what begins like an earlier prompt costs less.

OpenAI does it by itself from 1,024 tokens on, in steps of 128; Anthropic where the client marks
blocks with `cache_control`, for five minutes or an hour. Whole messages are compared.
https://platform.openai.com/docs/guides/prompt-caching and
https://platform.claude.com/docs/en/build-with-claude/prompt-caching, checked 2026-11-22.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from scrimp.simulator import tokens
from scrimp.simulator.bill import Usage
from scrimp.simulator.conversation import Question

_LEAST_TOKENS: Final = 1024
_STEP_TOKENS: Final = 128
_LIFE_S: Final = {"": 300.0, "5m": 300.0, "1h": 3600.0}
_MOST_ENTRIES: Final = 100_000


@dataclass(frozen=True, slots=True)
class _Prefix:
    """A prompt up to the end of one message."""

    digest: bytes
    tokens: int
    mark: str


class PrefixCache:
    """Remembers digests of prompt beginnings, never the prompts."""

    def __init__(self) -> None:
        self._until_s: dict[bytes, float] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._until_s.clear()

    def applied(self, question: Question, owner: str = "") -> Question:
        """The question with its input split into fresh, read and written tokens."""
        prefixes = list(_prefixes(question, owner))
        usage = (
            self._claude(question, prefixes)
            if question.claude
            else self._openai(question, prefixes)
        )
        return replace(question, usage=usage)

    def _openai(self, question: Question, prefixes: list[_Prefix]) -> Usage:
        known = max((one.tokens for one in prefixes if self._knows(one)), default=0)
        read = known // _STEP_TOKENS * _STEP_TOKENS if known >= _LEAST_TOKENS else 0
        for prefix in prefixes:
            self._keep(prefix)
        return replace(
            question.usage,
            input_tokens=question.usage.input_tokens - read,
            cache_read_tokens=read,
        )

    def _claude(self, question: Question, prefixes: list[_Prefix]) -> Usage:
        marked = [one for one in prefixes if one.mark and one.tokens >= _LEAST_TOKENS]
        if not marked:
            return question.usage
        total, last = question.usage.input_tokens, marked[-1]
        reached = prefixes[: prefixes.index(last) + 1]
        read = max((one.tokens for one in reached if self._knows(one)), default=0)
        written = last.tokens - read
        for prefix in marked:
            self._keep(prefix)
        return replace(
            question.usage,
            input_tokens=total - read - written,
            cache_read_tokens=read,
            cache_write_5m_tokens=written if last.mark == "5m" else 0,
            cache_write_1h_tokens=written if last.mark == "1h" else 0,
        )

    def _knows(self, prefix: _Prefix) -> bool:
        return self._until_s.get(prefix.digest, 0.0) > time.monotonic()

    def _keep(self, prefix: _Prefix) -> None:
        if len(self._until_s) >= _MOST_ENTRIES:
            self._until_s.clear()
        self._until_s[prefix.digest] = time.monotonic() + _LIFE_S[prefix.mark]


def _prefixes(question: Question, owner: str) -> Iterator[_Prefix]:
    """Tools stand before the messages, so another set of tools is another prompt."""
    known = repr((owner, question.model.id, question.tools))
    digest = hashlib.blake2b(known.encode(), digest_size=16)
    total = question.usage.input_tokens
    raw = 0
    for turn in question.turns:
        digest.update(f"{turn.role}\0{turn.text}\0".encode(errors="surrogatepass"))
        raw += turn.raw_tokens
        size = min(tokens.scaled(raw, claude=question.claude), total)
        yield _Prefix(digest.digest(), size, turn.mark)
