"""The project speaks of itself alone: no leftovers, no machine, no registry in any tracked file."""

from __future__ import annotations

import pytest

from tests.house.tree import ROOT, everything, tracked

# Written in halves, so that this file does not find itself.
FORBIDDEN = {
    "a registry's host": ["pyp" + "i.org", "python" + "hosted.org", "find-" + "links"],
    "a place on one machine": ["/wo" + "rk/", "/ro" + "ot/", "/tm" + "p/exp"],
}
LEFTOVERS = ("TO" + "DO", "FIX" + "ME")


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_tracked_file_names_a_place_outside(what: str) -> None:
    """A clone works the same on every machine, from every index."""
    found = []
    for path in tracked():
        data = path.read_bytes()
        found += [
            f"{path.relative_to(ROOT)}: {word}" for word in FORBIDDEN[what] if word.encode() in data
        ]
    assert not found, f"{what} in:\n" + "\n".join(found)


def test_no_leftovers_in_code() -> None:
    """Unfinished work is not marked in code: it is done, or it is not there."""
    found = [
        f"{module.where}:{number}: {line.strip()}"
        for module in everything()
        for number, line in enumerate(module.text.splitlines(), 1)
        if any(word in line for word in LEFTOVERS)
    ]
    assert not found, "\n".join(found)
