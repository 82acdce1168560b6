"""What the lever that packs calls takes of the event loop, in the same process.

Usage: packing.py [--rounds N] [--json FILE]. `unasked`: a call that nobody wants packed, as all are
by default. `left alone`: one that asks for it and has tools, of 10 KB and of 200 KB. `packed`: one
of ten short calls that share a prompt, its tokens counted, its part booked; per call.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks.common import busy_note, facts, write_json  # noqa: E402
from scrimp.app import open_encoder  # noqa: E402
from scrimp.calls import Call, Reply, ReplyFacts, Trace  # noqa: E402
from scrimp.choosing import NO_WISH  # noqa: E402
from scrimp.dialects import DIALECTS  # noqa: E402
from scrimp.levers.pack import Pack, PackMeans, PackSettings  # noqa: E402
from scrimp.pipeline.background import Background  # noqa: E402
from scrimp.pipeline.together import Timer  # noqa: E402
from scrimp.simulator.packed import answered, items_of  # noqa: E402
from tests.support.core import FakeClock, answer_fields, attempt_of, call_of, flat_price  # noqa: E402
from tests.support.packs import last_text, question  # noqa: E402

ASKED = replace(NO_WISH, pack=10)
_REPLY = Reply(200, (), b"{}", "json", ReplyFacts(), cacheable=False)


async def below(call: Call) -> Reply:
    """A provider that answers at once, packed prompts in their form."""
    word, items = items_of(last_text(call)) if call.id == "pack" else ("", ())
    if not items:
        return _REPLY
    body = answer_fields(answered(word, items, lambda _: "card_arrival"))
    facts_of_reply = DIALECTS["openai.chat"].read_reply(body)
    call.trace.attempts.append(attempt_of(usage=facts_of_reply.usage))
    return replace(_REPLY, body=body, facts=facts_of_reply)


def later(seconds: float, then: Callable[[], None]) -> Timer:
    """As in the gateway."""
    return asyncio.get_running_loop().call_later(seconds, then)


def with_tools(size: int) -> dict[str, Any]:
    """A call of about so many bytes that cannot be packed."""
    return {**question("x" * size), "tools": [{"type": "function", "function": {"name": "f"}}]}


async def median_us(lever: Pack, call: Call, rounds: int) -> float:
    """Of one pass of a call that goes on alone."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        await lever(call, below)
        times.append(time.perf_counter() - began)
        call.trace.lines.clear()
    return statistics.median(times) * 1e6


async def packed_us(lever: Pack, rounds: int) -> float:
    """Of ten calls that share a prompt, for each of them."""
    times = []
    for _ in range(rounds):
        calls = [replace(call_of(question(f"Text {n}")), wish=ASKED) for n in range(10)]
        calls = [replace(call, trace=Trace()) for call in calls]
        began = time.perf_counter()
        await asyncio.gather(*(lever(call, below) for call in calls))
        times.append((time.perf_counter() - began) / 10)
    return statistics.median(times) * 1e6


async def measure(rounds: int) -> dict[str, float]:
    """Every case, in microseconds."""
    background, encoder = Background(), open_encoder()
    means = PackMeans(
        spawn=background,
        later=later,
        clock=FakeClock(),
        encoder=encoder,
        pricer=flat_price,
        prices=lambda *_: None,
        dialects=DIALECTS,
        new_word=lambda: "kq7wzt",
        new_id=lambda: "pack",
    )
    lever = Pack(means, PackSettings())
    async with asyncio.TaskGroup() as group:
        background.open(group)
        found = {
            "unasked": await median_us(lever, call_of(question()), rounds * 10),
            "left alone, 10 KB": await median_us(lever, _asked(with_tools(10_000)), rounds * 10),
            "left alone, 200 KB": await median_us(lever, _asked(with_tools(200_000)), rounds * 10),
            "packed, per call": await packed_us(lever, rounds),
        }
    await encoder.close()
    return found


def _asked(fields: dict[str, Any]) -> Call:
    return replace(call_of(fields), wish=ASKED)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", type=Path, default=HERE / "results" / "packing.json")
    options = parser.parse_args()
    about = facts()
    found = asyncio.run(measure(options.rounds))
    table = Table(title="one pass through pack, median µs")
    table.add_column("")
    table.add_column("µs", justify="right")
    for name, value in found.items():
        table.add_row(name, f"{value:,.1f}")
    console = Console()
    console.print(table)
    if note := busy_note(about):
        console.print(note)
    write_json(options.json, {"facts": about, "rounds": options.rounds, "figures": found})


if __name__ == "__main__":
    main()
