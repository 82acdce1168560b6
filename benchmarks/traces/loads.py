"""Traces as calls: Mooncake's token counts and prefix blocks, τ-bench's conversations, counted.

Mooncake (kvcache-ai/Mooncake, Apache-2.0): one request a line with its time, the tokens of its
input and output, and an id for each 512 tokens of its prompt that stands for all before it, too.

τ-bench (sierra-research/tau-bench, MIT): whole runs of an agent. Each message of the assistant is
a call whose prompt is everything before it. The tools' definitions are not in the trace.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.traces.rules import Asked, Block, Vendor
from scrimp.app import open_encoder
from scrimp.dialects import DIALECTS

BLOCK_TOKENS = 512
_DIALECTS: dict[Vendor, str] = {"openai": "openai.chat", "anthropic": "anthropic.messages"}

Message = dict[str, Any]


def mooncake(path: Path) -> Iterator[Asked]:
    """The requests of a trace. A mark is at the last whole block.

    Raises OSError, and ValueError for a line that is no request.
    """
    with path.open(encoding="utf-8") as lines:
        for at, line in enumerate(lines, start=1):
            told = _request_of(line, f"{path}, line {at}")
            length = told["input_length"]
            blocks = [
                Block(key, min(number * BLOCK_TOKENS, length))
                for number, key in enumerate(told["hash_ids"], start=1)
            ]
            whole = length // BLOCK_TOKENS
            marks = (whole - 1,) if whole else ()
            yield Asked(told["timestamp"] / 1000, length, told["output_length"], blocks, marks)


def _request_of(line: str, where: str) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{where}: no JSON ({error})") from error
    wanted = ("timestamp", "input_length", "output_length", "hash_ids")
    if not isinstance(told, dict) or (missing := [one for one in wanted if one not in told]):
        lacks = missing[0] if isinstance(told, dict) else wanted[0]
        raise ValueError(f"{where}: a request of a trace has {', '.join(wanted)}; no {lacks} here")
    return told


class Conversations:
    """τ-bench runs, counted by a model's tokenizer; each message is counted once."""

    def __init__(self, path: Path) -> None:
        self._runs: list[list[Message]] = [
            one["traj"] for one in json.loads(path.read_text(encoding="utf-8"))
        ]

    async def calls(self, vendor: Vendor, model: str) -> list[Asked]:
        """Every message of an assistant as a call. Marks are at the system prompt and the end."""
        encoder = open_encoder()
        dialect = DIALECTS[_DIALECTS[vendor]]
        found = []
        try:
            for run in self._runs:
                blocks: list[Block] = []
                digest = hashlib.sha256()
                for at, message in enumerate(run):
                    if message["role"] == "assistant":
                        texts = dialect.reply_texts(_reply(message, vendor))
                        output = (await encoder.count(model, texts)).tokens
                        asked = blocks[-1].tokens
                        found.append(Asked(0.0, asked, output, tuple(blocks), (0, len(blocks) - 1)))
                    digest.update(json.dumps(message, sort_keys=True).encode())
                    fields = _request(run[: at + 1], vendor, model)
                    count = await encoder.count_request(model, fields, dialect.name)
                    blocks.append(Block(digest.digest(), count.tokens))
        finally:
            await encoder.close()
        return found


def _request(messages: list[Message], vendor: Vendor, model: str) -> dict[str, Any]:
    """The request that has these messages."""
    if vendor == "openai":
        return {"model": model, "messages": messages}
    system, rest = messages[0]["content"], messages[1:]
    return {"model": model, "system": system, "messages": [_claude(one) for one in rest]}


def _claude(message: Message) -> Message:
    """A message in Anthropic's words."""
    if message["role"] == "tool":
        result = {
            "type": "tool_result",
            "tool_use_id": message["tool_call_id"],
            "content": message["content"],
        }
        return {"role": "user", "content": [result]}
    return {"role": message["role"], "content": _claude_blocks(message)}


def _claude_blocks(message: Message) -> list[dict[str, Any]]:
    text = message.get("content")
    blocks = [{"type": "text", "text": text}] if text else []
    for call in message.get("tool_calls") or ():
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        used = {"type": "tool_use", "id": call["id"], "name": name, "input": json.loads(arguments)}
        blocks.append(used)
    return blocks


def _reply(message: Message, vendor: Vendor) -> bytes:
    """The provider's reply that held this message."""
    if vendor == "openai":
        return json.dumps({"choices": [{"index": 0, "message": message}]}).encode()
    content = _claude_blocks(message)
    return json.dumps({"type": "message", "role": "assistant", "content": content}).encode()
