"""Recorded conversations of agents as OpenAI's chat messages, from any of four shapes of file.

A list of runs with `traj` (τ-bench), one object or one a line with `messages` (OpenHands' logs and
most others), and SWE-agent's `history`, alone or in an archive. In that one the results of tools
stand as words of a user: they become results of a tool by the name of the command.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Message = dict[str, Any]
Run = list[Message]

_OWN_COMMANDS = frozenset(
    (
        *("open", "edit", "create", "goto", "scroll_up", "scroll_down", "find_file", "submit"),
        *("search_dir", "search_file"),
    )
)
"""SWE-agent's; any other word is a command of the shell's."""


def runs_of(path: Path) -> list[Run]:
    """All conversations of a file or a folder of files. Raises ValueError for another shape."""
    if path.is_dir():
        return [run for one in sorted(path.rglob("*.json*")) for run in runs_of(one)]
    found = [run for told in _documents(path) for run in _runs(told)]
    if not found:
        msg = f"{path}: no conversations (wanted: objects with 'traj', 'messages' or 'history')"
        raise ValueError(msg)
    return found


def _documents(path: Path) -> Iterator[Any]:
    if path.name.endswith((".tar.gz", ".tgz", ".tar")):
        with tarfile.open(path) as archive:
            for member in archive:
                if member.name.endswith(".traj") and (file := archive.extractfile(member)):
                    yield json.load(file)
        return
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        yield from (json.loads(line) for line in text.splitlines() if line.strip())
    else:
        yield json.loads(text)


def _runs(told: Any) -> Iterator[Run]:
    if isinstance(told, list):
        for one in told:
            yield from _runs(one)
    elif isinstance(told, dict):
        for name in ("traj", "messages"):
            if isinstance(told.get(name), list):
                yield [_plain(one) for one in told[name]]
                return
        if isinstance(told.get("history"), list):
            yield _swe_agent(told["history"])


def _plain(message: Message) -> Message:
    """A message with the fields that a call has."""
    kept = ("role", "content", "name", "tool_calls", "tool_call_id")
    return {name: message[name] for name in kept if message.get(name) is not None}


def _swe_agent(history: list[Message]) -> Run:
    """What follows an assistant's command is its result."""
    run: Run = []
    asked = ""
    for number, message in enumerate(history):
        role, content = message["role"], message.get("content") or ""
        if role == "assistant":
            asked = f"call_{number}"
            words = str(message.get("action") or "").split()
            word = words[0] if words else ""
            name = word if word in _OWN_COMMANDS else "bash"
            function = {"name": name, "arguments": json.dumps({"command": message.get("action")})}
            call = {"id": asked, "type": "function", "function": function}
            run.append({"role": role, "content": content, "tool_calls": [call]})
        elif asked and role in ("user", "tool"):
            run.append({"role": "tool", "tool_call_id": asked, "content": content})
            asked = ""
        else:
            run.append({"role": role, "content": content})
    return run
