"""What an answer in parts cost more than one that nobody had cut: from each part's usage. Pure.

Such an answer would have cost the input of its first part, once, and the output of all of them.
What the parts cost beside that is a saving below zero of the lever that joined them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from scrimp.calls import Attempt, Trace, TraceLine
from scrimp.errors import PriceUnknown
from scrimp.ledger.smaller import Numbers, saved_line
from scrimp.ledger.steps import served_after_all, served_of, unserved
from scrimp.ports import Pricer

_PART = "part"
_BEGINS = (next(iter(unserved(0, 1))), next(iter(served_after_all(0, 1))))
_OUTPUTS = ("output_tokens", "reasoning_tokens", "output_audio_tokens", "output_image_tokens")


def part(number: int) -> Mapping[str, int | float | str]:
    """Numbers of a line: this attempt's answer was cut, and a later attempt goes on with it.

    The books see it as one that was made in vain; `savings_of_parts` gives back what it was not.
    """
    return {**unserved(number, number + 1), _PART: 1}


def parts_of(lines: Iterable[TraceLine]) -> dict[int, str]:
    """Attempts that a later one goes on with, by number: which lever joined them."""
    found: dict[int, str] = {}
    for line in lines:
        if not line.numbers or line.numbers[0][0] not in _BEGINS:
            continue
        numbers = dict(line.numbers)
        if isinstance(number := line.numbers[0][1], int):
            found.pop(number, None)
            if numbers.get(_PART):
                found[number] = line.lever
    return found


def savings_of_parts(trace: Trace, pricer: Pricer) -> list[Numbers]:
    """Numbers of a line `SMALLER`; none where nothing was joined, or a usage is not known."""
    found = parts_of(trace.lines)
    last = served_of(trace.attempts, trace.lines) if found else None
    if last is None or last.cost.basis != "usage":
        return []
    parts = [trace.attempts[number] for number in sorted(found) if number < len(trace.attempts)]
    try:
        whole = _whole([*parts, last], pricer)
    except PriceUnknown:
        return []
    if not parts or whole is None or last.cost.nanousd is None:
        return []
    tokens, nanousd = whole
    return [saved_line(found[min(found)], tokens, nanousd - last.cost.nanousd)]


def _whole(parts: list[Attempt], pricer: Pricer) -> tuple[int, int] | None:
    """Output tokens and price of one answer of that length. Raises PriceUnknown."""
    usages = [one.usage for one in parts if one.usage is not None]
    if len(usages) < len(parts):
        return None
    sums = {name: sum(getattr(one, name) for one in usages) for name in _OUTPUTS}
    first, last = parts[0], parts[-1]
    whole = replace(usages[0], terms=None, **sums)
    cost = pricer(whole, last.target, first.started_at, last.service_tier).nanousd
    return None if cost is None else (whole.total_output_tokens, cost)
