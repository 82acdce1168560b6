"""What clamp_output takes of the event loop for one call, in the same process.

Usage: clamping.py [--rounds N] [--json FILE]. Calls of 10 KB and of 200 KB. `off`: the lever as it
stands in every chain; `advised`: a limit was measured; `set`: it goes into the body; `line`: a
preset of the settings, `first` in a new conversation, `next` in a turn that follows.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.hotpath.by_size import PARSED, SIZES, Figures, Make, Pair, parsed_us, pass_us, run
from scrimp.calls import Call, Reply, ReplyFacts, Usage
from scrimp.clamping.outputs import Outputs
from scrimp.clamping.presets import Brief
from scrimp.clamping.worth import Prices
from scrimp.dialects import DIALECTS
from scrimp.levers.clamp_output import ClampMeans, ClampOutput, ClampSettings, Others
from scrimp.pipeline.briefing import Briefing, key_of
from scrimp.ports import Lever
from tests.support.core import FakeClock, call_of

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


def makes(case: str, size: int) -> tuple[Make | None, Make]:
    """Calls at first sight, where that is another pass, and those that come after them."""
    clamp = lever(case)

    def new(number: int) -> tuple[Lever, Call]:
        return clamp, asked(size, f"{number}", later=False)

    def later(number: int) -> tuple[Lever, Call]:
        return clamp, asked(size, f"{number}", later=True)

    return (new, later) if case == "line" else (None, new)


async def measure(rounds: int) -> Figures:
    """Every case at both sizes. A later turn of a conversation finds what its first one set."""
    found: Figures = {}
    for size in SIZES:
        parsed = parsed_us(asked(size, "x", later=False), rounds)
        found.setdefault(PARSED, {})[size] = Pair(parsed, parsed)
        for case in ("off", "advised", "set", "line"):
            first, then = makes(case, size)
            pair = Pair(None if first is None else await pass_us(first, below, rounds))
            pair = pair._replace(next=await pass_us(then, below, rounds))
            found.setdefault(case, {})[size] = pair
    return found


if __name__ == "__main__":
    run("clamp_output", __doc__, "clamping", measure)
