"""How the doctor shows what was played: a table, every failure with both numbers, the way out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from scrimp.cli.console import out
from scrimp.conformance.verdict import Verdict
from scrimp.money import decimal_usd

_SPEAKS = {
    "openai": '"openai.chat", "openai.responses"',
    "anthropic": '"anthropic.messages"',
}
_CHAT = '"openai.chat"'
_MOST_SHOWN = 400


@dataclass(frozen=True, slots=True)
class Heard:
    """Everything that was played, through the gateway and through our own readers."""

    url: str
    listen: str
    gateway: tuple[Verdict, ...]
    readers: tuple[Verdict, ...]
    must_serve: bool

    @property
    def good(self) -> bool:
        """Nothing failed, something was served, and whatever was named by hand too."""
        every = (*self.gateway, *self.readers)
        if any(one.status == "fail" for one in every):
            return False
        unserved = sum(one.status == "not served" for one in self.gateway)
        return not unserved or (unserved < len(self.gateway) and not self.must_serve)


def how_to_point(
    gateway: str, provider: str, cases: int, names: Sequence[str] = ()
) -> Iterator[str]:
    """What the gateway needs, before anything is sent."""
    yield f"A provider that replays {cases} cases listens at {provider}"
    yield f"The gateway at {gateway} must send its calls there. For Scrimp, in scrimp.toml:"
    yield ""
    for name in names or ("openai", "anthropic"):
        yield from _settings(name, provider)


def _settings(name: str, url: str) -> Iterator[str]:
    yield f"  [providers.{name}]"
    yield f'  base_url = "{url}/v1"'
    yield f"  dialects = [{_SPEAKS.get(name, _CHAT)}]"
    yield '  headers = { authorization = "Bearer replayed" }'
    yield ""


def show(heard: Heard) -> None:
    """The tables and the last word."""
    console = out()
    if heard.gateway:
        console.print(_counts(f"Through the gateway at {heard.url}", heard.gateway))
    console.print(
        _counts("Through Scrimp's own readers, priced at each case's date", heard.readers)
    )
    for verdict in (*heard.gateway, *heard.readers):
        if verdict.status == "fail":
            console.print(_failure(verdict), soft_wrap=True)
    for line in (*_unserved(heard), _last_word(heard)):
        console.print(line, soft_wrap=True)


def _counts(title: str, verdicts: Sequence[Verdict]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.box, table.pad_edge, table.collapse_padding = box.SIMPLE_HEAD, False, True
    for name in ("provider", "API"):
        table.add_column(name, no_wrap=True)
    for name in ("pass", "fail", "not\nserved", "cost, right", "cost, told"):
        table.add_column(name, justify="right", no_wrap=True)
    for provider, shape in dict.fromkeys((one.provider, one.shape) for one in verdicts):
        group = [one for one in verdicts if (one.provider, one.shape) == (provider, shape)]
        counts = _tally(group)
        style = "red" if counts[1] else "dim" if counts[2] else ""
        cells = (*(f"{count or ''}" for count in counts), *_costs(group))
        table.add_row(provider, shape, *cells, style=style)
    return table


def _costs(group: Sequence[Verdict]) -> tuple[str, str]:
    """Both sums, of the cases whose cost is certain and was told."""
    costs = [(one.expected_nanousd, one.told_nanousd) for one in group]
    both = [(right, told) for right, told in costs if right is not None and told is not None]
    if not both:
        return "", ""
    right, told = (decimal_usd(sum(side)) for side in zip(*both, strict=True))
    return f"${right}", f"${told}"


def _failure(verdict: Verdict) -> Text:
    where = "" if verdict.where == "gateway" else " (readers)"
    text = Text.assemble(("fail ", "bold red"), verdict.case, where)
    for wrong in verdict.wrong:
        text.append(
            f"\n     {wrong.what}: expected {_shown(wrong.expected)}, got {_shown(wrong.found)}"
        )
    return text


def _unserved(heard: Heard) -> Iterator[Text]:
    notes: dict[str, list[Verdict]] = {}
    for one in heard.gateway:
        if one.status == "not served":
            notes.setdefault(one.note, []).append(one)
    for note, found in notes.items():
        what = ", ".join(dict.fromkeys(f"{one.provider} {one.shape}" for one in found))
        text = Text.assemble((f"not served: {what} ({_cases(len(found))})", "yellow"))
        yield text.append(f"\n     the gateway said: {_shown(note)}")
    missing = sorted({one.provider for found in notes.values() for one in found})
    if missing:
        example = "\n".join(_settings(missing[0], heard.listen))
        others = f"and so for {', '.join(missing[1:])}\n" if missing[1:] else ""
        yield Text(f"\nScrimp serves them with this in scrimp.toml:\n\n{example}{others}")


def _last_word(heard: Heard) -> Text:
    every = (*heard.gateway, *heard.readers)
    passed, failed, unserved = _tally(every)
    played = {one.case for one in heard.gateway}
    alone = len([one for one in heard.readers if one.case not in played])
    about = f"{_cases(alone)} of APIs that go through no gateway: read by Scrimp alone."
    counts = f"{passed} passed, {failed} failed, {unserved} not served."
    return Text(f"{about if alone else ''}\n{counts}".strip(), "bold red" if not heard.good else "")


def document(heard: Heard) -> dict[str, Any]:
    """The same for machines: every case with every check."""
    every = (*heard.gateway, *heard.readers)
    passed, failed, unserved = _tally(every)
    return {
        "ok": heard.good,
        "gateway": heard.url,
        "provider": heard.listen,
        "passed": passed,
        "failed": failed,
        "not_served": unserved,
        "cases": [asdict(one) for one in every],
    }


def _tally(verdicts: Sequence[Verdict]) -> tuple[int, int, int]:
    passed, failed, unserved = (
        sum(one.status == state for one in verdicts) for state in ("pass", "fail", "not served")
    )
    return passed, failed, unserved


def _shown(text: str) -> str:
    """Words from the wire, safe for a terminal, and not endless."""
    safe = "".join(one if one.isprintable() else "�" for one in text[:_MOST_SHOWN])
    return safe + "…" if len(text) > _MOST_SHOWN else safe


def _cases(count: int) -> str:
    return "1 case" if count == 1 else f"{count} cases"
