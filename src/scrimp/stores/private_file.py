"""Files of state beside a store: closed to others, appended to whole lines at a time, locked."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_FILE_MODE = 0o600
_DIRECTORY_MODE = 0o700


@dataclass(frozen=True, slots=True)
class Identity:
    """Which file this is, whatever its name: a deleted or replaced one has another."""

    device: int
    inode: int


def identity(path: Path) -> Identity | None:
    """None when there is no such file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return Identity(found.st_dev, found.st_ino)


def make_folder(path: Path) -> None:
    """Make the folder of a state file, closed to others when it is made here. Raises OSError."""
    if not path.parent.exists():
        path.parent.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)


def open_private(path: Path, flags: int) -> int:
    """A descriptor of a state file that only its owner may read. Raises OSError."""
    descriptor = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
    try:
        if os.fstat(descriptor).st_mode & 0o077:
            os.fchmod(descriptor, _FILE_MODE)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def write_all(descriptor: int, data: bytes) -> None:
    """Append all of it or nothing: a full disk must not leave half a line behind."""
    written = os.write(descriptor, data)
    if written == len(data):
        return
    size = os.fstat(descriptor).st_size - written
    view = memoryview(data)[written:]
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError:
        os.ftruncate(descriptor, size)
        raise


@contextmanager
def locked(path: Path, flags: int) -> Iterator[int]:
    """The file under its lock; another one is opened when it was removed meanwhile."""
    while True:
        descriptor = open_private(path, flags)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                yield descriptor
                return
        finally:
            os.close(descriptor)
