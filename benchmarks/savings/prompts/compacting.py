"""What compact takes out of recorded conversations, call by call, and that nothing is lost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace as replaced

from benchmarks.savings.prompts.conversations import Message, Run
from benchmarks.savings.prompts.providers import Itself, Marks, Sold
from benchmarks.traces.rules import Asked, Block, Raw
from scrimp.calls import Usage
from scrimp.client.functions import NowEncoder
from scrimp.dialects.anthropic_usage import read_usage as read_anthropic
from scrimp.dialects.openai_usage import read_usage as read_openai
from scrimp.prefixes.planning import Prices, plan
from scrimp.prefixes.rules import Life
from scrimp.prefixes.seen import Piece, Scope
from scrimp.prices import load_book, price
from scrimp.shrinking.blocks import results_changed
from scrimp.shrinking.columns import expanded
from scrimp.shrinking.compacting import STEPS, compacted, is_json, steps_for
from scrimp.shrinking.terminal import shown, told_again

_MILLION = 1_000_000
_MOST_PREFIXES = 400_000
_EVERY_S = 5.0
"""Between two calls of an agent; conversations follow one another."""
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass(slots=True)
class Result:
    """Sums over all calls, each of which sends all before it again. Money in nano-dollars.

    `plain` is without any prefix cache, `cached` with it: marked as the lever of Scrimp's marks, or
    without marks where the provider needs none. `naive` has marks at every end instead. `compact`
    is compact alone, `both` is both.
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
    naive: int = 0
    cached: int = 0
    compact: int = 0
    both: int = 0

    @property
    def by_prefix(self) -> int:
        """Its part of what both save: the mean of its part as the first and as the second."""
        return (self.plain - self.cached + self.compact - self.both + 1) // 2

    @property
    def by_compact(self) -> int:
        """The rest."""
        return self.plain - self.both - self.by_prefix


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
            told, value = json.loads(after), json.loads(before)
            return bool(value in (told, expanded(told)))
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
    runs: Sequence[Run], sold: Sold, model: str, encoder: NowEncoder, by_tool: Any = by_rule
) -> Result:
    """Every message of an assistant is a call whose prompt is everything before it."""
    found, count = Result(model), Counter(encoder, model)
    whole: list[Asked] = []
    smaller: list[Asked] = []
    for run in runs:
        after = results_changed({"messages": run}, "openai.chat", by_tool) or run
        _check(found, run, after, by_tool)
        whole += _calls(run, count, len(whole))
        smaller += _calls(after, count, len(smaller))
        _add_tokens(found, run, after, count)
    found.calls = len(whole)
    bill = _Bill(sold, model)
    found.plain, found.compact = bill.uncached(whole), bill.uncached(smaller)
    found.naive = bill.naive(whole)
    found.cached, found.both = bill.scrimp(whole), bill.scrimp(smaller)
    return found


class _Bill:
    """What calls of one model cost, by who places the marks."""

    def __init__(self, sold: Sold, model: str) -> None:
        self._sold, self._model = sold.provider, model
        self._rules = sold.rules(model)
        self._lives = sold.lives_of(self._rules)
        self._read = read_anthropic if sold.provider == "anthropic" else read_openai

    def uncached(self, calls: Sequence[Asked]) -> int:
        """Without any prefix cache."""
        return sum(self._nanousd(Usage(input_tokens=one.input_tokens)) for one in calls)

    def naive(self, calls: Sequence[Asked]) -> int:
        """A mark at every end, for the shortest life; as it is where nothing has to be marked."""
        if not self._lives:
            return self._kept_by_itself(calls)
        cache = Marks(self._rules)
        return sum(self._told(cache.usage(asked, self._lives[0])) for asked in calls)

    def scrimp(self, calls: Sequence[Asked]) -> int:
        """With the marks that the lever sets, which knows only what came before."""
        if not self._lives:
            return self._kept_by_itself(calls)
        lives, cache = self._lives, Marks(self._rules)
        rules, prices = replaced(self._rules, lives=lives), self._prices(lives)
        scope, total = Scope(rules.lives_s, _MOST_PREFIXES), 0
        for asked in calls:
            pieces = [Piece(hash(block.key), block.tokens) for block in asked.blocks]
            planned = plan(scope, pieces, prices, rules, asked.at_s)
            life = lives[planned.life]
            scope.written(planned.digests, life.seconds, asked.at_s)
            total += self._told(cache.usage(replace(asked, marks=planned.marks), life))
        return total

    def _kept_by_itself(self, calls: Sequence[Asked]) -> int:
        cache = Itself(self._rules)
        return sum(self._told(cache.usage(asked)) for asked in calls)

    def _prices(self, lives: tuple[Life, ...]) -> Prices:
        writes = [
            self._nanousd(replaced(Usage(), **{f"{one.bucket}_tokens": _MILLION})) for one in lives
        ]
        fresh = self._nanousd(Usage(input_tokens=_MILLION))
        return Prices(fresh, self._nanousd(Usage(cache_read_tokens=_MILLION)), tuple(writes))

    def _told(self, raw: Raw) -> int:
        usage = self._read(raw)
        if usage is None:
            raise ValueError(f"{self._model}: a usage that Scrimp's own reader cannot read")
        return self._nanousd(usage)

    def _nanousd(self, usage: Usage) -> int:
        return price(usage, self._model, self._sold, AT, book=load_book()).nanousd or 0


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


def _calls(messages: Sequence[Message], count: Counter, began: int) -> list[Asked]:
    """Those of one conversation, after so many of others."""
    calls: list[Asked] = []
    blocks: list[Block] = []
    digest, tokens = hashlib.sha256(), 0
    for message in messages:
        if message["role"] == "assistant" and blocks:
            at_s = (began + len(calls)) * _EVERY_S
            calls.append(Asked(at_s, tokens, 0, tuple(blocks), (0, len(blocks) - 1)))
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
