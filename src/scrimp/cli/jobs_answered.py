"""What OUT has answers to already: those lines are not handed in, and paid, once more.

Jobs are forgotten some days after their end ([defer] keep), and OUT is what remembers them then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from scrimp.cli.run_scan import Source
from scrimp.many.asked import Item
from scrimp.many.results import known

_RECORD = b'{"id"'
"""What begins a result; all else in a journal are marks of `scrimp run`."""


class Answered:
    """The answers of a file of results, as far as they are those of the lines of a source."""

    def __init__(self, out: Path | None, source: Source) -> None:
        """Raises InvalidRequest for a file that holds no results, OSError."""
        self._keys: dict[int, str] = {}
        if out is not None:
            for path in (out, out.with_name(out.name + ".journal")):
                if path.exists():
                    self._read(path)
        here = {line for line, key in self._here(source) if self._keys.get(line) == key}
        moved = (key for line, key in self._keys.items() if line not in here)
        self._moved = Counter(moved)

    def has(self, item: Item) -> bool:
        """Whether a line has its answer; one that has moved there is given to one line only."""
        key = item.key.hex()
        if self._keys.get(item.line) == key:
            return True
        if not self._moved[key]:
            return False
        self._moved[key] -= 1
        return True

    def _here(self, source: Source) -> Iterable[tuple[int, str]]:
        if not self._keys:
            return
        for line, item in source.items():
            if isinstance(item, Item):
                yield line, item.key.hex()

    def _read(self, path: Path) -> None:
        with path.open("rb") as file:
            for data in file:
                if data.startswith(_RECORD) and data.endswith(b"\n"):
                    one = known(data, str(path))
                    if one.error is None:
                        self._keys[one.scrimp.line] = one.scrimp.key
