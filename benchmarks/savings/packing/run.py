"""What packing saves against one call for each question, and whether its reader ever errs.

Usage: run.py --data FILE [--data FILE] [--items N] [--calls N] [--replies N] [--json FILE]. A file
is a CSV with a column `text` and one of labels (`category` or `intent`), or JSON lines with
`prompt`. They are asked in prompts as the lever writes them, so many at a time, of a model that
knows the right label; tokens are counted by the model's own tokenizer, dollars are list prices.
Then generated hostile answers are read back: the run ends with 1 when one of them goes astray.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import gzip
import json
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2]))

from benchmarks.common import facts, write_json  # noqa: E402
from benchmarks.savings.packing.hostile import Read, read_back  # noqa: E402
from scrimp.app import open_encoder  # noqa: E402
from scrimp.calls import Usage  # noqa: E402
from scrimp.dialects import DIALECTS  # noqa: E402
from scrimp.dialects.json_body import encode  # noqa: E402
from scrimp.packing.answers import read_answers  # noqa: E402
from scrimp.packing.items import Bounds, item_of  # noqa: E402
from scrimp.packing.prompt import packed_fields  # noqa: E402
from scrimp.packing.worth import RATIOS, worth_picousd  # noqa: E402
from scrimp.prices import PriceBook, load_book, price  # noqa: E402
from scrimp.simulator.packed import answered, items_of  # noqa: E402

MODELS = (("gpt-4o-mini", "openai"), ("gpt-4.1", "openai"), ("claude-haiku-4-5", "anthropic"))
COUNTED = "gpt-4o-mini"
WORD = "kq7wzt"
_ANSWER_TOKENS = 16
_SEED = 7
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Work:
    """Questions under one set of rules; `labels` are what a right model answers."""

    name: str
    rules: str
    texts: tuple[str, ...]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Took:
    """Tokens of a way to ask."""

    requests: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Saved:
    """One file, both ways. `wrong` answers came back for another question, or were lost."""

    name: str
    items: int
    rules_tokens: int
    calls: int
    worth: bool
    alone: Took
    packed: Took
    wrong: int
    dollars: Mapping[str, tuple[float, float]]


def sampled(rows: list[T], most: int) -> list[T]:
    """So many of them, the same ones at every run."""
    dice = random.Random(_SEED)  # noqa: S311 - a sample that can be drawn again
    return dice.sample(rows, min(most, len(rows)))


def sorting(name: str, rows: Sequence[tuple[str, str]], most: int) -> Work:
    """A task of sorting: the rules name every label."""
    names = ", ".join(sorted({label for _, label in rows}))
    rules = (
        "You sort what people write to us by what they want. Answer with the name of one kind and "
        f"nothing else. The kinds are: {names}."
    )
    chosen = sampled(list(dict(rows).items()), most)
    return Work(name, rules, tuple(text for text, _ in chosen), dict(chosen))


def choosing(name: str, prompts: Sequence[str], most: int) -> Work:
    """Questions with their options, under a rule of one line."""
    chosen = sampled(list(dict.fromkeys(prompts)), most)
    rules = "Answer with the letter of the right option and nothing else."
    return Work(name, rules, tuple(chosen), dict.fromkeys(chosen, "B"))


def loaded(path: Path, most: int) -> Work:
    """A file of either shape."""
    name = path.name.partition(".")[0]
    if ".csv" in path.suffixes:
        with path.open(newline="") as rows:
            found = [
                (row["text"].strip(), row.get("category") or row.get("intent") or "")
                for row in csv.DictReader(rows)
            ]
        return sorting(name, [pair for pair in found if all(pair)], most)
    opened: Callable[[Path], Any] = partial(gzip.open, mode="rt") if path.suffix == ".gz" else open
    with opened(path) as lines:
        return choosing(name, [json.loads(line)["prompt"] for line in lines], most)


def fields_of(rules: str, text: str) -> dict[str, Any]:
    """One question as a call."""
    messages = [{"role": "system", "content": rules}, {"role": "user", "content": text}]
    return {"model": COUNTED, "max_completion_tokens": _ANSWER_TOKENS, "messages": messages}


class Counter:
    """The model's own tokenizer."""

    def __init__(self) -> None:
        self._encoder = open_encoder()

    async def took(self, asked: Sequence[tuple[Mapping[str, Any], str]]) -> Took:
        """What these requests and their answers take."""
        into = out = 0
        for fields, answer in asked:
            into += (await self._encoder.count_request(COUNTED, fields, "openai.chat")).tokens
            out += (await self._encoder.count(COUNTED, (answer,))).tokens
        return Took(len(asked), into, out)

    async def close(self) -> None:
        """Drop it."""
        await self._encoder.close()


