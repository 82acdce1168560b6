"""Input cost of a Mooncake trace under a provider's prefix cache, by who places the marks.

Each prompt is known by ids of its blocks of 512 tokens. A written prefix is read by whoever begins
the same and has a mark there (all policies, the bound apart, see nothing of what comes later).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.common import facts, write_json
from benchmarks.savings.prompts.providers import PROVIDERS
from benchmarks.traces.loads import mooncake
from benchmarks.traces.rules import Asked
from scrimp.prefixes.planning import Prices, plan
from scrimp.prefixes.rules import Life, Rules
from scrimp.prefixes.seen import Piece, Scope

_FRESH = 1000  # only shares count: a write is 1.25 or 2 times as dear, a read a tenth
_WRITES = {"5m": 1250, "30m": 1250, "1h": 2000}
_READ = 100
_BLOCK = 512
_MOST_PREFIXES = 400_000
_MOST_WORSE = 0.005


@dataclass(frozen=True, slots=True)
class Cost:
    """Input cost of a trace as a share of what it costs without a prefix cache."""

    trace: str
    provider: str
    calls: int
    naive: float
    scrimp: float
    written_share: float
    read_share: float

    @property
    def worse_than_better(self) -> float:
        """By how much of itself it is above the better of no caching and naive; below 0: under."""
        best = min(1.0, self.naive)
        return self.scrimp / best - 1


def measure(path: Path, provider: str) -> Cost:
    """Run a trace through both."""
    sold = PROVIDERS[provider]
    rules = sold.rules(sold.blocks)
    lives = sold.lives_of(rules)
    if not (calls := list(mooncake(path))):
        raise ValueError(f"{path}: no requests")
    if lives:
        naive = _naive(calls, rules, lives[0])
        cost, written, read = _scrimp(calls, rules, lives)
    else:
        naive, read = _by_itself(calls, rules)
        cost, written = naive, 0
    total = sum(asked.input_tokens for asked in calls) or 1
    return Cost(
        path.name,
        provider,
        len(calls),
        naive / (total * _FRESH),
        cost / (total * _FRESH),
        written / total,
        read / total,
    )


def _cost(asked: Asked, read: int, end: int, write: int) -> int:
    fresh = asked.input_tokens - max(end, read)
    return read * _READ + max(0, end - read) * write + fresh * _FRESH


def _naive(calls: Sequence[Asked], rules: Rules, life: Life) -> int:
    """A mark at the end of every prompt."""
    until: dict[Any, float] = {}
    cost = 0
    for asked in calls:
        whole = asked.blocks[: asked.input_tokens // _BLOCK]
        alive = [block for block in whole if until.get(block.key, -1.0) >= asked.at_s]
        read = alive[-1].tokens if alive else 0
        end = whole[-1].tokens if whole and whole[-1].tokens >= rules.least_tokens else 0
        for block in (*alive[-1:], *(whole[-1:] if end else ())):
            until[block.key] = asked.at_s + life.seconds
        cost += _cost(asked, read, end, _WRITES[life.name])
    return cost


def _by_itself(calls: Sequence[Asked], rules: Rules) -> tuple[int, int]:
    """Where writes cost nothing and every prompt is kept: cost, tokens read. Nothing is marked."""
    used: dict[Any, float] = {}
    cost = read = 0
    for asked in calls:
        whole = asked.blocks[: asked.input_tokens // _BLOCK]
        alive = [one for one in whole if asked.at_s - used.get(one.key, -1e9) <= rules.kept_s]
        found = alive[-1].tokens if alive and alive[-1].tokens >= rules.least_tokens else 0
        used.update((one.key, asked.at_s) for one in whole)
        cost += _cost(asked, found, 0, _FRESH)
        read += found
    return cost, read


def _scrimp(calls: Sequence[Asked], rules: Rules, lives: tuple[Life, ...]) -> tuple[int, int, int]:
    """As the lever does it: cost, tokens written, tokens read. The provider keeps its own book."""
    scope = Scope(tuple([life.seconds for life in lives]), _MOST_PREFIXES)
    prices = Prices(_FRESH, _READ, tuple([_WRITES[life.name] for life in lives]))
    until: dict[int, tuple[float, float]] = {}
    cost = written = was_read = 0
    for asked in calls:
        whole = asked.blocks[: asked.input_tokens // _BLOCK]
        pieces = [Piece(hash(block.key), block.tokens) for block in whole]
        found = plan(scope, pieces, prices, rules, asked.at_s)
        life_s = lives[found.life].seconds
        read = end = 0
        for at in found.marks:
            piece = pieces[at]
            ends_s, kept_s = until.get(piece.digest, (-1.0, life_s))
            if ends_s >= asked.at_s:
                read = piece.tokens
                until[piece.digest] = (asked.at_s + kept_s, kept_s)
            else:
                until[piece.digest] = (asked.at_s + life_s, life_s)
            end = piece.tokens
        scope.written(found.digests, life_s, asked.at_s)
        cost += _cost(asked, read, end, _WRITES[lives[found.life].name])
        written += max(0, end - read)
        was_read += read
    return cost, written, was_read


def run_mooncake(paths: Sequence[Path], providers: Sequence[str], out: Path) -> int:
    """Measure, print, write; 1 when a trace costs more than it should have."""
    found = [measure(path, provider) for path in paths for provider in providers]
    table = Table(title="input cost (1.0: no prefix cache)", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("trace", "provider", "calls", "naive", "scrimp", "written", "read"):
        table.add_column(name, justify="left" if name in ("trace", "provider") else "right")
    for one in found:
        shares = (f"{one.written_share:.1%}", f"{one.read_share:.1%}")
        costs = (f"{one.naive:.3f}", f"{one.scrimp:.3f}")
        table.add_row(one.trace, one.provider, f"{one.calls:,}", *costs, *shares)
    Console().print(table)
    told = [{**asdict(one), "worse_than_better": one.worse_than_better} for one in found]
    write_json(out, {"facts": facts(), "results": told})
    return 1 if any(one.worse_than_better > _MOST_WORSE for one in found) else 0
