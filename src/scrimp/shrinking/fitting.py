"""Which turns go, so that a conversation has so many messages or so many tokens at most. Pure.

With a step, whole steps go at once: the cut then stands still over several calls of a growing
conversation, and what comes after it is read from the provider's prefix cache meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, Literal

from scrimp.shrinking.turns import Unit, is_results, legal_cuts, removable, units_of
from scrimp.values import Value

First = Literal["turns", "tool_results"]
"""What goes first: the oldest turns, or the contents of the oldest results of tools."""

LEFT_OUT = "[left out to save room: a tool's result of {size:,} characters]"
_PLACEHOLDER_TOKENS = 48
_LEFT_OUT_AT_LEAST = 200


Span = tuple[int, int]
"""Neighbours in a list: the first, and the one behind the last."""


class Trimmed(Value, frozen=True):
    """What is left of a conversation, and what went.

    `messages` counts those that are gone, `results` those whose contents are. `tokens` is what
    that weighed, `tail_tokens` what stands behind the first change and was there before this turn.
    `gone` are the messages that went, `at` where in `items` the first of them stood. `spans` say
    from which on, and up to which, they went.
    """

    HIDDEN = frozenset({"items", "gone"})

    items: tuple[Any, ...]
    messages: int = 0
    results: int = 0
    tokens: int = 0
    tail_tokens: int = 0
    gone: tuple[Any, ...] = ()
    at: int = 0
    spans: tuple[Span, ...] = ()


def last_of(
    items: Sequence[Any], most: int, *, step: int = 0, weights: Sequence[int] | None = None
) -> Trimmed:
    """At most so many messages beside the instructions, and fewer where tools would lose theirs.

    More are left only where the newest turn or the newest question has more.
    """
    units = units_of(items)
    cut = _Cut(items, units, [unit.past - unit.first for unit in units], weights)
    count = sum(unit.past - unit.first for unit in units if unit.kind != "fixed")
    return _in_steps(cut, count - most, step)


def fit_to(
    items: Sequence[Any],
    weights: Sequence[int],
    need: int,
    *,
    step: int = 0,
    first: First = "turns",
) -> Trimmed:
    """So much lighter, in tokens, or as much as can be. `weights` are those of the items."""
    units = units_of(items)
    if first == "turns" or need <= 0:
        return _in_steps(_Cut(items, units, _heavy(units, weights), None), need, step)
    wanted = _stepped(need, step)
    cleared, new, gone = _cleared(items, weights, units, wanted)
    if gone.tokens >= wanted:
        return gone
    cut = _Cut(cleared, units, _heavy(units, new), None)
    more = _in_steps(cut, need - gone.tokens, step)
    return Trimmed(
        more.items,
        more.messages,
        gone.results,
        gone.tokens + more.tokens,
        max(gone.tail_tokens, more.tail_tokens),
        more.gone,
        more.at,
        more.spans,
    )


def left_out(item: Mapping[str, Any]) -> dict[str, Any]:
    """The same message with a line in place of each tool's result that is long."""
    new = dict(item)
    for name in ("content", "output"):
        value = item.get(name)
        if isinstance(value, str) and (item.get("role") == "tool" or name == "output"):
            new[name] = _line_for(value)
        elif isinstance(value, list):
            is_parts = item.get("role") == "tool" or name == "output"
            new[name] = _parts_left_out(value) if is_parts else _blocks_left_out(value)
    return new


def _blocks_left_out(blocks: list[Any]) -> list[Any]:
    """Anthropic's results stand as blocks in a message."""
    return [
        {**block, "content": _line_for_any(block.get("content"))}
        if isinstance(block, dict) and block.get("type") == "tool_result"
        else block
        for block in blocks
    ]


def _parts_left_out(parts: list[Any]) -> list[Any]:
    """OpenAI's may be parts, each with a text of its own."""
    return [
        {**part, "text": _line_for(part["text"])}
        if isinstance(part, dict) and isinstance(part.get("text"), str)
        else part
        for part in parts
    ]


