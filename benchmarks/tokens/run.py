"""Counting tokens: beside plain tiktoken, again, in a growing conversation, and of hostile texts.

Usage: run.py [--vectors FILE...] [--quick] [--json FILE]. Speed is CPU time of the counting thread,
ours and tiktoken's in turn on the same fresh texts; figures are medians of rounds. Hostile texts
have a million characters and are counted off an event loop whose longest stop is measured. The
known counts of tests/wire/counts.json, and of every FILE of that shape, are checked.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import tiktoken
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks.common import busy_note, facts, write_json  # noqa: E402
from benchmarks.tokens.texts import KINDS, text  # noqa: E402
from benchmarks.tokens.vectors import OURS, check, load, unknown  # noqa: E402
from scrimp.encoders import TiktokenEncoder  # noqa: E402
from scrimp.encoders.pieces import count_tokens  # noqa: E402
from scrimp.encoders.vocabulary import Ordinary, load_vocabulary  # noqa: E402
from tests.support.hostile import HOSTILE  # noqa: E402

MODEL = "gpt-4o"
MESSAGES = 200
HOSTILE_CHARS = 1_000_000
AT_ONCE = 8
SIZES = {100: 1000, 2_000: 200, 50_000: 10, 500_000: 2}
"""Characters, and how many texts of them make a round."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """Texts that were never counted: microseconds of CPU each, and medians of ratios to tiktoken.

    `count` is a number, as tiktoken's is; `answer` has bounds and a method, and is remembered.
    """

    kind: str
    chars: int
    count_us: float
    answer_us: float
    tiktoken_us: float
    count_ratio: float
    answer_ratio: float


@dataclass(frozen=True, slots=True)
class Again:
    """A conversation that was counted before: per message, and with one new message in all."""

    shape: str
    chars: int
    message_us: float
    grown_us: float
    tiktoken_us: float


@dataclass(frozen=True, slots=True)
class Hostile:
    """A million characters: wall and CPU seconds, and the event loop's longest stop meanwhile."""

    kind: str
    wall_s: float
    cpu_s: float
    lag_ms: float
    tokens: int
    tiktoken: str


def each_us(work: Callable[[str], object], texts: Sequence[str]) -> float:
    """Microseconds of this thread's CPU for one of them."""
    start = time.thread_time_ns()
    for one in texts:
        work(one)
    return (time.thread_time_ns() - start) / len(texts) / 1000


def fresh(encoder: TiktokenEncoder, plain: tiktoken.Encoding, rounds: int) -> list[Fresh]:
    """The three ways in turn, each round on new texts, which another way sees first each time."""
    tokenizer = Ordinary(plain)
    ways: tuple[Callable[[str], object], ...] = (
        lambda one: count_tokens(tokenizer, one),
        lambda one: encoder.count_now(MODEL, one),
        lambda one: len(plain.encode_ordinary(one)),
    )
    found = []
    for kind in KINDS:
        for chars, number in SIZES.items():
            taken = []
            for one in range(rounds):
                texts = [text(kind, chars, one * number + at) for at in range(number)]
                order = [(one + at) % len(ways) for at in range(len(ways))]
                us = {way: each_us(ways[way], texts) for way in order}
                taken.append([us[way] for way in range(len(ways))])
            medians = [statistics.median(column) for column in zip(*taken, strict=True)]
            ratios = [statistics.median(us[way] / us[2] for us in taken) for way in (0, 1)]
            found.append(Fresh(kind, chars, *medians, *ratios))
    return found


def conversation(shape: str, chars: int, seed: int) -> list[dict[str, Any]]:
    """Messages of two who take turns."""
    said = [text("english", chars, seed * 1000 + at) for at in range(MESSAGES)]
    roles = ("user", "assistant")
    if shape == "texts":
        return [{"role": roles[at % 2], "content": one} for at, one in enumerate(said)]
    parts = [[{"type": "text", "text": one}] for one in said]
    return [{"role": roles[at % 2], "content": one} for at, one in enumerate(parts)]


async def again(
    encoder: TiktokenEncoder, plain: tiktoken.Encoding, shape: str, chars: int, rounds: int
) -> Again:
    """A body is decoded anew each time, as a gateway gets it: no string is the same object."""
    dialect, model = "openai.chat", MODEL
    if shape == "blocks of Anthropic's":
        dialect, model = "anthropic.messages", "claude-sonnet-4-5"
    messages = conversation(shape, chars, 1)
    await encoder.count_request(model, {"messages": messages}, dialect)
    known: list[float] = []
    grown: list[float] = []
    theirs: list[float] = []
    for one in range(rounds):
        new = {"role": "user", "content": text("english", chars, -1 - one)}
        bodies = [
            msgspec.json.decode(msgspec.json.encode({"messages": given}))
            for given in (messages, [*messages, new])
        ]
        for body, into in zip(bodies, (known, grown), strict=True):
            start = time.thread_time_ns()
            await encoder.count_request(model, body, dialect)
            into.append((time.thread_time_ns() - start) / 1000)
        texts = [text("english", chars, 1000 + at) for at in range(MESSAGES)]
        theirs.append(each_us(plain.encode_ordinary, texts) * MESSAGES)
    return Again(
        shape,
        chars,
        statistics.median(known) / MESSAGES,
        statistics.median(grown),
        statistics.median(theirs),
    )


async def lagging(work: Callable[[], Any]) -> tuple[tuple[float, float, float], Any]:
    """Wall and CPU seconds of some work, the loop's longest stop in ms, and what came out."""
    done, worst = asyncio.Event(), 0.0

    async def tick() -> None:
        nonlocal worst
        while not done.is_set():
            start = time.perf_counter()
            await asyncio.sleep(0.001)
            worst = max(worst, time.perf_counter() - start - 0.001)

    async with asyncio.TaskGroup() as group:
        group.create_task(tick())
        await asyncio.sleep(0.01)
        start, cpu = time.perf_counter(), time.process_time()
        out = await work()
        wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu
        done.set()
    return (wall_s, cpu_s, worst * 1000), out


