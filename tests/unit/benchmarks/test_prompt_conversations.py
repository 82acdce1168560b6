"""Recorded conversations in four shapes, and the judge of what compacting them has lost."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from benchmarks.savings.prompts import run
from benchmarks.savings.prompts.compacting import by_rule, is_equal, measure, to_all
from benchmarks.savings.prompts.conversations import runs_of
from benchmarks.savings.prompts.mooncake import measure as measure_blocks
from benchmarks.savings.prompts.providers import PROVIDERS
from scrimp.client.functions import now_encoder

ROWS = json.dumps([{"flight": f"HAT{n}", "origin": "JFK"} for n in range(20)])
CALLED = {"id": "c", "type": "function", "function": {"name": "search", "arguments": "{}"}}
RUN: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief. " * 600},
    {"role": "user", "content": "fly"},
    {"role": "assistant", "content": None, "tool_calls": [CALLED]},
    {"role": "tool", "tool_call_id": "c", "content": ROWS},
    {"role": "assistant", "content": "Done."},
]
HISTORY = [
    {"role": "system", "content": "s", "agent": "a"},
    {"role": "user", "content": "fix it"},
    {"role": "assistant", "content": "I look.", "action": "ls -la\n"},
    {"role": "user", "content": "total 0"},
    {"role": "assistant", "content": "I open.", "action": "open x.py"},
    {"role": "tool", "content": "1:pass"},
]


def test_every_shape_is_read(tmp_path: Path) -> None:
    """τ-bench, one object, one a line, a folder, an archive of SWE-agent's."""
    (tmp_path / "tau.json").write_text(json.dumps([{"traj": RUN, "reward": 1}]))
    (tmp_path / "lines.jsonl").write_text(f"{json.dumps({'messages': RUN})}\n\n" * 2)
    (tmp_path / "one.traj").write_text(json.dumps({"history": HISTORY}))
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "one.traj")
    assert len(runs_of(tmp_path / "tau.json")) == 1
    assert len(runs_of(tmp_path / "lines.jsonl")) == 2
    assert len(runs_of(tmp_path)) == 3
    (run,) = runs_of(tmp_path / "all.tar.gz")
    assert [one["role"] for one in run] == [
        *("system", "user", "assistant", "tool", "assistant", "tool")
    ]
    names = [call["function"]["name"] for one in run for call in one.get("tool_calls", ())]
    assert names == ["bash", "open"]
    (tmp_path / "other.json").write_text('{"x": 1}')
    with pytest.raises(ValueError, match="no conversations"):
        runs_of(tmp_path / "other.json")


def test_what_is_lost_is_seen() -> None:
    """A value, a word, a line; and what only looks different is equal."""
    assert is_equal(ROWS, by_rule("search", ROWS))
    assert not is_equal(ROWS, by_rule("search", ROWS).replace("HAT3", "HAT4"))
    log = "\n".join(["\x1b[31mslow\x1b[0m  ", *["the same line again and again"] * 9])
    assert is_equal(log, to_all("bash", log))
    assert not is_equal(log, to_all("bash", log).replace("8 more", "7 more"))
    assert not is_equal("a b", "a")


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_savings_are_measured(vendor: Any) -> None:
    """Fewer tokens of results, dollars in their order, nothing lost, no prefix broken."""
    model = "gpt-4o" if vendor == "openai" else "claude-sonnet-5"
    found = measure([RUN] * 3, PROVIDERS[vendor], model, now_encoder())
    assert (found.calls, found.results, found.changed) == (6, 3, 3)
    assert (found.not_equal, found.prefixes_broken) == (0, 0)
    assert found.result_tokens_after < found.result_tokens * 0.8
    assert found.both < found.cached < found.plain
    assert found.both < found.compact < found.plain
    assert found.by_prefix + found.by_compact == found.plain - found.both
    assert min(found.by_prefix, found.by_compact) > 0


def test_a_broken_prefix_is_counted() -> None:
    """A lever that changes its mind as the conversation grows."""
    seen: list[str] = []

    def fickle(_: str, text: str) -> str:
        seen.append(text)
        return f"{text} {len(seen)}"

    found = measure([RUN], PROVIDERS["openai"], "gpt-4o", now_encoder(), fickle)
    assert found.prefixes_broken == 1
    assert found.not_equal == 1


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_has_one_name_in_every_format(name: str, tmp_path: Path) -> None:
    """Each name measures conversations and prompts of blocks; reads save, nothing is lost."""
    (model, *_), sold = PROVIDERS[name].models, PROVIDERS[name]
    found = measure([RUN] * 3, sold, model, now_encoder())
    assert (found.not_equal, found.prefixes_broken) == (0, 0)
    assert found.both <= found.cached <= found.plain
    blocks = [{"timestamp": n * 60_000, "input_length": 4_096} for n in range(40)]
    lines = [{**one, "output_length": 9, "hash_ids": [*range(8)]} for one in blocks]
    trace = tmp_path / "blocks.jsonl"
    trace.write_text("\n".join(map(json.dumps, lines)))
    cost = measure_blocks(trace, name)
    assert cost.naive <= cost.scrimp < 1
    assert cost.read_share > 0


def test_an_unknown_provider_is_told_all_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In both formats the same ones."""
    for shape in ("messages", "mooncake"):
        line = ["run.py", "--trace", "x", "--format", shape, "--provider", "gemini"]
        monkeypatch.setattr("sys.argv", line)
        with pytest.raises(SystemExit):
            run.main()
        told = "".join(capsys.readouterr().err.split())
        assert all(f"{name!r}" in told or f"{name}," in told for name in PROVIDERS)


def test_a_model_is_measured_by_its_own_rules() -> None:
    """GPT-5.6 pays for writes, also where it is asked for as a model of `openai`."""
    free = measure([RUN] * 2, PROVIDERS["openai"], "gpt-5", now_encoder())
    paid = measure([RUN] * 2, PROVIDERS["openai"], "gpt-5.6", now_encoder())
    assert free.naive == free.cached
    assert paid.naive != paid.cached
    with pytest.raises(ValueError, match="no rules are known"):
        measure([RUN], PROVIDERS["openai"], "nobody-1", now_encoder())
