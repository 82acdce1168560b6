"""What all commands print with: consoles that know a terminal from a pipe, and one-line errors."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

_PIPE_COLUMNS = 120


def out() -> Console:
    """Standard output: colours on a terminal only (NO_COLOR is honoured), wide in a pipe."""
    console = Console(highlight=False, emoji=False, markup=False)
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = _PIPE_COLUMNS
    return console


def complain(message: str) -> None:
    """One line on stderr."""
    text = Text.assemble(("error: ", "bold red"), " ".join(message.split()))
    Console(stderr=True, highlight=False, emoji=False).print(text, soft_wrap=True)


def note(message: str) -> None:
    """A remark on stderr, for people who pipe standard output elsewhere."""
    Console(stderr=True, highlight=False, emoji=False).print(
        Text(" ".join(message.split()), "yellow"), soft_wrap=True
    )


def say(*lines: str | Text) -> None:
    """Lines on standard output at once, never wrapped: what is to be pasted stays whole."""
    console = out()
    for line in lines:
        console.print(line, soft_wrap=True)
    sys.stdout.flush()


def print_json(document: Any) -> None:
    """A JSON document on standard output, for machines: no colours, one trailing newline."""
    encoded = msgspec.json.format(msgspec.json.encode(document), indent=2)
    sys.stdout.write(encoded.decode() + "\n")


def heading(text: str) -> Text:
    """A title."""
    return Text(text, "bold")


def dim(text: str) -> Text:
    """A remark."""
    return Text(text, "dim")


def this_command() -> str:
    """How to type this command again: its name, or its path where the shell would not find it."""
    typed = sys.argv[0]
    found = os.path.basename(typed) != "scrimp" or shutil.which("scrimp") is not None  # noqa: PTH119 - text, not a path to open
    return "scrimp" if found else short_path(typed)


def short_path(path: object) -> str:
    """A path with the home folder as `~`."""
    text, home = str(path), os.path.expanduser("~")  # noqa: PTH111 - text, not a path to open
    return "~" + text[len(home) :] if home != "/" and text.startswith(home + os.sep) else text
