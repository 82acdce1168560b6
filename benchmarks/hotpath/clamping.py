"""What clamp_output takes of the event loop for one call, in the same process.

Usage: clamping.py [--rounds N] [--json FILE]. Calls of 10 KB and of 200 KB. `off`: the lever as it
stands in every chain; `advised`: a limit was measured; `set`: it goes into the body; `line`: a
preset of the settings in a new conversation; `line, later`: the same in a turn that follows.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks.common import busy_note, facts, write_json  # noqa: E402
from scrimp.calls import Call, Reply, ReplyFacts, Usage  # noqa: E402
from scrimp.clamping.outputs import Outputs  # noqa: E402
from scrimp.clamping.presets import Brief  # noqa: E402
from scrimp.clamping.worth import Prices  # noqa: E402
from scrimp.dialects import DIALECTS  # noqa: E402
from scrimp.levers.clamp_output import ClampMeans, ClampOutput, ClampSettings, Others  # noqa: E402
from scrimp.pipeline.briefing import Briefing, key_of  # noqa: E402
from tests.support.core import FakeClock, call_of  # noqa: E402

SIZES = (10_000, 200_000)
TARGETS_US = {10_000: 50, 200_000: 1_000}
_FACTS = ReplyFacts(usage=Usage(input_tokens=9, output_tokens=90), finish="complete", complete=True)
_REPLY = Reply(200, (), b"{}", "json", _FACTS, cacheable=True)
_MEASURED = 1_000


async def below(call: Call) -> Reply:
    """A provider that answers at once."""
    return _REPLY if call.id else replace(_REPLY, status=500)


def asked(size: int, salt: str, *, later: bool) -> Call:
    """A call of about so many bytes; `later` is a turn after an answer."""
    half = "word " * (size // 10)
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": half},
        {"role": "user", "content": f"{salt} {half}"},
    ]
    if later:
        answer = {"role": "assistant", "content": "so"}
        messages += [answer, {"role": "user", "content": "and?"}]
    return call_of({"model": "gpt-4o-mini", "messages": messages})


def lever(case: str) -> ClampOutput:
    """The lever of a case, with what it has measured."""
    outputs = Outputs()
    lengths = outputs.take(key_of(call_of()))
    for number in range(_MEASURED):
        lengths.add(50 + number % 100)
    presets = {"general": Brief("concise")} if case.startswith("line") else {}
    prices = Prices(150_000, 600_000, 75_000)
    briefing = Briefing(outputs, lambda _: prices, presets, {})
    means = ClampMeans(outputs, briefing, lambda _: Others(), FakeClock(), DIALECTS)
    return ClampOutput(means, ClampSettings(enabled=case != "off", enforce=case == "set"))


async def measure(rounds: int) -> dict[str, dict[int, float]]:
    """Every case at both sizes, in microseconds: the median of one pass."""
    found: dict[str, dict[int, float]] = {}
    for size in SIZES:
        for case in ("off", "advised", "set", "line", "line, later"):
            clamp, times = lever(case), []
            for number in range(rounds):
                salt = f"{number}"
                if case == "line, later":
                    await clamp(asked(size, salt, later=False), below)
                call = asked(size, salt, later=case == "line, later")
                began = time.perf_counter()
                await clamp(call, below)
                times.append(time.perf_counter() - began)
            found.setdefault(case, {})[size] = statistics.median(times) * 1e6
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", type=Path, default=HERE / "results" / "clamping.json")
    options = parser.parse_args()
    about = facts()
    found = asyncio.run(measure(options.rounds))
    limits = ", ".join(f"{us:,} µs at {size // 1000} KB" for size, us in TARGETS_US.items())
    table = Table(title=f"one pass through clamp_output, median µs (asked for: at most {limits})")
    table.add_column("")
    for size in SIZES:
        table.add_column(f"{size // 1000} KB", justify="right")
    for name, values in found.items():
        table.add_row(name, *(f"{values[size]:,.0f}" for size in SIZES))
    console = Console()
    console.print(table)
    if note := busy_note(about):
        console.print(note)
    write_json(options.json, {"facts": about, "rounds": options.rounds, "figures": found})


if __name__ == "__main__":
    main()
