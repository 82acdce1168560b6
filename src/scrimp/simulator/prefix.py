"""The vendors' own prompt caching: what begins like an earlier prompt costs less.

OpenAI (https://platform.openai.com/docs/guides/prompt-caching, checked 2026-11-22): by itself, from
1,024 tokens on, in steps of 128, for prompts with the same beginning, tools and output schema
included; `prompt_cache_key` is a part of what chooses the machine, so another key is another cache
here; within an organisation (here: a key). Unused for five minutes it is forgotten, with
`prompt_cache_retention: 24h` after a day. Reads are discounted, writes cost nothing extra.

OpenAI since GPT-5.6 (developers.openai.com/api/docs/guides/prompt-caching, checked 2026-11-23): a
prefix is written, for half an hour and at 1.25 x input, at up to four breakpoints: the latest that
the client sets and, unless the mode is explicit, the end of the latest message that is not the
assistant's. The longest of the latest 80 that was written is read, to the token; in explicit mode
only those that the client sets are looked for.

Anthropic (https://platform.claude.com/docs/en/build-with-claude/prompt-caching, checked
2026-11-22): where the client marks blocks, four at most, or by one mark for the whole request. A
prefix is written at each mark, for five minutes (1.25 x input) or an hour (2 x); from each mark up
to 20 blocks are looked back for one that was written before, which is read (0.1 x) and lives on. A
prefix below the model's least is not cached. Prefixes go tools, system, messages; another
`tool_choice`, `thinking` or output format is another beginning of the messages. With marks of both
lives the tokens up to the last hour mark are written for an hour, the rest for five minutes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from scrimp.simulator import breakpoints, tokens
from scrimp.simulator.bill import Usage
from scrimp.simulator.blocks import Block, Mark
from scrimp.simulator.clock import Clock
from scrimp.simulator.conversation import Question

_LEAST_TOKENS: Final = 1024
_STEP_TOKENS: Final = 128
_CLAUDE_LEAST_TOKENS: Final[Mapping[str, int]] = {
    "claude-opus-5": 512,
    "claude-opus-4-5-20251101": 4096,
    "claude-haiku-4-5-20251001": 4096,
}
_LOOKBACK_BLOCKS: Final = 20
_LIFE_S: Final[Mapping[Mark, float]] = {"": 300.0, "5m": 300.0, "1h": 3600.0, "30m": 1800.0}
_LONG_LIFE_S: Final = 86_400.0
_MOST_ENTRIES: Final = 100_000
_SHAPES: Final = ("response_format", "text")
_BREAKING: Final = (*_SHAPES, "reasoning_effort", "reasoning", "verbosity", "service_tier")
_MOST_LOOKED: Final = 80
_MESSAGE_FIELDS: Final = ("tool_choice", "thinking", "output_config", "output_format")


@dataclass(frozen=True, slots=True)
class _Prefix:
    """A prompt up to the end of one block."""

    digest: bytes
    tokens: int
    mark: Mark
    said: bool = False


class PrefixCache:
    """Remembers digests of prompt beginnings, never the prompts."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[bytes, tuple[float, float]] = {}  # end of life and length of life

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()

    def openai(
        self, question: Question, body: Mapping[str, Any], blocks: Sequence[Block], owner: str
    ) -> Question:
        """The question with what was read, and written, apart from what is fresh."""
        wish = breakpoints.wish_of(body, question.model)
        if breakpoints.writes_cost(question.model):
            made = _rendered(question, body, blocks, f"{owner} {wish.key}")
            return self._written(question, made, explicit=wish.explicit)
        shape = msgspec.json.encode([body.get(name) for name in _SHAPES])
        key = body.get("prompt_cache_key")
        root = repr((owner, question.model.id, key)).encode() + shape
        long = body.get("prompt_cache_retention") == "24h"
        read = 0
        for digest, length in _steps(root, blocks):
            if self._touched(digest):
                read = length
            else:
                self._keep(digest, _LONG_LIFE_S if long else _LIFE_S[""])
        usage = replace(
            question.usage,
            input_tokens=question.usage.input_tokens - read,
            cache_read_tokens=read,
        )
        return replace(question, usage=usage)

    def _written(
        self, question: Question, prefixes: Sequence[_Prefix], *, explicit: bool
    ) -> Question:
        """By breakpoints, where they cost what they write."""
        ends = [one for one in prefixes if one.tokens >= _LEAST_TOKENS]
        marks = [one for one in ends if one.mark]
        looked = (marks if explicit else ends)[-_MOST_LOOKED:]
        alive = [one.tokens for one in looked if self._touched(one.digest)]
        read = max(alive, default=0)
        latest = [one for one in ends if not one.said][-1:]
        writes = marks[-4:] if explicit else [*marks[-3:], *latest]
        for one in writes:
            if not self._touched(one.digest):
                self._keep(one.digest, _LIFE_S["30m"])
        end = max([read, *(one.tokens for one in writes)])
        usage = Usage(
            input_tokens=question.usage.input_tokens - end,
            cache_read_tokens=read,
            cache_write_5m_tokens=end - read,
        )
        return replace(question, usage=usage)

    def claude(
        self, question: Question, body: Mapping[str, Any], blocks: Sequence[Block], owner: str
    ) -> Question:
        """The question with its input split into read, written and fresh tokens."""
        prefixes = _prefixes(question, body, blocks, owner)
        least = _CLAUDE_LEAST_TOKENS.get(question.model.id, _LEAST_TOKENS)
        marks = [at for at, one in enumerate(prefixes) if one.mark and one.tokens >= least]
        if not marks:
            return question
        read = max((self._read(prefixes, at) for at in marks), default=0)
        last = prefixes[marks[-1]].tokens
        for_hour = max(
            (prefixes[at].tokens for at in marks if prefixes[at].mark == "1h"), default=0
        )
        hour_end = max(read, for_hour)
        for at in marks:
            if prefixes[at].tokens > read:
                self._keep(prefixes[at].digest, _LIFE_S[prefixes[at].mark])
        usage = Usage(
            input_tokens=question.usage.input_tokens - last,
            cache_read_tokens=read,
            cache_write_5m_tokens=last - hour_end,
            cache_write_1h_tokens=hour_end - read,
        )
        return replace(question, usage=usage)

    def _read(self, prefixes: Sequence[_Prefix], mark: int) -> int:
        """Tokens of the longest prefix that was written, at most 20 blocks back from a mark."""
        for at in range(mark, max(-1, mark - _LOOKBACK_BLOCKS), -1):
            if self._touched(prefixes[at].digest):
                return prefixes[at].tokens
        return 0

    def _touched(self, digest: bytes) -> bool:
        """True for one that is alive, and then it lives on."""
        now_s = self._clock.now_s()
        until_s, life_s = self._kept.get(digest, (0.0, 0.0))
        if until_s <= now_s:
            return False
        self._kept[digest] = (now_s + life_s, life_s)
        return True

    def _keep(self, digest: bytes, life_s: float) -> None:
        if len(self._kept) >= _MOST_ENTRIES:
            self._kept.clear()
        self._kept[digest] = (self._clock.now_s() + life_s, life_s)


