"""Writing a price into scrimp.toml: comments and everything else in the file stay as they are."""

from __future__ import annotations

import copy
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scrimp.errors import ConfigError

Value = str | bool
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SIMPLE = r'(?P<before>\s*{key}\s*=\s*)(?:"[^"\\]*"|true|false)(?P<after>\s*(?:#.*)?)'


def with_prices(text: str, model: str, values: Mapping[str, Value]) -> str:
    """The file's text with these fields in the table of the model; all else is untouched.

    Raises ConfigError when that cannot be done safely: then the file is to be edited by hand.
    """
    before = _parsed(text)
    wanted = _wanted(before, model, values)
    lines = text.splitlines(keepends=True)
    found = [at for at, line in enumerate(lines) if _is_header(line, model)]
    if not found:
        glue = "" if not text or text.endswith("\n") else "\n"
        blank = "\n" if text.strip() else ""
        rows = "".join(_row(key, value) for key, value in values.items())
        changed = f"{text}{glue}{blank}[prices.{_name(model)}]\n{rows}"
    else:
        changed = "".join(_changed(lines, found[0], values))
    if not _says(changed, wanted):
        raise ConfigError(f"the table of {model!r} cannot be changed safely: edit it by hand")
    return changed


def write_text(path: Path, text: str) -> None:
    """Replace a file at once, with the rights that it had (a new one is the owner's own)."""
    path = path.resolve()
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not valid TOML: {error}") from error


def _says(text: str, wanted: dict[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == wanted
    except tomllib.TOMLDecodeError:
        return False


def _wanted(before: dict[str, Any], model: str, values: Mapping[str, Value]) -> dict[str, Any]:
    wanted = copy.deepcopy(before)
    table = wanted.setdefault("prices", {}).setdefault(model, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{model!r} has prices with dates ([[prices]]): edit them by hand")
    table.update(values)
    return wanted


def _is_header(line: str, model: str) -> bool:
    if not line.lstrip().startswith("[") or line.lstrip().startswith("[["):
        return False
    try:
        return tomllib.loads(line) == {"prices": {model: {}}}
    except tomllib.TOMLDecodeError:
        return False


def _changed(lines: list[str], header: int, values: Mapping[str, Value]) -> list[str]:
    end = next(
        (at for at in range(header + 1, len(lines)) if lines[at].lstrip().startswith("[")),
        len(lines),
    )
    table = list(lines[header + 1 : end])
    if table and not table[-1].endswith("\n"):
        table[-1] += "\n"
    top = lines[: header + 1]
    if not top[-1].endswith("\n"):
        top[-1] += "\n"
    for key, value in values.items():
        pattern = re.compile(_SIMPLE.format(key=re.escape(key)))
        for at, line in enumerate(table):
            if (simple := pattern.fullmatch(line.rstrip("\r\n"))) is not None:
                rest = line[len(line.rstrip("\r\n")) :]
                table[at] = f"{simple['before']}{_text(value)}{simple['after']}{rest}"
                break
        else:
            table.insert(_last_row(table), _row(key, value))
    return [*top, *table, *lines[end:]]


def _last_row(table: list[str]) -> int:
    """Where the last row of a table ends; comments before the next table belong to that one."""
    rows = [
        at for at, line in enumerate(table) if line.strip() and not line.lstrip().startswith("#")
    ]
    return rows[-1] + 1 if rows else 0


def _row(key: str, value: Value) -> str:
    return f"{key} = {_text(value)}\n"


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _quoted(value)


def _name(model: str) -> str:
    return model if _BARE.fullmatch(model) else _quoted(model)


def _quoted(text: str) -> str:
    if not text.isprintable():
        raise ConfigError(f"not a text for one line: {text[:40]!r}")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
