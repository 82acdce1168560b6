"""What the jobs of a file are called: the same line has the same name, whoever reads it when. Pure.

A name is made from the digest of what a line asks, so that a file that is handed in again finds the
jobs that it has. The n-th of equal lines has a name of its own: each is to have its own answer.
"""

from __future__ import annotations

import re

from scrimp.errors import InvalidRequest

_LABEL = re.compile(r"[A-Za-z0-9_.]{1,64}")


class Names:
    """Gives the lines of one reading their names, in their order. `label` keeps hand-ins apart."""

    def __init__(self, label: str = "") -> None:
        """Raises InvalidRequest."""
        if label and not _LABEL.fullmatch(label):
            raise InvalidRequest(
                f"--name {label[:64]!r}: up to 64 letters, digits, dots and underscores"
            )
        self._prefix = f"file-{label}-" if label else "file-"
        self._met: dict[bytes, int] = {}

    def of(self, key: bytes) -> str:
        """The name of the next line that asks this."""
        number = self._met[key] = self._met.get(key, 0) + 1
        name = self._prefix + key.hex()
        return name if number == 1 else f"{name}-{number}"


def of_try(name: str, number: int) -> str:
    """What the job is called that asks for the same again, after `number - 1` that failed."""
    return name if number == 1 else f"{name}-r{number}"
