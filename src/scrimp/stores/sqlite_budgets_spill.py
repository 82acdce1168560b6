"""Where settlements wait while the database cannot take them: a file of JSON lines beside it.

Several processes may use one file: each write and each read-back holds its lock, and whoever has
read everything back removes it. Reading back twice does no harm: a hold ends once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from scrimp.budgets.counters import Needs
from scrimp.stores.private_file import locked, make_folder, open_private, write_all

End = tuple[str, Needs]
"""A hold's id, and what it was."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[str, Needs]).decode


def spill_path(database: Path) -> Path:
    """The spill file of a database."""
    return database.with_name(f"{database.name}.spill.jsonl")


def unreadable_path(database: Path) -> Path:
    """Where lines of a spill file go that could not be read back."""
    return database.with_name(f"{database.name}.spill.unreadable")


def set_aside(database: Path, ends: Sequence[End], *, sync: bool) -> None:
    """Append them; with `sync` they are on the disk on return. Raises OSError, nothing written."""
    path = spill_path(database)
    make_folder(path)
    with locked(path, os.O_RDWR | os.O_APPEND) as descriptor:
        write_all(descriptor, b"".join(_encode(end) + b"\n" for end in ends))
        if sync:
            os.fsync(descriptor)


def read_back(database: Path, commit: Callable[[Sequence[End]], object]) -> int:
    """Give all that waits to `commit`, then remove the file; how many there were.

    When `commit` raises, the file stays as it is. Lines that cannot be read are moved to the file
    named by `unreadable_path`. Raises OSError.
    """
    path = spill_path(database)
    if not path.exists():
        return 0
    with locked(path, os.O_RDWR) as descriptor:
        ends: list[End] = []
        bad: list[bytes] = []
        for line in path.read_bytes().splitlines(keepends=True):
            try:
                ends.append(_decode(line))
            except ValueError:
                bad.append(line)
        commit(ends)
        if bad:
            kept = open_private(unreadable_path(database), os.O_RDWR | os.O_APPEND)
            try:
                write_all(kept, b"".join(bad))
            finally:
                os.close(kept)
        if os.fstat(descriptor).st_nlink:
            path.unlink()
    return len(ends)
