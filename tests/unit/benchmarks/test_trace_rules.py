"""Prompts of traces become the usage that a provider with a prefix cache would report."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from benchmarks.traces.loads import Conversations, mooncake
from benchmarks.traces.rules import Asked, Block, ClaudePrefixes, OpenAIPrefixes
from benchmarks.traces.run import document, measured, spend
from scrimp.dialects.anthropic_usage import read_usage as read_anthropic
from scrimp.dialects.openai_usage import read_usage as read_openai


def asked(*keys: str, at_s: float = 0.0, more: int = 0, mark: bool = True) -> Asked:
    """A prompt of blocks of 512 tokens and `more` fresh ones."""
    blocks = [Block(key, 512 * number) for number, key in enumerate(keys, start=1)]
    total = 512 * len(keys) + more
    return Asked(at_s, total, 10, blocks, (len(keys) - 1,) if mark else ())


def cached(prefixes: OpenAIPrefixes, call: Asked) -> int:
    """What OpenAI says of it."""
    usage = read_openai(prefixes.usage(call))
    assert usage is not None
    assert usage.total_input_tokens == call.input_tokens
    return usage.cache_read_tokens


def parts(prefixes: ClaudePrefixes, call: Asked) -> tuple[int, int, int]:
    """What Anthropic says of it: fresh, read, written."""
    usage = read_anthropic(prefixes.usage(call))
    assert usage is not None
    assert usage.total_input_tokens == call.input_tokens
    return usage.input_tokens, usage.cache_read_tokens, usage.cache_write_5m_tokens


def test_openai_reads_the_longest_prefix_that_it_remembers() -> None:
    """From 1,024 tokens on, for five minutes after the last use, as far as it is equal."""
    prefixes = OpenAIPrefixes()
    assert cached(prefixes, asked("a", "b", "c")) == 0
    assert cached(prefixes, asked("a", "b", "c", "d", at_s=300)) == 1536
    assert cached(prefixes, asked("a", "b", "x", at_s=600)) == 1024
    assert cached(prefixes, asked("a", "y", at_s=601)) == 0
    assert cached(prefixes, asked("a", "b", "c", at_s=905)) == 0


def test_openai_reads_in_steps_of_128() -> None:
    """A prompt that ends between two steps is read up to the last one."""
    prefixes = OpenAIPrefixes()
    call = Asked(0.0, 1300, 1, [Block("a", 1300)])
    assert [cached(prefixes, call) for _ in range(2)] == [0, 1280]


def test_anthropic_writes_at_marks_and_reads_from_there() -> None:
    """What is behind the mark is fresh; a prefix that was never marked is never found."""
    prefixes = ClaudePrefixes("claude-sonnet-5")
    assert parts(prefixes, asked("a", "b", "c", more=100)) == (100, 0, 1536)
    assert parts(prefixes, asked("a", "b", "c", "d", more=7)) == (7, 1536, 512)
    assert parts(prefixes, asked("a", "b", "x")) == (0, 0, 1536)
    assert parts(prefixes, asked("a", "b", "c", "d", at_s=400)) == (0, 0, 2048)
    assert parts(prefixes, asked("a", "b", "c", mark=False)) == (1536, 0, 0)


def test_anthropic_looks_back_20_blocks_and_caches_nothing_short() -> None:
    """Further back nothing is found; each model has its least."""
    prefixes = ClaudePrefixes("claude-sonnet-5")
    keys = [str(number) for number in range(30)]
    parts(prefixes, asked(*keys[:5]))
    assert parts(prefixes, asked(*keys[:25])) == (0, 0, 12_800)
    assert parts(prefixes, asked(*keys[:30]))[1] == 12_800
    assert parts(ClaudePrefixes("claude-haiku-4-5"), asked(*keys[:7])) == (3584, 0, 0)


def test_a_trace_is_priced_by_kind_to_the_nano_dollar(tmp_path: Path) -> None:
    """By hand: 1,536 fresh at $2.50, then 1,024 cached at $1.25 and 600 fresh; 20 out at $10."""
    path = tmp_path / "trace.jsonl"
    lines = (
        {"timestamp": 0, "input_length": 1536, "output_length": 10, "hash_ids": [1, 2, 3]},
        {"timestamp": 9000, "input_length": 1624, "output_length": 10, "hash_ids": [1, 2, 4, 5]},
    )
    path.write_text("\n".join(json.dumps(line) for line in lines))
    found = spend("made up", "gpt-4o", mooncake(path))
    assert found.tokens == {"input": 2136, "cache_read": 1024, "output": 20}
    assert found.nanousd == {"input": 5_340_000, "cache_read": 1_280_000, "output": 200_000}
    assert (found.total_nanousd, found.plain_nanousd) == (6_820_000, 8_100_000)
    assert document([found], [])["spend"][0]["total_usd"] == "0.00682"


def test_conversations_grow_message_by_message(tmp_path: Path) -> None:
    """Each answer is a call with all before it; what tools said is a part of the next prompt."""
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}
    run = [
        {"role": "system", "content": "Be kind. " * 600},
        {"role": "user", "content": "Where is it?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "name": "look", "content": "Here."},
        {"role": "assistant", "content": "It is here."},
    ]
    path = tmp_path / "runs.json"
    path.write_text(json.dumps([{"traj": run}, {"traj": run}]))
    runs = Conversations(path)
    ours = asyncio.run(runs.calls("openai", "gpt-4o"))
    theirs = asyncio.run(runs.calls("anthropic", "claude-sonnet-5"))
    for calls in (ours, theirs):
        assert len(calls) == 4
        assert calls[0].input_tokens < calls[1].input_tokens
        assert min(one.output_tokens for one in calls) > 0
        assert calls[:2] == calls[2:]
    prefixes = OpenAIPrefixes()
    assert [cached(prefixes, one) > 0 for one in ours] == [False, True, True, True]


def test_a_missing_trace_is_told(tmp_path: Path) -> None:
    """Not a table of nothing."""
    found, missing = measured(tmp_path, ["gpt-4o"])
    assert found == []
    assert len(missing) == 3
