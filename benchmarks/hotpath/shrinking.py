"""What trim, compact and prefix_cache take of the event loop for one call, in the same process.

Usage: shrinking.py [--rounds N] [--json FILE]. A conversation of an agent whose tools answer in
JSON, of 10 KB and of 200 KB. `first` was never seen; for `next`, one result (or message) of 2.5 KB
is new and all others were sent before, as in an agent's next call. `broken` parts from all others
in its first line. compact's first is one after a start, to which nothing is known. trim: `counted`
does not fit by its size alone; `cut`: the text that is new is counted at first, known by the next.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.hotpath.by_size import PARSED, SIZES, Figures, Make, Pair, parsed_us, pass_us, run
from scrimp.app import open_encoder
from scrimp.calls import Call, Reply, ReplyFacts, Usage
from scrimp.clock import SystemClock
from scrimp.encoders.tiktoken_encoder import TiktokenEncoder
from scrimp.levers.compact import Compact, CompactSettings
from scrimp.levers.prefix_cache import PrefixCache
from scrimp.levers.trim import Trim, TrimSettings
from scrimp.ports import Lever
from scrimp.prefixes.planning import Prices
from scrimp.prefixes.rules import ANTHROPIC, OPENAI, Rules
from scrimp.prefixes.seen import Seen
from scrimp.prefixes.telling import Terms, Way
from tests.support.core import call_of

_USAGE = Usage(input_tokens=500, cache_read_tokens=2000, output_tokens=1)
_REPLY = Reply(200, (), b"{}", "json", ReplyFacts(usage=_USAGE), cacheable=False)
_RESULT_BYTES = 2_500
TOKENIZER = "of a cut the tokenizer, for one new result"
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


def talks(lever: Lever, size: int, *, tools: bool, same: bool) -> Make:
    """Calls that are all alike but for their last message, or have nothing in common."""

    def made(number: int) -> tuple[Lever, Call]:
        return lever, conversation(size, f"{'n' if same else 'o'}{number}", tools=tools, same=same)

    return made


def fresh(size: int) -> Make:
    """Each passes a lever that has seen nothing."""

    def made(number: int) -> tuple[Lever, Call]:
        call = conversation(size, f"f{number}", tools=True, same=False)
        return Compact(CompactSettings()), call

    return made


def broken(size: int) -> Make:
    """Each has another first line."""
    lever = marking(ANTHROPIC, "claude")
    return lambda number: (lever, rules_with(f"It is 10:{number:02}", size))


def known(lever: Lever, size: int) -> Make:
    """The same conversation again and again."""
    return lambda _: (lever, conversation(size, "x", tools=True, same=True))


def cases(encoder: TiktokenEncoder, size: int) -> dict[str, tuple[Make | None, Make | None]]:
    """At first sight, and the next call."""
    claude, gpt = marking(ANTHROPIC, "claude"), marking(OPENAI, "chat")
    compact, plain = Compact(CompactSettings()), Compact(CompactSettings())
    roomy = Trim(encoder, lambda _: 1_000_000, lambda *_: None, TrimSettings())
    middle = Trim(encoder, partial(_tokens, size // 2), lambda *_: None, _NO_RESERVE)
    tight = Trim(encoder, partial(_tokens, size // 8), lambda *_: None, _NO_RESERVE)
    return {
        "prefix_cache, Claude": (
            talks(claude, size, tools=False, same=False),
            talks(claude, size, tools=False, same=True),
        ),
        "prefix_cache, GPT-5.6, results of tools": (
            talks(gpt, size, tools=True, same=False),
            talks(gpt, size, tools=True, same=True),
        ),
        "prefix_cache, broken, Claude": (broken(size), None),
        "compact, no tools": (None, talks(plain, size, tools=False, same=True)),
        "compact, one new result": (fresh(size), talks(compact, size, tools=True, same=True)),
        "compact, nothing new": (None, known(compact, size)),
        "trim, fits": (None, talks(roomy, size, tools=True, same=True)),
        "trim, counted": (None, talks(middle, size, tools=True, same=True)),
        "trim, cut": (talks(tight, size, tools=True, same=True), known(tight, size)),
    }


async def tokenizer_us(encoder: TiktokenEncoder, rounds: int) -> float:
    """What counting one new result takes: whoever counts it first pays for it, once."""
    times = []
    for number in range(rounds):
        call = conversation(_RESULT_BYTES, f"t{number}", tools=True, same=False)
        text = call.request.fields["messages"][-1]["content"]
        began_ns = time.thread_time_ns()
        await encoder.count("gpt-4o-mini", (text,))
        times.append(time.thread_time_ns() - began_ns)
    return min(times) / 1e3


async def measure(rounds: int) -> Figures:
    """Every case at both sizes."""
    encoder = open_encoder()
    counted = Pair(await tokenizer_us(encoder, rounds))
    found: Figures = {}
    for size in SIZES:
        parsed = parsed_us(conversation(size, "x", tools=True, same=True), rounds)
        found.setdefault(PARSED, {})[size] = Pair(parsed, parsed)
        for name, makes in cases(encoder, size).items():
            both = [None if make is None else await pass_us(make, below, rounds) for make in makes]
            found.setdefault(name, {})[size] = Pair(*both)
        found.setdefault(TOKENIZER, {})[size] = counted
    await encoder.close()
    return found


if __name__ == "__main__":
    run("a lever", __doc__, "shrinking", measure)
