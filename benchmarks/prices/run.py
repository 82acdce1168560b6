"""Recorded bills priced by Scrimp, genai-prices and LiteLLM: how many are exact, how fast.

Usage: run.py [FILE...] [--json FILE] [--without-litellm]. Files are as `scrimp price --vectors`
takes them; without one, our own of tests/wire. A peer is exact within half a nano-dollar, as it
computes in floats or finer fractions; Scrimp to the nano-dollar only. LiteLLM runs in
benchmarks/.peers/litellm, where it is installed once; when that cannot be, the table says so.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import timeit
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from importlib.metadata import version
from pathlib import Path
from typing import Any

import genai_prices
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.common import busy_note, facts, write_json  # noqa: E402
from benchmarks.gateway.peers import Missing  # noqa: E402
from benchmarks.gateway.peers import litellm as installed_litellm  # noqa: E402
from scrimp.dialects.anthropic_usage import read_usage as read_anthropic  # noqa: E402
from scrimp.dialects.openai_usage import read_usage as read_chat  # noqa: E402
from scrimp.errors import PriceUnknown  # noqa: E402
from scrimp.money import decimal_usd  # noqa: E402
from scrimp.prices import load_book, price, price_with, resolve  # noqa: E402
from scrimp.prices.vectors import check  # noqa: E402

OURS = ROOT / "tests" / "wire" / "bills.json"
_NEAR = Decimal("5e-10")
_CALLS = 20_000
_ROUNDS = 7
Answers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Peer:
    """What one library answered, by vector: US dollars, or why there is no answer."""

    name: str
    exact: dict[str, bool]
    told: dict[str, str]
    us_per_call: float


def fastest_us(call: Callable[[], object], calls: int = _CALLS) -> float:
    """The best of some rounds: what the others added to it is not ours."""
    return min(timeit.repeat(call, number=calls, repeat=_ROUNDS)) / calls * 1e6


def near(expected: str | None, told: str) -> bool:
    """Whether an answer is the amount; none is right where nobody can know."""
    try:
        amount = Decimal(told)
    except InvalidOperation:
        return expected is None
    return expected is not None and abs(amount - Decimal(expected)) <= _NEAR


def ours(vectors: Sequence[Mapping[str, Any]]) -> Peer:
    """Scrimp, as `scrimp price --vectors` judges it."""
    book, exact, told = load_book(), {}, {}
    for vector in vectors:
        verdict = check(vector, book)
        exact[verdict.id] = verdict.exact
        cost = verdict.cost
        told[verdict.id] = (
            verdict.why if cost is None or cost.nanousd is None else decimal_usd(cost.nanousd)
        )
    one = _plain(vectors)
    at = datetime.fromisoformat(one["request_time"])

    def whole() -> None:
        usage = read_chat(one["usage"])
        if usage is not None:
            price(usage, one["model"], one["provider"], at, book=book)

    return Peer(f"scrimp ({book.version})", exact, told, fastest_us(whole))


def genai(vectors: Sequence[Mapping[str, Any]]) -> Peer:
    """The library whose data the book is compiled from."""
    exact, told = {}, {}
    for vector in vectors:
        try:
            answer = str(_genai(vector))
        except (LookupError, ValueError, TypeError) as error:
            answer = f"{type(error).__name__}: {str(error)[:120]}"
        told[vector["id"]] = answer
        exact[vector["id"]] = near(vector["expected_usd"], answer)
    one = _plain(vectors)
    return Peer(
        f"genai-prices {version('genai-prices')}",
        exact,
        told,
        fastest_us(lambda: _genai(one), 500),
    )


def _genai(vector: Mapping[str, Any]) -> Decimal:
    usage = vector["usage"]
    place = "usageMetadata" if usage and "promptTokenCount" in usage else "usage"
    named = "modelVersion" if place == "usageMetadata" else "model"
    extra = vector.get("response_extra") or {}
    read = genai_prices.extract_usage(
        {named: vector["model"], place: usage, **extra},
        provider_id=vector["provider"],
        api_flavor=vector.get("api_flavor", "default"),
    )
    result = genai_prices.calc_price(
        read.usage,
        vector["model"],
        provider_id=vector["provider"],
        genai_request_timestamp=datetime.fromisoformat(vector["request_time"]),
        price_context=vector.get("context") or None,
    )
    return result.total_price


def litellm(vectors: Sequence[Mapping[str, Any]]) -> Peer:
    """In a process of its own, installed before when it is not there. Raises `Missing`."""
    python = installed_litellm().parent / "python"
    done = subprocess.run(
        [str(python), str(HERE / "litellm_side.py")],
        input=json.dumps(vectors).encode(),
        capture_output=True,
        check=True,
    )
    said = json.loads(done.stdout)
    told = {name: one.get("usd") or one["error"] for name, one in said["answers"].items()}
    exact = {one["id"]: near(one["expected_usd"], told[one["id"]]) for one in vectors}
    return Peer(f"litellm {said['version']}", exact, told, said["us_per_call"])


def _plain(vectors: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """A vector that everybody can price, for the stopwatch."""
    return next(
        one
        for one in vectors
        if one["provider"] == "openai" and "prompt_tokens" in (one["usage"] or {})
    )


def parts_us() -> dict[str, float]:
    """What the steps of our own pricing cost, in microseconds of this machine."""
    book, at = load_book(), datetime.fromisoformat("2026-11-20T12:00:00Z")
    chat = {
        "prompt_tokens": 2006,
        "completion_tokens": 300,
        "total_tokens": 2306,
        "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
    message = {
        "input_tokens": 3,
        "cache_creation_input_tokens": 12304,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 12304, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 550,
        "service_tier": "standard",
        "inference_geo": "global",
    }
    usage = read_chat(chat)
    if usage is None:
        raise PriceUnknown("the usage of the benchmark cannot be read")
    rates = resolve("gpt-5", "openai", at, book=book)
    return {
        "read usage, openai.chat": fastest_us(lambda: read_chat(chat)),
        "read usage, anthropic.messages": fastest_us(lambda: read_anthropic(message)),
        "find rates": fastest_us(lambda: resolve("gpt-5", "openai", at, book=book)),
        "price, three lines": fastest_us(lambda: price_with(usage, rates)),
        "find rates and price": fastest_us(lambda: price(usage, "gpt-5", "openai", at, book=book)),
    }


def show(peers: Sequence[Peer], count: int, parts: Mapping[str, float], note: str) -> None:
    """The tables."""
    console = Console()
    table = Table(title=f"{count} recorded bills")
    for name in ("", "exact", "µs per bill"):
        table.add_column(name, justify="left" if not name else "right")
    for peer in peers:
        table.add_row(peer.name, f"{sum(peer.exact.values())}", f"{peer.us_per_call:,.1f}")
    console.print(table)
    for peer in peers:
        for name, right in peer.exact.items():
            if not right:
                console.print(f"{peer.name} misses {name}: {peer.told[name]}", markup=False)
    steps = Table(title="what our own steps cost")
    steps.add_column("")
    steps.add_column("µs", justify="right")
    for name, us in parts.items():
        steps.add_row(name, f"{us:.2f}")
    console.print(steps)
    if note:
        console.print(note)


def main() -> None:
    """Price, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="*", default=[OURS])
    parser.add_argument("--json", type=Path, default=HERE / "results" / "latest.json")
    parser.add_argument("--without-litellm", action="store_true", help="install and ask none")
    options = parser.parse_args()
    about = facts()
    vectors = [one for path in options.files for one in json.loads(path.read_bytes())]
    peers, notes = [ours(vectors), genai(vectors)], [busy_note(about)]
    if not options.without_litellm:
        try:
            peers.append(litellm(vectors))
        except Missing as error:
            notes.append(f"LiteLLM is not in it: {error}")
    parts = parts_us()
    show(peers, len(vectors), parts, "\n".join(note for note in notes if note))
    result = {"vectors": len(vectors), "peers": [asdict(peer) for peer in peers], "steps_us": parts}
    write_json(options.json, {"facts": about, **result})


if __name__ == "__main__":
    main()
