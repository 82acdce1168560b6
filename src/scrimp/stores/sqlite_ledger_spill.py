"""Where ledger entries wait while the database cannot take them: a file of JSON lines beside it.

Several processes may use one file: each write and each read-back holds its lock, and whoever has
read everything back removes it. Reading back twice does no harm: the ledger knows ids.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec
from msgspec.structs import replace

from scrimp.ports import Entry
from scrimp.stores.private_file import locked, make_folder, open_private, write_all

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Entry).decode
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What came of reading a spill file: entries given back, and lines that were none."""

    entries: int
    unreadable: int


def spill_path(database: Path) -> Path:
    """The spill file of a ledger's database."""
    return database.with_name(f"{database.name}.spill.jsonl")


def unreadable_path(database: Path) -> Path:
    """Where lines of a spill file go that could not be read back."""
    return database.with_name(f"{database.name}.spill.unreadable")


def _line(entry: Entry) -> bytes:
    if any(attempt.partial for attempt in entry.attempts):
        bare = tuple(replace(attempt, partial=b"") for attempt in entry.attempts)
        entry = replace(entry, attempts=bare)
    return _encode(entry) + b"\n"


def set_aside(database: Path, entries: Sequence[Entry], *, sync: bool) -> list[tuple[Entry, str]]:
    """Append entries to the spill file; with `sync` they are on the disk on return.

    Returns the entries that no line can hold with the kind of error. Raises OSError with nothing
    written.
    """
    lines: list[bytes] = []
    unfit: list[tuple[Entry, str]] = []
    for entry in entries:
        try:
            lines.append(_line(entry))
        except (TypeError, ValueError, AttributeError) as error:
            unfit.append((entry, type(error).__name__))
    path = spill_path(database)
    make_folder(path)
    with locked(path, os.O_RDWR | os.O_APPEND) as descriptor:
        write_all(descriptor, b"".join(lines))
        if sync:
            os.fsync(descriptor)
    return unfit


def entries_in(database: Path) -> Iterator[Entry]:
    """Entries that wait in the spill file, unreadable lines left out. Raises OSError."""
    try:
        with spill_path(database).open("rb") as lines:
            for line in lines:
                try:
                    yield _decode(line)
                except ValueError:
                    continue
    except FileNotFoundError:
        return


def count(database: Path) -> int:
    """How many lines wait in the spill file. Raises OSError."""
    try:
        with spill_path(database).open("rb") as lines:
            return sum(1 for _ in lines)
    except FileNotFoundError:
        return 0


def read_back(database: Path, commit: Callable[[Sequence[Entry]], None]) -> ReadBack:
    """Give every waiting entry to `commit`, then remove the file.

    When `commit` raises, the file stays as it is. Lines that cannot be read are moved to the file
    named by `unreadable_path`. Raises OSError.
    """
    path = spill_path(database)
    if not path.exists():
        return ReadBack(0, 0)
    given = 0
    bad: list[bytes] = []
    with locked(path, os.O_RDWR) as descriptor, path.open("rb") as lines:
        while piece := list(islice(lines, _BATCH)):
            entries: list[Entry] = []
            for line in piece:
                try:
                    entries.append(_decode(line))
                except ValueError:
                    bad.append(line)
            commit(entries)
            given += len(entries)
        if bad:
            _keep_unreadable(database, bad)
        if os.fstat(descriptor).st_nlink:
            path.unlink()
    return ReadBack(given, len(bad))


def _keep_unreadable(database: Path, lines: Sequence[bytes]) -> None:
    descriptor = open_private(unreadable_path(database), os.O_RDWR | os.O_APPEND)
    try:
        write_all(descriptor, b"".join(lines))
    finally:
        os.close(descriptor)
