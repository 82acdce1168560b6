"""A ledger entry in plain words: what each lever did, what was tried, how the price came to be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scrimp.calls import COUNTERS, Attempt, Cost, Line, TraceLine, Usage
from scrimp.ledger.adjustment import Adjustment, amounts_now
from scrimp.ledger.explain_choice import choice_words, is_choice
from scrimp.ledger.prefixes import broken_words
from scrimp.ledger.smaller import APART, SMALLER, SUPPOSED
from scrimp.ledger.steps import ESTIMATED, in_words
from scrimp.money import PICO_PER_NANO, format_usd
from scrimp.ports import Entry

_USAGE_WORDS = {name: name.removesuffix("_tokens").replace("_", " ") for name in COUNTERS}
_LONG = 24
_OUTCOMES = {
    "ok": "a whole reply",
    "rejected": "the provider refused",
    "failed": "no usable reply",
    "cut": "broke off after its first byte",
    "cancelled": "the client left",
    "unsent": "never left this machine",
}


def usage_words(usage: Usage | None) -> str:
    """Such as `1,200 input, 34 output`."""
    if usage is None:
        return "usage not reported"
    parts = [
        f"{quantity:,} {words}"
        for name, words in _USAGE_WORDS.items()
        if (quantity := getattr(usage, name))
    ]
    said = ", ".join(parts) or "no tokens"
    return f"{said} (suspect: {usage.suspect})" if usage.suspect else said


def price_line(line: Line) -> str:
    """Such as `1,200 input × 2,500 pico-USD = $0.000003 (3,000 nano-USD)`."""  # noqa: RUF002 - a real multiplication sign
    product = line.quantity * line.pico_per_unit
    up = (
        ", rounded up" if product % PICO_PER_NANO and line.nanousd * PICO_PER_NANO > product else ""
    )
    return (
        f"{line.quantity:,} {line.what} × {line.pico_per_unit:,} pico-USD = "  # noqa: RUF001 - the same
        f"{format_usd(line.nanousd)} ({line.nanousd:,} nano-USD{up})"
    )


def cost_words(cost: Cost) -> str:
    """How much, and how it is known."""
    match cost.basis:
        case "free":
            return "free of charge"
        case "usage" if cost.nanousd is not None:
            return f"{format_usd(cost.nanousd)}, from the provider's own usage"
        case "reported" if cost.nanousd is not None:
            return f"{format_usd(cost.nanousd)}, as the provider itself says"
        case "assumed" if cost.nanousd is not None:
            return f"{format_usd(cost.nanousd)}, at your own price for models without one"
        case "estimate":
            return _bounded(cost.nanousd, cost.low_nanousd, cost.high_nanousd)
        case _:
            return "not known (no price or no usage; not to be read as $0)"


def _bounded(nanousd: int | None, low: int | None, high: int | None) -> str:
    if nanousd is None:
        between = "no bounds are known"
        if low is not None and high is not None:
            between = f"it lies between {format_usd(low)} and {format_usd(high)}"
        return f"not known; {between}"
    if low is None or high is None:
        return f"about {format_usd(nanousd)}, bounds not known"
    return (
        f"about {format_usd(nanousd)}; the truth lies between {format_usd(low)} "
        f"and {format_usd(high)}"
    )


def trace_words(line: TraceLine) -> str:
    """Such as `exact_cache: miss (key 3fa2…, task factual_qa)`."""
    told, rest = in_words(line)
    told += [f"{name} {_short(name, value)}" for name, value in rest.numbers]
    return f"{line.lever}: {line.verdict}" + (f" ({', '.join(told)})" if told else "")


def _short(name: str, value: float | str) -> str:
    """Keys and ids are cut; a reason is told whole."""
    if isinstance(value, str):
        return value if len(value) <= _LONG or name == "why" else f"{value[:8]}…"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _attempt(number: int, attempt: Attempt) -> Iterator[str]:
    target = attempt.target
    status = f"status {attempt.status}" if attempt.status else "no status"
    told = [
        f"{_OUTCOMES.get(attempt.outcome, attempt.outcome)} ({status})",
        f"{attempt.latency_ms:,.1f} ms",
    ]
    if attempt.ttft_ms is not None:
        told.append(f"first token after {attempt.ttft_ms:,.1f} ms")
    if attempt.request_id:
        told.append(f"request id {attempt.request_id}")
    if attempt.service_tier:
        told.append(f"tier {attempt.service_tier}")
    if attempt.reported_model and attempt.reported_model != target.model:
        told.append(f"answered as {attempt.reported_model}")
    yield f"attempt {number}: {target.provider} {target.model}: {', '.join(told)}"
    yield f"  usage: {usage_words(attempt.usage)}"
    version = f" (prices {attempt.cost.price_version})" if attempt.cost.price_version else ""
    yield f"  cost: {cost_words(attempt.cost)}{version}"
    for line in attempt.cost.lines:
        yield f"    {price_line(line)}"


def _head(entry: Entry) -> Iterator[str]:
    model = entry.model
    if entry.model_requested and entry.model_requested != entry.model:
        model = f"{entry.model} (asked for {entry.model_requested})"
    form = "stream" if entry.stream else "whole reply"
    by = entry.served_by or "nobody"
    yield f"call {entry.id} at {entry.at.isoformat(timespec='milliseconds')}"
    yield (
        f"{entry.operation} for {entry.provider} {model}, {entry.dialect}, {form}: "
        f"{entry.outcome}, status {entry.status}, served by {by}"
    )
    if entry.task:
        yield f"task {entry.task}, said by {entry.task_source}"
    whose = [
        f"{name} {value}"
        for name, value in (
            ("key", entry.key),
            ("team", entry.team),
            ("user", entry.user),
            ("session", entry.session),
            ("tags", ", ".join(entry.tags)),
        )
        if value
    ]
    if whose:
        yield "; ".join(whose)
    if entry.purpose != "client":
        yield f"not a client's own call: {entry.purpose}"


def _money(entry: Entry) -> Iterator[str]:
    yield f"usage: {usage_words(entry.usage)}"
    yield f"cost: {_entry_cost(entry)}"
    if entry.baseline_nanousd is None:
        yield "untouched it would have cost: not known"
    else:
        untouched = f"{format_usd(entry.baseline_nanousd)}{_guessed(entry)}"
        yield f"untouched it would have cost: {untouched}"
    for lever, nanousd in entry.saved:
        if not nanousd:
            yield f"{lever} changed the call; what that saved is not known"
            continue
        verb = "saved" if nanousd > 0 else "cost more than it saved, by"
        yield f"{lever} {verb} {format_usd(abs(nanousd))}"
    if not entry.saved:
        yield "no lever saved anything"


def _guessed(entry: Entry) -> str:
    """What of the baseline is an estimate; nothing where none is."""
    verdicts = {line.verdict for line in entry.trace}
    parts = [
        ("the same tokens at the price of the model that was asked", ESTIMATED),
        ("what was taken out of it, priced like what was sent", SMALLER),
        ("what its provider would have cached by itself", SUPPOSED),
        ("its tokens as counted for a prompt of its own", APART),
    ]
    said = "; ".join(words for words, verdict in parts if verdict in verdicts)
    return f" (an estimate: {said})" if said else ""


def _entry_cost(entry: Entry) -> str:
    low, high = entry.cost_low_nanousd, entry.cost_high_nanousd
    if entry.cost_nanousd is None or not low == entry.cost_nanousd == high:
        return _bounded(entry.cost_nanousd, low, high)
    return f"{format_usd(entry.cost_nanousd)} (known from: {entry.cost_basis})"


def _latency(entry: Entry) -> str:
    added = entry.latency_ms - entry.upstream_ms
    first = "" if entry.ttft_ms is None else f", first token after {entry.ttft_ms:,.1f} ms"
    return (
        f"latency: {entry.latency_ms:,.1f} ms, of it {entry.upstream_ms:,.1f} ms upstream and "
        f"{added:,.1f} ms in Scrimp{first}"
    )


def _adjusted(entry: Entry, adjustments: Sequence[Adjustment]) -> Iterator[str]:
    """What was added to the books later, and what stands there now."""
    for one in adjustments:
        parts = [("cost", one.cost_nanousd), ("untouched", one.baseline_nanousd)]
        parts += [(f"saved by {lever}", nanousd) for lever, nanousd, _ in one.saved]
        told = [f"{what} {_signed(nanousd)}" for what, nanousd in parts if nanousd]
        if one.known:
            told.insert(0, "the cost is known now")
        version = f", prices {one.price_version}" if one.price_version else ""
        at = one.at.isoformat(timespec="seconds")
        yield f"adjusted at {at} ({one.reason}{version}): {', '.join(told) or 'other bounds'}"
    now = amounts_now(entry, adjustments)
    low, high = now.low_nanousd, now.high_nanousd
    known = f"known from: {now.basis}"
    if now.cost_nanousd is None or not low == now.cost_nanousd == high:
        yield f"cost now: {_bounded(now.cost_nanousd, low, high)}"
    else:
        yield f"cost now: {format_usd(now.cost_nanousd)} ({known})"
    if now.baseline_nanousd is not None:
        yield f"untouched it would now cost: {format_usd(now.baseline_nanousd)}"


def _signed(nanousd: int) -> str:
    return ("+" if nanousd > 0 else "") + format_usd(nanousd)


def explain(entry: Entry, adjustments: Sequence[Adjustment] = ()) -> list[str]:
    """The lines of `scrimp explain`. Never holds content of request or reply."""
    lines = list(_head(entry))
    for line in entry.trace:
        said = broken_words(line) or (choice_words(line) if is_choice(line) else [])
        lines += said or [f"- {trace_words(line)}"]
    for number, attempt in enumerate(entry.attempts, 1):
        lines += _attempt(number, attempt)
    if not entry.attempts:
        lines.append("nothing was sent to a provider")
    lines += _money(entry)
    if adjustments:
        lines += _adjusted(entry, adjustments)
    lines.append(_latency(entry))
    return lines