def _line_for_any(content: Any) -> Any:
    if isinstance(content, str):
        return _line_for(content)
    return _parts_left_out(content) if isinstance(content, list) else content


def _line_for(text: str) -> str:
    return LEFT_OUT.format(size=len(text)) if len(text) > _LEFT_OUT_AT_LEAST else text


class _Cut(Value, frozen=True):
    """What a cut needs to know: `sizes` of units say what is enough, `weights` what is saved.

    Without weights the sizes are what is saved.
    """

    items: Sequence[Any]
    units: Sequence[Unit]
    sizes: Sequence[int]
    weights: Sequence[int] | None


def _in_steps(cut: _Cut, need: int, step: int) -> Trimmed:
    """In whole steps, or by so much as is needed where a whole step is not there."""
    if need <= 0:
        return Trimmed(tuple(cut.items))
    order = removable(cut.units)
    wanted = _stepped(need, step)
    if sum([cut.sizes[number] for number in order]) < wanted:
        wanted = need
    return _without(cut, order, _enough(cut, order, wanted))


def _stepped(need: int, step: int) -> int:
    return -(-need // step) * step if step > 0 else need


def _heavy(units: Sequence[Unit], weights: Sequence[int]) -> list[int]:
    upto = [0, *accumulate(weights)]
    return [upto[unit.past] - upto[unit.first] for unit in units]


def _enough(cut: _Cut, order: Sequence[int], wanted: int) -> int:
    """How many of the oldest units are enough and leave a conversation that may be sent."""
    weight, best, legal = 0, 0, legal_cuts(cut.units, order)
    for count, number in enumerate(order, 1):
        weight += cut.sizes[number]
        if not legal[count]:
            continue
        best = count
        if weight >= wanted:
            break
    return best


def _without(cut: _Cut, order: Sequence[int], count: int) -> Trimmed:
    units, items, gone = cut.units, cut.items, order[:count]
    if not gone:
        return Trimmed(tuple(items))
    kept, left_out, at = list[Any](), list[Any](), 0
    spans = _spans(units, gone)
    for first, past in spans:
        kept += items[at:first]
        left_out += items[first:past]
        at = past
    kept += items[at:]
    heavy = cut.sizes if cut.weights is None else _heavy(units, cut.weights)
    tokens = sum([heavy[number] for number in gone])
    return Trimmed(
        tuple(kept),
        messages=len(left_out),
        tokens=tokens,
        tail_tokens=sum(heavy[gone[0] : len(units) - 1]) - tokens,
        gone=tuple(left_out),
        at=spans[0][0],
        spans=tuple(spans),
    )


def _spans(units: Sequence[Unit], numbers: Sequence[int]) -> list[Span]:
    """Where these units stand: neighbours are one span."""
    found: list[Span] = []
    for number in numbers:
        first, past = units[number].first, units[number].past
        if found and found[-1][1] == first:
            first = found.pop()[0]
        found.append((first, past))
    return found


def _cleared(
    items: Sequence[Any], weights: Sequence[int], units: Sequence[Unit], wanted: int
) -> tuple[list[Any], list[int], Trimmed]:
    """Results of tools left out, oldest first, until that is enough; the newest turn's stay."""
    found, new = list(items), list(weights)
    newest = units[-1].first if units else 0
    saved = results = 0
    start = newest
    for number in range(newest):
        if saved >= wanted:
            break
        if not is_results(items[number]) or weights[number] <= 2 * _PLACEHOLDER_TOKENS:
            continue
        shorter = left_out(items[number])
        if shorter == items[number]:
            continue
        found[number], new[number] = shorter, _PLACEHOLDER_TOKENS
        saved += weights[number] - _PLACEHOLDER_TOKENS
        results += 1
        start = min(start, number)
    gone = Trimmed(tuple(found), 0, results, saved, sum(new[start:newest]) if results else 0)
    return found, new, gone
