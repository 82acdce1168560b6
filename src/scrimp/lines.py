"""Files of one record per line: JSON lines, or CSV with a header line. The one reader. Pure.

A line that cannot be read is named by its number. No more than one line is held at a time.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, Protocol

import msgspec

from scrimp.errors import InvalidRequest

Record = Mapping[str, Any]
MOST_BYTES = 32 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_SKIPPED_BYTES = 1 << 20

_object = msgspec.json.Decoder(dict[str, Any]).decode


class Row(dict[str, str]):
    """A record of a CSV: all of its values are texts."""


class Readable(Protocol):
    """What is read line by line."""

    def readline(self, size: int = -1, /) -> bytes:
        """The next line with its end, or so many bytes of it; nothing at the end."""
        ...


def records(
    data: bytes, source: str, *, column: str = "prompt", torn: bool = False
) -> Iterator[tuple[int, Record]]:
    """Line number and record, in order. Raises InvalidRequest with the line at fault.

    A CSV must have the `column`. With `torn` a last line that has no end is left out: a run was
    broken off while it was written.
    """
    if torn:
        data = data[: data.rfind(b"\n") + 1]
    for number, found in each(io.BytesIO(data), source, column=column, most_bytes=len(data)):
        if isinstance(found, InvalidRequest):
            raise found
        yield number, found


def each(
    file: Readable,
    source: str,
    *,
    column: str = "prompt",
    most_bytes: int = MOST_BYTES,
    wanted: Callable[[int], bool] = lambda number: True,  # noqa: ARG005 (all)
) -> Iterator[tuple[int, Record | InvalidRequest]]:
    """Line number and record, or what is wrong with the line; the file is not read ahead.

    Lines that are not `wanted` are not looked at. Raises InvalidRequest for a CSV without the
    `column`, or whose quotes do not end: nobody knows where its other lines begin.
    """
    lines = _lines(file, source, most_bytes)
    for first in lines:
        _, text = first
        if isinstance(text, InvalidRequest) or text.strip():
            break
    else:
        return
    every = chain((first,), lines)
    if isinstance(text, InvalidRequest) or text.lstrip()[:1] in (b"{", b"["):
        yield from _json_lines(every, source, wanted)
    else:
        yield from _csv(every, source, column, wanted)


def no_column(source: str, column: str) -> InvalidRequest:
    """What is said of a file that is neither."""
    return InvalidRequest(
        f"{source}: the first line names no column '{column}' (a CSV begins with the names of its "
        "columns; JSON lines are read, too)"
    )


def text_in(record: Record, name: str, where: str) -> str:
    """A text of a record, empty where there is none. Raises InvalidRequest."""
    value = record.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidRequest(f"{where}: '{name}' is no text")
    return value


_Line = tuple[int, bytes | InvalidRequest]


def _lines(file: Readable, source: str, most_bytes: int) -> Iterator[_Line]:
    """Every line by its number; of one that is too long only that it is."""
    number = 0
    while line := file.readline(most_bytes + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(_BOM)
        if len(line) <= most_bytes or line.endswith(b"\n"):
            yield number, line
            continue
        size = len(line)
        while not line.endswith(b"\n") and (line := file.readline(_SKIPPED_BYTES)):
            size += len(line)
        text = f"{source}, line {number}: has {size:,} bytes, at most {most_bytes:,} are read"
        yield number, InvalidRequest(text)


def _json_lines(
    lines: Iterator[_Line], source: str, wanted: Callable[[int], bool]
) -> Iterator[tuple[int, Record | InvalidRequest]]:
    for number, line in lines:
        if not wanted(number):
            continue
        if isinstance(line, InvalidRequest):
            yield number, line
        elif line.strip():
            yield number, _decoded(line, f"{source}, line {number}")


def _decoded(line: bytes, where: str) -> Record | InvalidRequest:
    try:
        return _object(line)
    except UnicodeDecodeError as error:
        return InvalidRequest(f"{where}: not UTF-8 (byte {error.start:,} of a text in it)")
    except (msgspec.DecodeError, RecursionError) as error:
        return InvalidRequest(f"{where}: no JSON object ({error})")


def _csv(
    lines: Iterator[_Line], source: str, column: str, wanted: Callable[[int], bool]
) -> Iterator[tuple[int, Record | InvalidRequest]]:
    reader = csv.DictReader(_texts(lines, source), strict=True)
    try:
        if column not in (reader.fieldnames or ()):
            raise no_column(source, column)
        for row in reader:
            number = reader.line_num
            if not wanted(number):
                continue
            if None in row:
                yield (
                    number,
                    InvalidRequest(
                        f"{source}, line {number}: more fields than columns "
                        "(a text with commas stands in quotes)"
                    ),
                )
            else:
                yield number, Row({name: value for name, value in row.items() if value})
    except csv.Error as error:
        raise InvalidRequest(f"{source}, line {reader.line_num}: {error}") from error


def _texts(lines: Iterator[_Line], source: str) -> Iterator[str]:
    """Raises InvalidRequest: a CSV cannot be read beyond a line that is no text."""
    at = 0
    for number, line in lines:
        if isinstance(line, InvalidRequest):
            raise line
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            raise InvalidRequest(
                f"{source}, line {number}: not UTF-8 (byte {at + error.start:,})"
            ) from error
        at += len(line)