def in_packs(work: Work, calls: int) -> Iterator[tuple[dict[str, Any], str, int]]:
    """Each prompt, its answer, and how many answers of it went astray."""
    for first in range(0, len(work.texts), calls):
        texts = [text.strip() for text in work.texts[first : first + calls]]
        own = [work.labels[text] for text in work.texts[first : first + calls]]
        if len(texts) == 1:
            yield fields_of(work.rules, texts[0]), own[0], 0
            continue
        asked = fields_of(work.rules, texts[0])
        fields = packed_fields(asked, texts, WORD, dialect="openai.chat")
        word, items = items_of(fields["messages"][-1]["content"])
        said = answered(word, items, dict(zip(texts, own, strict=True)).__getitem__)
        found = read_answers(said, WORD, len(texts))
        yield fields, said, sum(one != mine for one, mine in zip(found, own, strict=True))


async def compared(work: Work, calls: int, counter: Counter, book: PriceBook) -> Saved:
    """Both ways, and what each costs."""
    alone = [(fields_of(work.rules, text), work.labels[text]) for text in work.texts]
    packs = list(in_packs(work, calls))
    request = DIALECTS["openai.chat"].read_request(encode(alone[0][0]))
    item = item_of(request, "openai.chat", Bounds())
    bytes_of_rules = 0 if isinstance(item, str) else item.rules_bytes
    one = await counter.took(alone)
    other = await counter.took([(fields, said) for fields, said, _ in packs])
    bare = await counter.took([(fields_of(work.rules, ""), "")])
    return Saved(
        work.name,
        len(work.texts),
        bare.input_tokens,
        calls,
        worth_picousd(calls, bytes_of_rules, RATIOS) > 0,
        one,
        other,
        sum(wrong for *_, wrong in packs),
        {
            model: (cost(one, model, provider, book), cost(other, model, provider, book))
            for model, provider in MODELS
        },
    )


def cost(took: Took, model: str, provider: str, book: PriceBook) -> float:
    """Dollars at list prices, without the provider's own prefix cache."""
    usage = Usage(input_tokens=took.input_tokens, output_tokens=took.output_tokens)
    return (price(usage, model, provider, datetime.now(UTC), book=book).nanousd or 0) / 1e9


def percent(before: float, after: float) -> str:
    """Such as -68.1 %."""
    return f"{(after - before) / before * 100:+.1f} %" if before else ""


def shown(saved: Sequence[Saved], read: Read) -> None:
    """The tables."""
    console = Console()
    table = Table(title="one prompt for several questions, against one call for each")
    for name in ("questions", "rules", "a prompt", "input", "output", *dict(MODELS), "the lever"):
        table.add_column(name, justify="left" if name == "questions" else "right")
    for one in saved:
        table.add_row(
            f"{one.name} ({one.items:,})",
            f"{one.rules_tokens:,}",
            str(one.calls),
            percent(one.alone.input_tokens, one.packed.input_tokens),
            percent(one.alone.output_tokens, one.packed.output_tokens),
            *(percent(*one.dollars[model]) for model, _ in MODELS),
            "packs" if one.worth else "leaves alone",
        )
    console.print(table)
    console.print(
        f"{read.replies:,} generated replies of hostile answers ({read.answers:,} answers): "
        f"{read.wrong} wrong, {read.lost} lost; {read.damaged:,} of them damaged as well: "
        f"{read.astray} answers with another's number, {read.kept / max(1, read.beside):.1%} of "
        "the others kept"
    )


async def run(options: argparse.Namespace) -> tuple[list[Saved], Read]:
    """All files at all sizes."""
    counter, book = Counter(), load_book()
    saved = [
        await compared(loaded(path, options.items), calls, counter, book)
        for path in options.data
        for calls in options.calls
    ]
    await counter.close()
    return saved, read_back(options.replies)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--calls", type=int, action="append")
    parser.add_argument("--replies", type=int, default=20_000)
    parser.add_argument("--json", type=Path, default=HERE / "results" / "packing.json")
    options = parser.parse_args()
    options.calls = options.calls or [2, 5, 10]
    about = facts()
    saved, read = asyncio.run(run(options))
    shown(saved, read)
    rows = [asdict(one) for one in saved]
    write_json(options.json, {"facts": about, "saved": rows, "read": asdict(read)})
    if read.wrong or read.lost or read.astray or any(one.wrong for one in saved):
        sys.exit(1)


if __name__ == "__main__":
    main()
