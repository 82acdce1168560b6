"""Reads the whole file of `scrimp run` once before anything is paid for: what is to be asked.

Which lines have their results already, which cannot be asked, what the rest may cost.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from scrimp.cli.run_cost import Forecast
from scrimp.cli.run_file import ANSWERED, FAILED, NOTHING, Kept, short
from scrimp.cli.run_words import shown
from scrimp.errors import InvalidRequest, Rejected
from scrimp.lines import Record, each
from scrimp.many.asked import Item, Reading, item_of

SKIP, ASK, BAD = 0, 1, 2
_SHOWN = 5
_MOST_VERDICTS = 10_000
_TOLD_EVERY = 20_000


def _all(line: int) -> bool:  # noqa: ARG001 (whatever it is)
    return True


class Source:
    """The file, which is read more than once; what is none (a pipe) is written down first."""

    def __init__(self, path: Path, reading: Reading, most_bytes: int) -> None:
        self.name = "standard input" if str(path) == "-" else str(path)
        self.reading = reading
        self._most_bytes = most_bytes
        self._file: IO[bytes]
        if path.is_file():
            self._file = path.open("rb")
            return
        standard = contextlib.nullcontext(sys.stdin.buffer)
        with standard if str(path) == "-" else path.open("rb") as given:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`)
            shutil.copyfileobj(given, self._file)

    def close(self) -> None:
        """Let go of it."""
        self._file.close()

    def records(
        self, wanted: Callable[[int], bool] = _all
    ) -> Iterator[tuple[int, Record | InvalidRequest]]:
        """Line by line. Raises InvalidRequest for a CSV that is none."""
        self._file.seek(0)
        column, most = self.reading.column, self._most_bytes
        return each(self._file, self.name, column=column, most_bytes=most, wanted=wanted)

    def items(self, wanted: Callable[[int], bool] = _all) -> Iterator[tuple[int, Item | Rejected]]:
        """The same as calls."""
        for line, found in self.records(wanted):
            if isinstance(found, InvalidRequest):
                yield line, found
                continue
            try:
                yield line, item_of(found, line, self.reading)
            except InvalidRequest as error:
                yield line, InvalidRequest(f"{self.name}, line {line}: {error}")


@dataclass(slots=True)
class Scan:
    """What was found. `wanted` says of each line what is to be done with it."""

    wanted: bytearray
    lines: int = 0
    known: int = 0
    known_failed: int = 0
    to_ask: int = 0
    bad: int = 0
    shown: list[str] = field(default_factory=list)
    forecast: Forecast = field(default_factory=Forecast)

    def want(self, line: int) -> bool:
        """Whether something is to be done with a line."""
        return line < len(self.wanted) and self.wanted[line] != SKIP


class Estimates(Protocol):
    """What calls may cost, as they come."""

    def add(self, item: Item) -> None:
        """One more."""
        ...

    def forecast(self, to_ask: int) -> Forecast:
        """Of so many calls, of those that were added."""
        ...


class Scanner:
    """Reads the file. `check` raises Rejected for a call that cannot be made.

    `tell` hears of every so many lines.
    """

    def __init__(
        self,
        source: Source,
        kept: Kept | None,
        estimator: Estimates,
        check: Callable[[Item], None],
        tell: Callable[[int], None],
    ) -> None:
        self._source = source
        self._kept = kept
        self._estimator = estimator
        self._check = check
        self._tell = tell
        self._stopped = False
        self._verdicts: dict[tuple[str, str], str] = {}
        self._keys = array("Q")
        self._matched = bytearray()
        self._names: dict[int, str] = {}
        self._found = Scan(bytearray())

    def run(self, *, retry_failed: bool, forget: bool) -> Scan:
        """Raises InvalidRequest, ConfigError, OSError."""
        found = self._found
        for line, item in self._source.items():
            found.lines += 1
            if not found.lines % _TOLD_EVERY:
                self._tell(found.lines)
            if self._stopped:
                break
            self._grow(line)
            if isinstance(item, Item) and not (why := self._why_not(item)):
                self._look(item, retry_failed=retry_failed)
                continue
            found.wanted[line] = BAD
            found.bad += 1
            if len(found.shown) < _SHOWN:
                wrong = str(item) if isinstance(item, Rejected) else why
                where = f"{self._source.name}, line {line}"
                told = wrong if wrong.startswith(where) else f"{where}: {wrong}"
                found.shown.append(shown(told))
        if self._kept is not None:
            self._join(self._kept, retry_failed=retry_failed, forget=forget)
        found.forecast = self._estimator.forecast(found.to_ask)
        return found

    def stop(self) -> None:
        """Nobody waits for it any more."""
        self._stopped = True

    def _why_not(self, item: Item) -> str:
        """Asked of the engine once for each model."""
        key = (item.dialect, item.model)
        if (why := self._verdicts.get(key)) is None:
            try:
                self._check(item)
                why = ""
            except Rejected as error:
                why = str(error)
            if len(self._verdicts) < _MOST_VERDICTS:
                self._verdicts[key] = why
        return why

    def _look(self, item: Item, *, retry_failed: bool) -> None:
        line, key = item.line, short(item.key)
        kept, found = self._kept, self._found
        if kept is not None and (state := kept.state(line)) != NOTHING and kept.key(line) == key:
            self._matched[line] = 1
            if not kept.named(line, item.name):
                self._names[line] = item.name
            if state == ANSWERED or not retry_failed:
                self._count_known(state)
                return
        self._keys[line] = key
        found.wanted[line] = ASK
        found.to_ask += 1
        self._estimator.add(item)

    def _count_known(self, state: int) -> None:
        self._found.known += state == ANSWERED
        self._found.known_failed += state == FAILED

    def _join(self, kept: Kept, *, retry_failed: bool, forget: bool) -> None:
        """Results whose lines have moved go with them; others may not be left behind unseen."""
        strays = [line for line in range(kept.lines) if self._is_stray(kept, line)]
        moved = self._moved(kept, strays, retry_failed=retry_failed) if strays else {}
        left = set(strays) - set(moved.values())
        paid = [line for line in left if kept.state(line) == ANSWERED]
        if paid and not forget:
            raise InvalidRequest(
                f"{kept.out} holds {len(paid):,} answers to calls that {self._source.name} does "
                "not make (another file's, or lines that were changed): name another OUT, or say "
                "--forget to leave them out"
            )
        for line in left:
            kept.drop(line)
        if moved:
            for line, item in self._source.items(moved.__contains__):
                self._names[line] = item.name if isinstance(item, Item) else ""
        kept.move({**{line: line for line in self._names}, **moved}, self._names)

    def _is_stray(self, kept: Kept, line: int) -> bool:
        here = line < len(self._matched) and self._matched[line]
        return kept.state(line) != NOTHING and not here

    def _moved(self, kept: Kept, strays: list[int], *, retry_failed: bool) -> dict[int, int]:
        """The results that are those of other lines, by the line they belong to now."""
        by_key: dict[int, deque[int]] = {}
        for line in strays:
            if kept.key(line) and (kept.state(line) == ANSWERED or not retry_failed):
                by_key.setdefault(kept.key(line), deque()).append(line)
        moved: dict[int, int] = {}
        found = self._found
        for line, wanted in enumerate(found.wanted):
            if wanted == ASK and (olds := by_key.get(self._keys[line])):
                moved[line] = old = olds.popleft()
                found.wanted[line] = SKIP
                found.to_ask -= 1
                self._count_known(kept.state(old))
        return moved

    def _grow(self, line: int) -> None:
        size = len(self._matched)
        if line >= size:
            more = max(line + 1, 2 * size, 1024) - size
            self._matched += bytes(more)
            self._found.wanted += bytes(more)
            self._keys.frombytes(bytes(8 * more))
