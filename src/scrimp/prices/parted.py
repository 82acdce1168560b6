"""The price of a part of usage that several calls share: parts add up to the price of the whole.

Pure. Rounding is up, once for the whole: a part costs what it adds to the parts before it.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from scrimp.calls import Line
from scrimp.money import line_nanousd
from scrimp.prices.rates import BUCKETS
from scrimp.terms import Part

COUNTED = {name: at for at, name in enumerate((*BUCKETS, "compute_ms"))}
"""Lines that are billed by the unit; every other one is billed once for all parts."""


def part_of_lines(lines: Iterable[Line], part: Part) -> list[Line]:
    """Lines that were priced as if a part were a whole, as that part's."""
    found = [_part_of(line, part) for line in lines]
    return [line for line in found if line.quantity or line.nanousd]


def added_nanousd(before: int, quantity: int, pico: int) -> int:
    """What units cost that stand behind so many others on one line."""
    return line_nanousd(before + quantity, pico) - line_nanousd(before, pico)


def shared(total: int, share: tuple[int, int, int]) -> int:
    """A part of what is billed once."""
    start, end, whole = share
    return total * end // whole - total * start // whole


def _part_of(line: Line, part: Part) -> Line:
    at = COUNTED.get(line.what)
    if at is not None:
        nanousd = added_nanousd(part.before[at], line.quantity, line.pico_per_unit)
        return replace(line, nanousd=nanousd)
    quantity = shared(line.quantity, part.share)
    return replace(line, quantity=quantity, nanousd=shared(line.nanousd, part.share))
