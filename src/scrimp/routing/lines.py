"""Files of one record per line: JSON lines, or CSV with a header line. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from scrimp.errors import InvalidRequest

Record = Mapping[str, Any]


def records(data: bytes, source: str, *, torn: bool = False) -> Iterator[tuple[int, Record]]:
    """Line number and record, in order. Raises InvalidRequest with the line at fault.

    With `torn` a last line that has no end is left out: a run was broken off while it was written.
    """
    if torn:
        data = data[: data.rfind(b"\n") + 1]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{source}: not UTF-8 (byte {error.start:,})") from error
    if not text.strip():
        return
    yield from _json_lines(text, source) if text.lstrip()[0] in "{[" else _csv(text, source)


def text_in(record: Record, name: str, where: str) -> str:
    """A text of a record, empty where there is none. Raises InvalidRequest."""
    value = record.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidRequest(f"{where}: '{name}' is no text")
    return value


def _json_lines(text: str, source: str) -> Iterator[tuple[int, Record]]:
    # not splitlines(): a JSON string may hold U+2028, which is no end of a line here
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError) as error:
            raise InvalidRequest(f"{source}, line {number}: no JSON object ({error})") from error


def _csv(text: str, source: str) -> Iterator[tuple[int, Record]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        names = reader.fieldnames or ()
        if "prompt" not in names:
            raise InvalidRequest(
                f"{source}: the first line names no column 'prompt' (a CSV begins with the names "
                "of its columns; JSON lines are read, too)"
            )
        for row in reader:
            if None in row:
                raise InvalidRequest(
                    f"{source}, line {reader.line_num}: more fields than columns "
                    "(a text with commas stands in quotes)"
                )
            yield reader.line_num, {name: value for name, value in row.items() if value}
    except csv.Error as error:
        raise InvalidRequest(f"{source}, line {reader.line_num}: {error}") from error
