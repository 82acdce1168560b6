"""What trim, compact and prefix_cache take of the event loop for one call, in the same process.

Usage: shrinking.py [--rounds N] [--json FILE]. A conversation of an agent whose tools answer in
JSON, of 10 KB and of 200 KB. `plain`: no tool in it. `next call`: one result is new, all others
were sent before, as in an agent's next call. `all new`: nothing was ever seen, as after a start.
`counted`: the size does not prove that it fits. `cut again`: no text in it is new to the tokenizer.
`one shot`: a prompt that begins like no other. `broken`: one that parts from all others in its
first line. Of batches of 20 calls the best median counts: others work on the machine too.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.hotpath.by_size import SIZES, Figures, run
from scrimp.app import open_encoder
from scrimp.calls import Call, Reply, ReplyFacts, Usage
from scrimp.clock import SystemClock
from scrimp.levers.compact import Compact, CompactSettings
from scrimp.levers.prefix_cache import PrefixCache
from scrimp.levers.trim import Trim, TrimSettings
from scrimp.ports import Lever
from scrimp.prefixes.planning import Prices
from scrimp.prefixes.rules import ANTHROPIC, OPENAI, Rules
from scrimp.prefixes.seen import Seen
from scrimp.prefixes.telling import Terms, Way
from tests.support.core import call_of

Make = Callable[[int], tuple[Lever, Call]]
_USAGE = Usage(input_tokens=500, cache_read_tokens=2000, output_tokens=1)
_REPLY = Reply(200, (), b"{}", "json", ReplyFacts(usage=_USAGE), cacheable=False)
_BATCH = 20
_RESULT_BYTES = 2_500
_NO_RESERVE = TrimSettings(reserve_output=0)


def _tokens(most: int, _: Call) -> int:
    return most


async def below(call: Call) -> Reply:
    """A provider that answers at once."""
    return _REPLY if call.id else replace(_REPLY, status=500)


def conversation(size: int, salt: str, *, tools: bool, same: bool) -> Call:
    """A call of about so many bytes; with `same` only its last result depends on the salt."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Find me flights."}]
    rounds = max(1, size // _RESULT_BYTES)
    for number in range(rounds):
        word = salt if number == rounds - 1 or not same else "known"
        found = [
            {"flight": f"{word}{number}{n}", "from": "JFK", "to": "SEA", "seats": {"economy": n}}
            for n in range(26)
        ]
        text = json.dumps(found)[: _RESULT_BYTES if not tools else None]
        if not tools:
            messages.append({"role": "assistant" if number % 2 else "user", "content": text})
            continue
        function = {"name": "search_flights", "arguments": "{}"}
        call = {"id": f"c{number}", "type": "function", "function": function}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": f"c{number}", "content": text})
    return call_of({"model": "gpt-4o-mini", "messages": messages})


def marking(rules: Rules, way: Way) -> PrefixCache:
    """The prefix cache lever at the prices of a model of these rules."""
    prices = Prices(4_000_000, 400_000, tuple([5_000_000 for _ in rules.lives]))
    return PrefixCache(lambda _: Terms(rules, prices, way), SystemClock(), Seen())


def rules_with(first_line: str, size: int) -> Call:
    """A call whose system prompt is all rules but for its first line."""
    lines = [f"Rule {n}: be kind to the customers of shop number {n}." for n in range(size // 48)]
    system = "\n".join([first_line, *lines])
    return call_of({"model": "m", "system": system, "messages": [{"role": "user", "content": "?"}]})


async def median_us(make: Make, rounds: int) -> float:
    """Of one pass through a lever, its answer included: the best batch."""
    batches = []
    for first in range(0, rounds, _BATCH):
        times = []
        for number in range(first, first + _BATCH):
            lever, call = make(number)
            began = time.perf_counter()
            await lever(call, below)
            times.append(time.perf_counter() - began)
        batches.append(statistics.median(times))
    return min(batches) * 1e6


def prefix_cases(size: int) -> list[tuple[str, Make]]:
    """Those of prefix_cache."""
    claude, gpt = marking(ANTHROPIC, "claude"), marking(OPENAI, "chat")

    def marked(n: int) -> tuple[Lever, Call]:
        return claude, conversation(size, f"n{n}", tools=False, same=True)

    def told(n: int) -> tuple[Lever, Call]:
        return gpt, conversation(size, f"n{n}", tools=True, same=True)

    def one_shot(n: int) -> tuple[Lever, Call]:
        return gpt, conversation(size, f"o{n}", tools=False, same=False)

    def broken(n: int) -> tuple[Lever, Call]:
        return claude, rules_with(f"It is 10:{n:02}", size)

    return [
        ("prefix_cache, next call (Claude)", marked),
        ("prefix_cache, next call (GPT-5.6, tools)", told),
        ("prefix_cache, one shot (GPT-5.6)", one_shot),
        ("prefix_cache, broken (Claude)", broken),
    ]


def case(
    lever: Lever | None, size: int, *, new: bool = False, tools: bool = True, same: bool = True
) -> Make:
    """Calls of an agent; without a lever each gets a fresh one that compacts."""

    def make(number: int) -> tuple[Lever, Call]:
        salt = f"n{number}" if new else "x"
        return lever or Compact(CompactSettings()), conversation(size, salt, tools=tools, same=same)

    return make


async def measure(rounds: int) -> Figures:
    """Every case at both sizes, in microseconds."""
    encoder = open_encoder()
    found: Figures = {}
    for size in SIZES:
        known = Compact(CompactSettings())
        await known(conversation(size, "known", tools=True, same=True), below)
        roomy = Trim(encoder, lambda _: 1_000_000, lambda *_: None, TrimSettings())
        middle = Trim(encoder, partial(_tokens, size // 2), lambda *_: None, _NO_RESERVE)
        tight = Trim(encoder, partial(_tokens, size // 8), lambda *_: None, _NO_RESERVE)

        for name, make in (
            *prefix_cases(size),
            ("compact, plain", case(known, size, tools=False)),
            ("compact, next call", case(known, size, new=True)),
            ("compact, all new", case(None, size, new=True, same=False)),
            ("trim, fits", case(roomy, size)),
            ("trim, counted", case(middle, size, new=True)),
            ("trim, cut", case(tight, size, new=True)),
            ("trim, cut again", case(tight, size)),
        ):
            found.setdefault(name, {})[size] = await median_us(make, rounds)
    await encoder.close()
    return found


if __name__ == "__main__":
    run("a lever", __doc__, "shrinking", measure)
