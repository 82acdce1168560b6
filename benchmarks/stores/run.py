"""What one look-up in each engine of the exact cache costs, and one answer put there.

Usage: run.py [--quick] [--rounds N] [--entries N] [--json FILE]. One caller on core 0, one call
after the other, on uvloop; a Redis (Valkey from the wheel of the tests) on core 1. Engines take
turns, round after round; the table shows medians over the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, not as a module

import msgspec
import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.common import busy_note, facts, on_core, write_json
from scrimp.calls import Reply, ReplyFacts, Usage
from scrimp.clock import SystemClock
from scrimp.ports import CacheScope, Clock, ReplyStore, StoredReply
from scrimp.stores.memory_replies import MemoryReplies
from scrimp.stores.redis_link import LinkOptions
from scrimp.stores.redis_replies import RedisOptions, RedisReplies
from scrimp.stores.sqlite_replies import RepliesOptions, SqliteReplies
from scrimp.stores.tiered_replies import SharedReplies, TieredReplies
from tests.support.redis_server import RedisServer

HERE = Path(__file__).parent
ENGINES = ("memory", "sqlite", "memory+sqlite", "redis", "memory+redis")
ASKED_US = {("memory", "get"): 3.0, ("sqlite", "get"): 60.0}
MAX_BYTES = 1 << 30
SCOPE = CacheScope("key:bench", "general")
_WORDS = (
    *("order", "parcel", "return", "label", "refund", "device", "lamp", "battery", "signal"),
    *("router", "invoice", "account", "plan", "upgrade", "support", "window", "setting"),
    *("button", "minutes", "days", "please", "open", "choose", "press", "hold", "wait", "then"),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One kind of operation in one round: microseconds, the whole process's CPU included."""

    p50_us: float
    p99_us: float
    cpu_us: float


def answer(number: int, clock: Clock) -> StoredReply:
    """A chat completion of about 2 kB whose words are its own."""
    dice = random.Random(number)  # noqa: S311 - made-up words, not secrets
    text = " ".join(dice.choices(_WORDS, k=240))
    body = msgspec.json.encode(
        {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "created": 1_700_000_000 + number,
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text, "refusal": None},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 90, "completion_tokens": 300, "total_tokens": 390},
        }
    )
    known = ReplyFacts(Usage(input_tokens=90, output_tokens=300), "gpt-4o-mini", "complete", True)  # noqa: FBT003 - a fact's place
    reply = Reply(200, (("content-type", "application/json"),), body, "json", known, False)  # noqa: FBT003 - the same
    now = clock.now()
    return StoredReply(reply, now, now + timedelta(hours=1), SCOPE)


@asynccontextmanager
async def opened(engine: str, folder: Path, url: str, clock: Clock) -> AsyncIterator[ReplyStore]:
    """An empty store."""
    front, _, behind = engine.rpartition("+")
    async with AsyncExitStack() as stack:
        if behind == "memory":
            yield MemoryReplies(clock, max_bytes=MAX_BYTES)
            return
        shared: SharedReplies
        if behind == "sqlite":
            shared = SqliteReplies.open(folder / "cache.sqlite", clock, RepliesOptions(MAX_BYTES))
            stack.push_async_callback(shared.close)
        else:
            server = RedisReplies.open(url, clock, RedisOptions(link=LinkOptions(timeout_s=10)))
            group = await stack.enter_async_context(asyncio.TaskGroup())
            group.create_task(server.run())
            stack.push_async_callback(server.close)
            await server.clear()
            shared = server
        yield TieredReplies(shared, clock, max_bytes=MAX_BYTES) if front else shared


async def one_round(store: ReplyStore, replies: Sequence[StoredReply]) -> dict[str, Figure]:
    """Put all, look each up in another order, look up as many that are not there."""
    keys = [number.to_bytes(32, "little") for number in range(len(replies))]
    random.Random(1).shuffle(keys)  # noqa: S311 - an order, not a secret
    found: dict[str, Figure] = {}

    async def put(number: int) -> None:
        assert await store.put(keys[number], replies[number])  # noqa: S101 - a benchmark of nothing else

    async def get(number: int) -> None:
        assert await store.get(keys[-number - 1], SCOPE) is not None  # noqa: S101 - the same

    async def miss(number: int) -> None:
        assert await store.get(keys[number][:-1] + b"-", SCOPE) is None  # noqa: S101 - the same

    for name, operation in (("put", put), ("get", get), ("miss", miss)):
        spent_us: list[float] = []
        cpu_s = time.process_time()
        for number in range(len(replies)):
            began_s = time.perf_counter()
            await operation(number)
            spent_us.append((time.perf_counter() - began_s) * 1e6)
        await store.delete(b"-")  # in its turn: what is written late belongs here
        cpu_us = (time.process_time() - cpu_s) * 1e6 / len(replies)
        cuts = statistics.quantiles(spent_us, n=100, method="inclusive")
        found[name] = Figure(cuts[49], cuts[98], cpu_us)
    return found


async def measured(rounds: int, entries: int, url: str) -> dict[str, list[dict[str, Figure]]]:
    """Engine → rounds → operation → figure."""
    clock = SystemClock()
    replies = [answer(number, clock) for number in range(entries)]
    found: dict[str, list[dict[str, Figure]]] = {engine: [] for engine in ENGINES}
    for number in range(rounds):
        shift = number % len(ENGINES)
        for engine in ENGINES[shift:] + ENGINES[:shift]:
            print(f"round {number + 1}/{rounds}: {engine}", file=sys.stderr)
            with tempfile.TemporaryDirectory(prefix="scrimp-bench-") as folder:
                async with opened(engine, Path(folder), url, clock) as store:
                    found[engine].append(await one_round(store, replies))
    return found


def show(found: dict[str, list[dict[str, Figure]]]) -> None:
    """The table."""
    table = Table(title="one operation, µs, medians over rounds", title_justify="left")
    table.add_column("engine")
    table.add_column("operation")
    for heading in ("p50", "asked", "p99", "CPU"):
        table.add_column(heading, justify="right")
    for engine, rounds in found.items():
        for operation in rounds[0]:
            figures = [one[operation] for one in rounds]
            asked = ASKED_US.get((engine, operation))
            table.add_row(
                engine,
                operation,
                f"{statistics.median(one.p50_us for one in figures):.1f}",
                f"≤ {asked:g}" if asked else "",
                f"{statistics.median(one.p99_us for one in figures):.0f}",
                f"{statistics.median(one.cpu_us for one in figures):.1f}",
                end_section=operation == "miss",
            )
    Console().print(table)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: a look")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--json", type=Path, default=HERE / "results" / "stores.json")
    options = parser.parse_args()
    rounds, entries = (1, 2000) if options.quick else (options.rounds, options.entries)
    given = facts()
    if note := busy_note(given):
        print(note, file=sys.stderr)
    with on_core(1), RedisServer() as server, on_core(0):
        found = uvloop.run(measured(rounds, entries, server.url))
    show(found)
    told = {
        engine: [{name: asdict(figure) for name, figure in one.items()} for one in rounds_of]
        for engine, rounds_of in found.items()
    }
    write_json(options.json, {**given, "entries": entries, "rounds": told})


if __name__ == "__main__":
    main()