async def hostile(encoder: TiktokenEncoder, plain: tiktoken.Encoding) -> list[Hostile]:
    """Each kind alone, then several of them at once."""
    found = []
    for kind, make in HOSTILE.items():
        given = make(HOSTILE_CHARS)
        fields = {"messages": [{"role": "user", "content": given}]}
        work = partial(encoder.count_request, MODEL, fields, "openai.chat")
        took, count = await lagging(work)
        theirs = await asyncio.to_thread(_plainly, plain, given)
        found.append(Hostile(kind, *took, count.tokens, theirs))
    texts = [f"{at} {make(HOSTILE_CHARS)}" for at, make in enumerate(HOSTILE.values())][:AT_ONCE]
    took, counts = await lagging(
        lambda: asyncio.gather(*(encoder.count(MODEL, (each,)) for each in texts))
    )
    total = sum(count.tokens for count in counts)
    found.append(Hostile(f"{AT_ONCE} of them at once", *took, total, ""))
    return found


def _plainly(plain: tiktoken.Encoding, given: str) -> str:
    """What plain tiktoken makes of it: seconds, or how it fails (its cry is not shown)."""
    with _quiet():
        start = time.perf_counter()
        try:
            plain.encode_ordinary(given)
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            return "panics"
        return f"{time.perf_counter() - start:.2f} s"


@contextmanager
def _quiet() -> Iterator[None]:
    """Native code writes to the descriptor, not to sys.stderr."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def vectors(paths: Sequence[Path], encoder: TiktokenEncoder, console: Console) -> dict[str, Any]:
    """Checks and prints them: how many match, and each that does not."""
    result = {}
    for path in paths:
        given = load(path)
        verdicts = list(check(given, encoder))
        missed = [verdict for verdict in verdicts if not verdict.matches]
        name = path.name if path == OURS else str(path)
        console.print(f"{name}: {len(verdicts) - len(missed)} of {len(verdicts)} counts match")
        for one in missed:
            said = f"{one.found:g} (range {one.low:g} to {one.high:g}), expected {one.expected:g}"
            console.print(f"  {one.id}, {one.what}: {said}", markup=False)
        if left := unknown(given, encoder):
            console.print(f"  without a figure to check: {', '.join(left)}", markup=False)
        result[name] = {"figures": len(verdicts), "missed": [asdict(one) for one in missed]}
    return result


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title)
    for at, name in enumerate(columns):
        table.add_column(name, justify="right" if at else "left")
    for row in rows:
        table.add_row(*row)
    return table


def show(
    console: Console, new: Sequence[Fresh], old: Sequence[Again], bad: Sequence[Hostile]
) -> None:
    """The tables."""
    fresh_rows = [
        (
            f"{one.kind}, {one.chars:,} characters",
            f"{one.tiktoken_us:,.1f}",
            f"{one.count_us:,.1f}",
            f"{one.count_ratio:.2f}",
            f"{one.answer_us:,.1f}",
            f"{one.answer_ratio:.2f}",
        )
        for one in new
    ]
    titles = ("", "tiktoken", "count", "ratio", "answer", "ratio")
    console.print(_table("new texts, µs of CPU", titles, fresh_rows))
    again_rows = [
        (
            f"{one.shape}, {one.chars:,} characters",
            f"{one.message_us:.2f}",
            f"{one.grown_us:,.0f}",
            f"{one.tiktoken_us:,.0f}",
        )
        for one in old
    ]
    columns = ("", "a known message", "all and one new", "tiktoken, all")
    console.print(_table(f"{MESSAGES} messages again, µs of CPU", columns, again_rows))
    hostile_rows = [
        (
            one.kind,
            f"{one.wall_s:.2f}",
            f"{one.cpu_s:.2f}",
            f"{one.lag_ms:.0f}",
            f"{one.tokens:,}",
            one.tiktoken,
        )
        for one in bad
    ]
    heads = ("", "wall s", "CPU s", "loop lag ms", "tokens", "tiktoken")
    console.print(_table(f"{HOSTILE_CHARS:,} hostile characters", heads, hostile_rows))


async def measure(encoder: TiktokenEncoder, *, quick: bool) -> tuple[Any, Any, Any]:
    """All three parts."""
    plain, rounds = load_vocabulary("o200k_base"), 3 if quick else 9
    encoder.count_now(MODEL, "loads the vocabulary")
    new = fresh(encoder, plain, rounds)
    shapes = ("texts", "parts", "blocks of Anthropic's")
    old = [await again(encoder, plain, one, n, rounds * 3) for one in shapes for n in (300, 2000)]
    return new, old, await hostile(encoder, plain)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=Path, nargs="+", default=[])
    parser.add_argument("--quick", action="store_true", help="fewer rounds: a look")
    parser.add_argument("--json", type=Path, default=HERE / "results" / "latest.json")
    options = parser.parse_args()
    about, console, encoder = facts(), Console(), TiktokenEncoder()
    checked = vectors([OURS, *options.vectors], encoder, console)
    new, old, bad = asyncio.run(measure(encoder, quick=options.quick))
    show(console, new, old, bad)
    if note := busy_note(about):
        console.print(note)
    result = {
        "tiktoken": version("tiktoken"),
        "vectors": checked,
        "new": [asdict(one) for one in new],
        "again": [asdict(one) for one in old],
        "hostile": [asdict(one) for one in bad],
    }
    write_json(options.json, {"facts": about, **result})


if __name__ == "__main__":
    main()
