"""Export files as rows: encodings, byte order marks and sizes, before anything is parsed."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from scrimp.errors import ConfigError
from scrimp.reconcile.exports import Found, rows_of_csv, rows_of_json

_MOST_JSON_BYTES = 256 * 1024 * 1024
_MOST_LINE_CHARS = 1 << 20
_PEEKED_BYTES = 4096
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def rows_of(path: Path) -> Iterator[Found]:
    """Rows of one file, whatever it is. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            head = file.read(_PEEKED_BYTES)
            file.seek(0)
            encoding = "utf-16" if head.startswith(_MARKS) else "utf-8-sig"
            if head.decode(encoding, "replace").lstrip()[:1] in ("{", "["):
                yield from rows_of_json(_document(file, encoding, path.name), path.name)
            else:
                yield from rows_of_csv(_lines(file, encoding, path.name), path.name)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error


def _document(file: BinaryIO, encoding: str, name: str) -> bytes:
    raw = file.read(_MOST_JSON_BYTES + 1)
    if len(raw) > _MOST_JSON_BYTES:
        most = _MOST_JSON_BYTES >> 20
        raise ConfigError(f"{name} is larger than {most} MB (ask for fewer days, or use CSV)")
    return raw.decode(encoding, "replace").encode()


def _lines(file: BinaryIO, encoding: str, name: str) -> Iterator[str]:
    """Lines of bounded length; letters of another encoding only spoil names that are not read."""
    with io.TextIOWrapper(file, encoding, errors="replace", newline="") as text:
        while line := text.readline(_MOST_LINE_CHARS):
            if len(line) >= _MOST_LINE_CHARS:
                raise ConfigError(f"{name} has a line of more than {_MOST_LINE_CHARS:,} characters")
            yield line
