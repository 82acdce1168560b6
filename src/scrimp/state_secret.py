"""Secrets of a state folder: made once, whoever comes first."""

from __future__ import annotations

import fcntl
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SECRET_BYTES = 32


def state_secret(state: Path, name: str) -> bytes:
    """One secret of a state folder, 0600. All processes that start on it at once get the same.

    Raises OSError.
    """
    path = state / f"{name}.secret"
    if secret := _read(path):
        return secret
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(state):
        if secret := _read(path):
            return secret
        # there is none, or a process died while it wrote one: an empty secret would hide nothing
        secret = secrets.token_bytes(_SECRET_BYTES)
        with tempfile.NamedTemporaryFile(dir=state, prefix=f"{name}.", delete=False) as file:
            file.write(secret)
        Path(file.name).replace(path)
        return secret


def _read(path: Path) -> bytes:
    """Nothing, unless all of it is there."""
    try:
        secret = path.read_bytes()
    except FileNotFoundError:
        return b""
    if len(secret) != _SECRET_BYTES:
        return b""
    path.chmod(0o600)
    return secret


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds the folder's lock, which leaves no file behind."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