def _steps(root: bytes, blocks: Sequence[Block]) -> list[tuple[bytes, int]]:
    """Digest and length of each beginning that OpenAI would know again, the shortest first."""
    stream: list[bytes] = []
    for block in blocks:
        words = [word.encode(errors="surrogatepass") for word in tokens.split(block.text)]
        stream += [block.identity] * max(0, block.raw_tokens - len(words))
        stream += words
    digest = hashlib.blake2b(root, digest_size=16)
    found, at = [], 0
    for end in range(_LEAST_TOKENS, len(stream) + 1, _STEP_TOKENS):
        for word in stream[at:end]:
            digest.update(b"%d:" % len(word) + word)
        found.append((digest.digest(), end))
        at = end
    return found


def _rendered(
    question: Question, body: Mapping[str, Any], blocks: Sequence[Block], owner: str
) -> list[_Prefix]:
    """One per block of OpenAI's that is no tool: those stand before all messages."""
    choices = msgspec.json.encode([body.get(name) for name in _BREAKING])
    root = repr((owner, question.model.id)).encode() + choices
    digest = hashlib.blake2b(root, digest_size=16)
    size, found = 0, []
    for block in blocks:
        text = block.text.encode(errors="surrogatepass")
        digest.update(b"%d,%d:" % (len(block.identity), len(text)) + block.identity + text)
        size += block.raw_tokens
        if block.section != "tools":
            end = min(size, question.usage.input_tokens)
            found.append(_Prefix(digest.digest(), end, block.mark, block.said))
    return found


def _prefixes(
    question: Question, body: Mapping[str, Any], blocks: Sequence[Block], owner: str
) -> list[_Prefix]:
    """One per block of Anthropic's; the tokens that tool use adds are in the first."""
    digest = hashlib.blake2b(repr((owner, question.model.id)).encode(), digest_size=16)
    choices = msgspec.json.encode([body.get(name) for name in _MESSAGE_FIELDS])
    raw, flat, in_messages = 0, tokens.TOOL_PROMPT if question.tools else 0, False
    found = []
    for block in blocks:
        if block.section == "messages" and not in_messages:
            digest.update(choices)
            in_messages = True
        digest.update(b"%s%d:" % (block.section.encode(), len(block.identity)) + block.identity)
        raw += block.raw_tokens
        flat += block.flat_tokens
        size = min(tokens.scaled(raw, claude=True) + flat, question.usage.input_tokens)
        found.append(_Prefix(digest.digest(), size, block.mark))
    return found
