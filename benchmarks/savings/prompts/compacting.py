"""What compact takes out of recorded conversations, call by call, and that nothing is lost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from benchmarks.savings.prompts.conversations import Message, Run
from benchmarks.traces.rules import Asked, Block, Vendor, cache_of
from scrimp.calls import Usage
from scrimp.client.functions import NowEncoder
from scrimp.dialects.anthropic_usage import read_usage as read_anthropic
from scrimp.dialects.openai_usage import read_usage as read_openai
from scrimp.prices import load_book, price
from scrimp.shrinking.blocks import results_changed
from scrimp.shrinking.columns import expanded
from scrimp.shrinking.compacting import STEPS, compacted, is_json, steps_for
from scrimp.shrinking.terminal import shown, told_again

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
_READERS = {"openai": read_openai, "anthropic": read_anthropic}


@dataclass(slots=True)
class Result:
    """Sums over all calls, each of which sends all before it again. Money in nano-dollars.

    `plain` is without any prefix cache, `cached` with the provider's own, `both` with it and
    compact, `compact` with compact alone.
    """

    model: str
    calls: int = 0
    input_tokens: int = 0
    input_tokens_after: int = 0
    result_tokens: int = 0
    result_tokens_after: int = 0
    results: int = 0
    changed: int = 0
    not_equal: int = 0
    prefixes_broken: int = 0
    plain: int = 0
    cached: int = 0
    compact: int = 0
    both: int = 0


def by_rule(tool: str, text: str) -> str:
    """As the lever does it: nothing of what reads files, little of a shell's."""
    steps = steps_for(tool, STEPS)
    return text if steps is None else compacted(text, steps)


def to_all(tool: str, text: str) -> str:  # noqa: ARG001 (whatever the tool)
    """Every result with every step: what could be had at most."""
    return compacted(text, STEPS)


def is_equal(before: str, after: str) -> bool:
    """True when what is said after says what was said before.

    JSON must read back as the same value; of other texts every word must be there, as a terminal
    would have shown it, with repeated lines told again.
    """
    if before == after:
        return True
    if is_json(before):
        try:
            return bool(expanded(json.loads(after)) == json.loads(before))
        except ValueError:
            pass
    return told_again(after).split() == shown(before).split()


class Counter:
    """Tokens of messages, each counted once."""

    def __init__(self, encoder: NowEncoder, model: str) -> None:
        self._encoder = encoder
        self._model = model
        self._known: dict[str, int] = {}
        self._empty = self._count([])

    def __call__(self, message: Message) -> int:
        """Tokens that a message adds to a prompt."""
        key = json.dumps(message, sort_keys=True)
        if key not in self._known:
            self._known[key] = self._count([message]) - self._empty
        return self._known[key]

    def _count(self, messages: list[Message]) -> int:
        fields = {"model": self._model, "messages": messages}
        return self._encoder.request_now(self._model, fields, "openai.chat").tokens


def measure(
    runs: Sequence[Run], vendor: Vendor, model: str, encoder: NowEncoder, by_tool: Any = by_rule
) -> Result:
    """Every message of an assistant is a call whose prompt is everything before it."""
    found, count = Result(model), Counter(encoder, model)
    sent: dict[str, list[Asked]] = {"cached": [], "both": []}
    for run in runs:
        after = results_changed({"messages": run}, "openai.chat", by_tool) or run
        _check(found, run, after, by_tool)
        sent["cached"] += _calls(run, count)
        sent["both"] += _calls(after, count)
        _add_tokens(found, run, after, count)
    for name, calls in sent.items():
        cache, read = cache_of(vendor, model), _READERS[vendor]
        total = plain = 0
        for asked in calls:
            usage = read(cache.usage(asked))
            if usage is None:
                raise ValueError(f"{model}: a usage that Scrimp's own reader cannot read")
            total += _nanousd(usage, model, vendor)
            plain += _nanousd(Usage(input_tokens=asked.input_tokens), model, vendor)
        setattr(found, name, total)
        setattr(found, "plain" if name == "cached" else "compact", plain)
    found.calls = len(sent["cached"])
    return found


def _nanousd(usage: Usage, model: str, vendor: Vendor) -> int:
    return price(usage, model, vendor, AT, book=load_book()).nanousd or 0


def _check(found: Result, run: Run, after: Sequence[Message], by_tool: Any) -> None:
    """Equal when read back, and the same in every call of the growing conversation."""
    for old, new in zip(run, after, strict=True):
        if old.get("role") == "tool" and isinstance(old.get("content"), str):
            found.results += 1
            found.changed += old != new
            found.not_equal += not is_equal(old["content"], new["content"])
        elif old != new:
            found.not_equal += 1
    for at, message in enumerate(run):
        if message["role"] == "assistant":
            now = results_changed({"messages": run[:at]}, "openai.chat", by_tool) or run[:at]
            found.prefixes_broken += list(now) != list(after[:at])


def _calls(messages: Sequence[Message], count: Counter) -> list[Asked]:
    calls: list[Asked] = []
    blocks: list[Block] = []
    digest, tokens = hashlib.sha256(), 0
    for message in messages:
        if message["role"] == "assistant" and blocks:
            calls.append(Asked(0.0, tokens, 0, tuple(blocks), (0, len(blocks) - 1)))
        digest.update(json.dumps(message, sort_keys=True).encode())
        tokens += count(message)
        blocks.append(Block(digest.digest(), tokens))
    return calls


def _add_tokens(found: Result, run: Run, after: Sequence[Message], count: Counter) -> None:
    """Each message as often as it is sent."""
    left = sum(message["role"] == "assistant" for message in run)
    for old, new in zip(run, after, strict=True):
        if old["role"] == "assistant":
            left -= 1
        before, now = count(old), count(dict(new))
        found.input_tokens += left * before
        found.input_tokens_after += left * now
        if old["role"] == "tool":
            found.result_tokens += left * before
            found.result_tokens_after += left * now
