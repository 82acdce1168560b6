"""Recorded conversations of agents as OpenAI's chat messages, from any of four shapes of file.

A list of runs with `traj` (τ-bench), one object or one a line with `messages` (OpenHands' logs and
most others, OpenAI's or Anthropic's), and SWE-agent's `history`, alone or in an archive. In that
one the results of tools stand as words of a user: they become results of a tool by the name of the
command.
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
                yield [plain for one in _checked(told[name]) for plain in _plain(one)]
                return
        if isinstance(told.get("history"), list):
            yield _swe_agent(_checked(told["history"]))


def _checked(messages: list[Any]) -> list[Message]:
    """Raises ValueError for what is no message."""
    fit = (isinstance(one, dict) and isinstance(one.get("role"), str) for one in messages)
    if wrong := [number for number, ok in enumerate(fit, start=1) if not ok]:
        msg = f"message {wrong[0]} of a conversation is no object with a 'role'"
        raise ValueError(msg)
    return messages


def _plain(message: Message) -> list[Message]:
    """With the fields that a call has; a message of Anthropic's becomes one of each kind in it."""
    kept = ("role", "content", "name", "tool_calls", "tool_call_id")
    plain = {name: message[name] for name in kept if message.get(name) is not None}
    content = plain.get("content")
    if not isinstance(content, list):
        return [plain]
    blocks = [one for one in content if isinstance(one, dict)]
    kinds = {one.get("type") for one in blocks}
    if plain["role"] == "tool":
        return [{**plain, "content": _joined(blocks)}] if kinds == {"text"} else [plain]
    if not kinds & {"tool_use", "tool_result"}:
        return [plain]
    rest = [one for one in blocks if one.get("type") not in ("tool_use", "tool_result")]
    results = [
        {"role": "tool", "tool_call_id": str(one.get("tool_use_id")), "content": _told(one)}
        for one in blocks
        if one.get("type") == "tool_result"
    ]
    calls = [_called(one) for one in blocks if one.get("type") == "tool_use"]
    if calls:
        return [{"role": plain["role"], "content": _joined(rest), "tool_calls": calls}]
    return [*results, *([{**plain, "content": rest}] if rest else [])]


def _told(result: Message) -> Any:
    """What a tool said: a text, or parts that are not all texts."""
    content = result.get("content") or ""
    if isinstance(content, list) and all(one.get("type") == "text" for one in content):
        return _joined(content)
    return content


def _joined(blocks: list[Message]) -> str:
    return "\n".join(str(one.get("text", "")) for one in blocks if one.get("type") == "text")


def _called(block: Message) -> Message:
    function = {"name": str(block.get("name")), "arguments": json.dumps(block.get("input", {}))}
    return {"id": str(block.get("id")), "type": "function", "function": function}


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
