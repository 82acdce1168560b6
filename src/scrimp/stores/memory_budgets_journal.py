"""The journal of budgets that are counted in memory: one line for each step, one writer.

A line is handed to the operating system before the step is answered, without an fsync: the death of
the process loses nothing, a loss of power the last moments. The file is locked while it is in use.
A last line that was cut off was never answered and is left out; any other damage is refused.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from scrimp.budgets.counters import Counter, CounterKey, Needs, Part
from scrimp.errors import StoreError
from scrimp.stores.private_file import make_folder, open_private, write_all

_HEAD = b'["scrimp-budgets",1]\n'
_LONG_BYTES = 16 * 1024 * 1024
_BEHIND = 10_000
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Any]).decode

What = Literal["cell", "hold", "charged", "end", "reset", "ended", "time"]
_WHAT: dict[str, What] = {
    "c": "cell",
    "h": "hold",
    "g": "charged",
    "e": "end",
    "r": "reset",
    "d": "ended",
    "t": "time",
}


class Record(NamedTuple):
    """One step, read back. `numbers` are in the order in which they were written."""

    what: What
    at_us: int
    hold_id: str = ""
    until_us: int = 0
    lease_us: int = 0
    keys: tuple[CounterKey, ...] = ()
    numbers: tuple[int, ...] = ()


KeptHold = tuple[str, int, int, Sequence[Part]]
"""Its id, the end of its lease, the lease's length, its parts."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is true at a moment."""

    at_us: int
    counters: tuple[Counter, ...]
    held: tuple[KeptHold, ...]
    charged: tuple[KeptHold, ...]
    ended: tuple[str, ...]


