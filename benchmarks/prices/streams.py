"""What reading usage costs, whole and streamed, for every provider's shape of the corpus.

Usage: streams.py [--json FILE]. Times are of the processor, the best of some rounds: other work on
the machine does not count. `usage` is what the facts cost once everything has been fed.
"""

from __future__ import annotations

import argparse
import sys
import time
import timeit
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks.common import busy_note, facts, write_json  # noqa: E402
from scrimp.calls import ReplyFacts  # noqa: E402
from scrimp.conformance.corpus import Case, load_cases  # noqa: E402
from scrimp.dialects.base import StreamReader  # noqa: E402
from scrimp.dialects.usage_readers import read_reply, usage_reader  # noqa: E402

_CALLS = 2_000
_ROUNDS = 9
_TYPICAL = (
    *("openai-chat-reply-cached", "openai-responses-reply-cached", "anthropic-reply-cached"),
    *("gemini-reply-cached", "bedrock-reply-cached", "deepseek-chat-reply-cached"),
    *("xai-chat-reply-ticks", "openrouter-chat-reply-cost"),
    *("openai-chat-stream-cached", "openai-responses-stream-cached", "anthropic-stream-cached"),
    *("gemini-stream-cached", "gemini-array-thinking", "bedrock-stream-cached"),
    *("deepseek-chat-stream-keep-alive", "xai-chat-stream-reasoning-beside"),
    *("mistral-chat-stream-plain", "openrouter-chat-stream-cost", "azure-chat-stream-filters"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One case: how many pieces, microseconds for each, and for the facts at the end."""

    case: str
    size_bytes: int
    pieces: int
    per_piece_us: float
    usage_us: float


def fastest_us(call: Callable[[], object]) -> float:
    """The best round, in microseconds of the processor."""
    rounds = timeit.repeat(call, timer=time.process_time, number=_CALLS, repeat=_ROUNDS)
    return min(rounds) / _CALLS * 1e6


def measure(case: Case) -> Row:
    """Feed it piece by piece, as a gateway does; a document is one piece."""
    pieces, body = case.pieces(), case.body()
    if case.framing == "json":
        whole = fastest_us(lambda: read_reply(case.shape, body))
        return Row(case.id, len(body), 1, whole, 0.0)

    def feed() -> StreamReader:
        reader = usage_reader(case.shape)
        for piece in pieces:
            reader.feed(piece)
        return reader

    def read() -> ReplyFacts:
        return feed().facts

    fed = fastest_us(feed)
    return Row(case.id, len(body), len(pieces), fed / len(pieces), max(0.0, fastest_us(read) - fed))


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=HERE / "results" / "streams.json")
    options = parser.parse_args()
    about = facts()
    cases = {case.id: case for case in load_cases()}
    rows = [measure(cases[name]) for name in _TYPICAL]
    console = Console()
    table = Table(title="reading usage")
    for name in ("", "bytes", "pieces", "µs per piece", "µs usage"):
        table.add_column(name, justify="right" if name else "left")
    for row in rows:
        usage = f"{row.usage_us:.1f}" if row.pieces > 1 else "in it"
        table.add_row(
            row.case, f"{row.size_bytes}", f"{row.pieces}", f"{row.per_piece_us:.1f}", usage
        )
    console.print(table)
    if note := busy_note(about):
        console.print(note)
    write_json(options.json, {"facts": about, "rows": [asdict(row) for row in rows]})


if __name__ == "__main__":
    main()
