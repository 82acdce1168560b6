"""Options that several commands share, and how their texts are read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from scrimp.settings import Loaded

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


config_option: Decorator = click.option(
    "--config",
    "config",
    type=Path,  # click.Path reads the environment when it is made
    metavar="PATH",
    help="Settings file [default: $SCRIMP_CONFIG, ./scrimp.toml, or the user's own].",
)
json_option: Decorator = click.option("--json", "as_json", is_flag=True, help="JSON for machines.")

_AGO = re.compile(r"(\d{1,5})([hd])")


def load_settings(path: Path | None) -> Loaded:
    """Settings from the file and the environment. Raises ConfigError."""
    from scrimp.settings import load

    return load(os.environ, path)


def examples(*lines: str) -> str:
    """An epilog with examples, each on its own line."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def check_output(out: Path, file: Path) -> None:
    """Raises click.UsageError where results of a file of calls cannot be kept in `out`."""
    if out.exists() and not out.is_file():
        raise click.UsageError(f"-o {out} is no file: name one, results are kept there")
    if out.exists() and file.exists() and out.samefile(file):
        raise click.UsageError("-o names the file of the calls: name another one")


def moment(text: str, now: datetime) -> datetime:
    """A time such as `today`, `yesterday`, `now`, `24h`, `7d`, `2026-11-01` or an ISO time; UTC.

    Hours and days count back from now; a bare date is its midnight. Raises click.BadParameter.
    """
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    named = {"now": now, "today": midnight, "yesterday": midnight - timedelta(days=1)}
    if (known := named.get(text.lower())) is not None:
        return known
    if (ago := _AGO.fullmatch(text.lower())) is not None:
        return now - int(ago[1]) * timedelta(**{"hours" if ago[2] == "h" else "days": 1})
    try:
        if "T" not in text and " " not in text:
            return datetime.combine(date.fromisoformat(text), time(), tzinfo=UTC)
        given = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        msg = f"not a time: {text!r} (write today, 24h, 7d, 2026-11-01 or 2026-11-01T12:00Z)"
        raise click.BadParameter(msg) from None
    return given.astimezone(UTC) if given.tzinfo else given.replace(tzinfo=UTC)


def given(names: Iterable[str]) -> list[str]:
    """Of these options of the command that runs, those that were typed, as they are typed."""
    from click.core import ParameterSource

    ctx = click.get_current_context()
    typed = (name for name in names if ctx.get_parameter_source(name) != ParameterSource.DEFAULT)
    return [f"--{name.replace('_', '-')}" for name in typed]