class Journal:
    """Owns the file. Make it with `open`; `compact` it before the first step."""

    def __init__(self, path: Path, descriptor: int, tell: Callable[[str], None]) -> None:
        self._path = path
        self._descriptor = descriptor
        self._tell = tell
        self._numbers = 0
        self._size = 0
        self._long = 0  # not before the first compaction
        self._behind: list[bytes] = []
        self._failing = False

    @classmethod
    def open(cls, path: Path, tell: Callable[[str], None]) -> Journal:
        """Open or make it, and lock it. Raises StoreError."""
        try:
            make_folder(path)
            return cls(path, _locked(path), tell)
        except BlockingIOError as error:
            raise StoreError(
                f"the journal {path} is in use by another process (budgets in memory are for one; "
                'several share a file with engine = "sqlite")'
            ) from error
        except OSError as error:
            raise StoreError(f"the journal {path} cannot be opened: {error.strerror}") from error

    @property
    def is_long(self) -> bool:
        """True when it is time to write it anew."""
        return self._size > self._long > 0

    def records(self) -> Iterator[Record]:
        """Every step, oldest first. Raises StoreError for what is no journal or is damaged."""
        try:
            data = self._path.read_bytes()
        except OSError as error:
            raise StoreError(
                f"the journal {self._path} cannot be read: {error.strerror}"
            ) from error
        if not data.startswith(_HEAD[: len(data)]):
            raise StoreError(f"{self._path} is no journal of budgets (name another file)")
        keys: dict[int, CounterKey] = {}
        lines = data[len(_HEAD) :].split(b"\n")
        for number, line in enumerate(lines[:-1], 2):
            try:
                words = _decode(line)
                if words[0] == "k":
                    keys[words[1]] = CounterKey(*words[2:])
                    continue
                yield from _records(words, keys)
            except (ValueError, TypeError, KeyError, IndexError) as error:
                raise StoreError(
                    f"line {number} of the journal {self._path} cannot be read (restore the file "
                    "from a copy; without it, budgets count from 0)"
                ) from error

    def hold(
        self, at_us: int, hold_id: str, until_us: int, lease_us: int, parts: Sequence[Part]
    ) -> None:
        """Write that it is held. Raises OSError or ValueError with nothing written."""
        hold = (hold_id, until_us, lease_us, parts)
        self._write_of([part[0] for part in parts], lambda: _hold_line("h", at_us, hold))

    def end(self, at_us: int, hold_id: str, used: Needs) -> None:
        """Write that it ended. What cannot be written now is written with the next step."""
        try:
            self._write(_encode(("e", at_us, hold_id, *used)) + b"\n")
        except OSError:
            if len(self._behind) < _BEHIND:  # beyond, a restart would charge the rest in full
                self._behind.append(_encode(("e", at_us, hold_id, *used)) + b"\n")

    def reset(self, at_us: int, counters: Sequence[Counter]) -> None:
        """Write that these were reset. Raises OSError with nothing written."""
        self._write_of(
            counters,
            lambda: _encode(("r", at_us, [counter.number for counter in counters])) + b"\n",
        )

    def catch_up(self) -> None:
        """Write what could not be written before. Raises OSError."""
        if self._behind:
            self._write(b"")

    def compact(self, snapshot: Snapshot) -> None:
        """Write the file anew with what is true now. On a full disk the old one is kept."""
        numbers = {counter: at for at, counter in enumerate(snapshot.counters, 1)}
        data = b"".join(_snapshot_lines(snapshot, numbers))
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            descriptor = open_private(fresh, os.O_RDWR | os.O_APPEND | os.O_TRUNC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                write_all(descriptor, data)
                fresh.replace(self._path)
            except BaseException:
                os.close(descriptor)
                raise
        except OSError as error:
            self._fail(error)
            self._long = max(self._long, 2 * self._size)
            return
        os.close(self._descriptor)
        self._descriptor, self._size = descriptor, len(data)
        self._long = max(_LONG_BYTES, 4 * len(data))
        self._numbers = len(numbers)
        self._behind.clear()
        for counter, number in numbers.items():
            counter.number = number

    def close(self, at_us: int = 0) -> None:
        """Write what time it is, and let go of the file. May be called twice."""
        if self._descriptor >= 0:
            if at_us:
                with suppress(OSError):
                    self._write(_encode(("t", at_us)) + b"\n")
            os.close(self._descriptor)
            self._descriptor = -1

    def _write_of(self, counters: Sequence[Counter], line: Callable[[], bytes]) -> None:
        """Write a line, after the names of the counters in it that this file has not named yet."""
        fresh = [counter for counter in counters if not counter.number]
        if not fresh:
            self._write(line())
            return
        try:
            for counter in fresh:
                self._numbers += 1
                counter.number = self._numbers
            names = [_key_line(counter, counter.number) for counter in fresh]
            self._write(b"".join((*names, line())))
        except (OSError, ValueError):
            for counter in fresh:
                counter.number = 0
            raise

    def _write(self, data: bytes) -> None:
        if self._behind:
            data = b"".join(self._behind) + data
        try:
            write_all(self._descriptor, data)
        except OSError as error:
            self._fail(error)
            raise
        self._size += len(data)
        if self._behind or self._failing:
            self._behind.clear()
            self._failing = False
            self._tell(f"budgets: the journal {self._path} is written again")

    def _fail(self, error: OSError) -> None:
        if not self._failing:
            self._failing = True
            self._tell(f"budgets: the journal {self._path} cannot be written: {error.strerror}")


def _locked(path: Path) -> int:
    """The file under its lock; once more when it was replaced meanwhile. Raises OSError."""
    while True:
        descriptor = open_private(path, os.O_RDWR | os.O_APPEND)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _records(words: list[Any], keys: dict[int, CounterKey]) -> Iterator[Record]:
    what, at_us, rest = _WHAT[words[0]], words[1], words[2:]
    match what:
        case "cell":
            yield Record(what, at_us, keys=(keys[rest[0]],), numbers=tuple(rest[1:]))
        case "hold" | "charged":
            hold_id, until_us, lease_us, parts = rest
            counters = tuple(keys[number] for number in parts[::3])
            pairs = zip(parts[1::3], parts[2::3], strict=True)
            numbers = tuple(number for pair in pairs for number in pair)
            yield Record(what, at_us, hold_id, until_us, lease_us, counters, numbers)
        case "end":
            yield Record(what, at_us, rest[0], numbers=tuple(rest[1:]))
        case "reset":
            yield Record(what, at_us, keys=tuple(keys[number] for number in rest[0]))
        case "time":
            yield Record(what, at_us)
        case "ended":
            for hold_id in rest[0]:
                yield Record(what, at_us, hold_id)


def _snapshot_lines(snapshot: Snapshot, numbers: dict[Counter, int]) -> Iterator[bytes]:
    yield _HEAD
    at_us = snapshot.at_us
    for counter, number in numbers.items():
        yield _key_line(counter, number)
        for start_us in (counter.start_us,) if counter.cells is None else counter.cells:
            # A bucket in which something is only held must be there when the hold is read.
            if (cell := counter.cell(start_us)) is not None and any(cell):
                yield _encode(("c", at_us, number, start_us, cell[0])) + b"\n"
    for mark, holds in (("h", snapshot.held), ("g", snapshot.charged)):
        for hold in holds:
            yield _hold_line(mark, at_us, hold, numbers)
    yield _encode(("d", at_us, snapshot.ended)) + b"\n"


def _hold_line(
    mark: str, at_us: int, hold: KeptHold, numbers: dict[Counter, int] | None = None
) -> bytes:
    hold_id, until_us, lease_us, parts = hold
    flat: list[int] = []
    for counter, start_us, amount in parts:
        flat += (numbers[counter] if numbers else counter.number, start_us, amount)
    return _encode((mark, at_us, hold_id, until_us, lease_us, flat)) + b"\n"


def _key_line(counter: Counter, number: int) -> bytes:
    return _encode(("k", number, *counter.key)) + b"\n"
