"""The corpus through real gateways: ours passes every case, careless ones are found out."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from msgspec import convert

from scrimp.calls import COUNTERS, Usage
from scrimp.conformance.corpus import Case, load_cases
from scrimp.conformance.player import Gateway, Player
from scrimp.conformance.replay import ReplayProvider
from scrimp.conformance.verdict import Verdict
from scrimp.errors import ConfigError
from scrimp.prices import load_book
from tests.support.conformance import (
    CHAT_PROVIDERS,
    LIVE,
    careless,
    free_port,
    played,
    scrimp_before,
    silent,
)


def cases(*ids: str) -> list[Case]:
    """Cases by their names."""
    return [case for case in load_cases() if case.id in ids]


def wrong(verdicts: list[Verdict]) -> dict[str, list[str]]:
    """What failed, by case."""
    return {one.case: [check.what for check in one.wrong] for one in verdicts if one.wrong}


async def test_our_own_gateway_passes_every_case() -> None:
    """All providers' shapes: words, end, usage and errors arrive, and the ledger is right."""
    provider = ReplayProvider(LIVE)
    async with provider.listening("127.0.0.1", 0) as url, scrimp_before(url) as running:
        verdicts = await played(running.url, provider, LIVE)
    assert wrong(verdicts) == {}
    assert Counter(one.status for one in verdicts) == {"pass": len(LIVE)}
    assert all(any(check.what == "ledger: basis" for check in one.checks) for one in verdicts)


@pytest.mark.parametrize("name", [*CHAT_PROVIDERS, "anthropic"])
async def test_the_ledger_has_each_providers_buckets_and_cost(name: str) -> None:
    """Entry by entry: the provider, its usage in disjoint buckets, its price or its own figure."""
    mine = [case for case in LIVE if case.provider == name]
    provider = ReplayProvider(mine)
    off = "[exact_cache]\nenabled = false\n[retry]\nattempts = 1\n"
    async with (
        provider.listening("127.0.0.1", 0) as url,
        scrimp_before(url, more=off, providers=[name]) as running,
    ):
        verdicts = await played(running.url, provider, mine)
        entries = running.entries()
    assert wrong(verdicts) == {}
    assert len(entries) == len(mine)
    assert {entry.provider for entry in entries} == {name}
    found = Counter(
        (entry.cost_basis, tuple(getattr(entry.usage, bucket) for bucket in COUNTERS))
        for entry in entries
    )
    right = Counter(
        (case.expected.basis, tuple(getattr(usage_of(case), bucket) for bucket in COUNTERS))
        for case in mine
    )
    assert found == right
    assert all(entry.cost_nanousd is not None for entry in entries)


def usage_of(case: Case) -> Usage:
    """The usage that is right, empty where none was told."""
    return convert(case.expected.usage or {}, Usage)


async def test_an_entry_that_comes_late_is_waited_for() -> None:
    """What broke off is booked after its client heard so; what never comes is waited for once."""
    asked: list[str] = []

    async def entry(request: web.Request) -> web.Response:
        asked.append(request.match_info["id"])
        if request.match_info["id"] == "never" or len(asked) < 3:
            return web.json_response({}, status=404)
        return web.json_response({"cost_nanousd": 5})

    app = web.Application()
    app.router.add_get("/v1/scrimp/calls/{id}", entry)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port := free_port()).start()
        gateway = Gateway(f"http://127.0.0.1:{port}")
        player = Player(gateway, ReplayProvider([]), load_book(), looks_after_s=(0, 0, 0))
        async with aiohttp.ClientSession() as session:
            assert await player.entry(session, "late") == {"cost_nanousd": 5}
            assert await player.entry(session, "never") == {}
            assert await player.entry(session, "never") == {}
    finally:
        await runner.cleanup()
    assert asked == ["late"] * 3 + ["never"] * 4


async def test_a_second_play_is_not_answered_from_the_cache() -> None:
    """Each play asks in words of its own, so that what is played is the provider's answer."""
    some = cases("openai-chat-reply-plain", "anthropic-stream-plain")
    provider = ReplayProvider(some)
    async with provider.listening("127.0.0.1", 0) as url, scrimp_before(url) as running:
        for _ in range(2):
            assert wrong(await played(running.url, provider, some)) == {}
    assert len(provider.heard) == 4


async def test_a_gateway_that_only_hands_on_passes() -> None:
    """Nothing of ours is asked of others: no header, no ledger."""
    some = [case for case in LIVE if case.expected.complete and case.provider == "openai"]
    some = [case for case in some if "no-usage" not in case.id]
    provider = ReplayProvider(some)
    async with provider.listening("127.0.0.1", 0) as url, careless(url) as gateway:
        verdicts = await played(gateway, provider, some)
    assert wrong(verdicts) == {}
    assert {one.told_nanousd for one in verdicts} == {None}


@pytest.mark.parametrize(
    ("case", "old", "new", "what"),
    [
        ("openai-chat-reply-plain", b'"prompt_tokens":23', b'"prompt_tokens":46', "usage"),
        ("openai-chat-stream-plain", b'"content":"Par"', b'"content":""', "text and tool calls"),
        ("openai-chat-stream-tools", b'"Paris', b'"London', "text and tool calls"),
        ("openai-chat-stream-plain", b"data: [DONE]\n\n", b"", "end"),
        ("openai-chat-stream-length", b'"length"', b'"stop"', "finish"),
        ("anthropic-stream-cached", b'"cache_read_input_tokens":2000', b'"x":0', "usage"),
        ("openai-responses-reply-web-search", b'"web_search_call"', b'"x"', "usage"),
        ("openai-embeddings-two", b"[0.25,0.75]", b"[0.75,0.25]", "text and tool calls"),
        ("anthropic-reply-refusal", b'"refusal"', b'"end_turn"', "finish"),
        ("openai-chat-error-context", b"maximum context length", b"length", "error"),
    ],
)
async def test_a_gateway_that_changes_something_is_found_out(
    case: str, old: bytes, new: bytes, what: str
) -> None:
    """Usage, words, calls, ends and errors: the check that fails says which it was."""
    some = cases(case)
    provider = ReplayProvider(some)
    async with (
        provider.listening("127.0.0.1", 0) as url,
        careless(url, change=lambda body: body.replace(old, new)) as gateway,
    ):
        (verdict,) = await played(gateway, provider, some)
    assert verdict.status == "fail"
    assert what in [check.what for check in verdict.wrong]


@pytest.mark.parametrize(
    "case",
    ["openai-chat-stream-cut", "anthropic-stream-cut", "openai-responses-stream-cut"],
)
async def test_a_gateway_that_makes_half_an_answer_whole_is_found_out(case: str) -> None:
    """A broken stream that ends in good order, as if that had been all."""
    endings = {
        "openai-chat-stream-cut": b"data: [DONE]\n\n",
        "anthropic-stream-cut": b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
        "openai-responses-stream-cut": (
            b"event: response.completed\n"
            b'data: {"type":"response.completed","response":{"status":"completed"}}\n\n'
        ),
    }
    some = cases(case)
    provider = ReplayProvider(some)
    async with (
        provider.listening("127.0.0.1", 0) as url,
        careless(url, change=lambda body: body + endings[case]) as gateway,
    ):
        (verdict,) = await played(gateway, provider, some)
    assert "end" in [check.what for check in verdict.wrong]


async def test_an_error_that_becomes_an_answer_is_found_out() -> None:
    """A refusal with status 200 would be read as an answer."""
    some = cases("openai-chat-error-quota", "anthropic-error-overloaded")
    provider = ReplayProvider(some)
    async with (
        provider.listening("127.0.0.1", 0) as url,
        careless(url, status=200) as gateway,
    ):
        verdicts = await played(gateway, provider, some)
    assert all("status" in [check.what for check in one.wrong] for one in verdicts)


async def test_a_wrong_price_at_the_gateway_is_found_out() -> None:
    """With both numbers: what the case's usage costs, and what the ledger says."""
    some = cases("openai-chat-reply-plain")
    provider = ReplayProvider(some)
    dearer = '[prices."gpt-4o-mini"]\ninput = "0.30"\noutput = "0.60"\n'
    async with (
        provider.listening("127.0.0.1", 0) as url,
        scrimp_before(url, more=dearer, providers=["openai"]) as running,
    ):
        (verdict,) = await played(running.url, provider, some)
    assert (verdict.expected_nanousd, verdict.told_nanousd) == (4650, 8100)
    (check,) = verdict.wrong
    assert (check.expected, check.found) == ("$0.00000465", "$0.0000081")


async def test_a_provider_that_is_not_served_is_asked_once() -> None:
    """The first refusal stands for the rest: a gateway may send them where they cost money."""
    provider = ReplayProvider(LIVE)
    some = [case for case in LIVE if case.provider in ("openai", "deepseek")]
    async with (
        provider.listening("127.0.0.1", 0) as url,
        scrimp_before(url, providers=["openai"]) as running,
    ):
        verdicts = await played(running.url, provider, some)
    statuses = {one.provider: one.status for one in verdicts}
    assert statuses == {"openai": "pass", "deepseek": "not served"}
    notes = {one.note for one in verdicts if one.status == "not served"}
    assert len(notes) == 1
    assert "404" in notes.pop()
    assert len(verdicts) == len(some)


async def test_a_gateway_that_asks_somebody_else_is_left_alone() -> None:
    """An answer that did not come from the replaying provider: nothing more is sent."""
    some = [case for case in LIVE if case.provider == "mistral"]
    here, there = ReplayProvider(some), ReplayProvider(some)
    async with there.listening("127.0.0.1", 0) as url, careless(url) as gateway:
        verdicts = await played(gateway, here, some)
    assert {one.status for one in verdicts} == {"not served"}
    assert len(there.heard) == 1
    assert "sends it elsewhere" in verdicts[0].note


async def test_a_gateway_that_does_not_answer_is_asked_once() -> None:
    """The rest would only wait as long, one after the other."""
    some = [case for case in LIVE if case.provider == "mistral"]
    async with silent() as (url, asked):
        verdicts = await played(url, ReplayProvider(some), some, timeout_s=0.2)
    assert {one.status for one in verdicts} == {"not served"}
    assert all("no answer: TimeoutError" in one.note for one in verdicts)
    assert len(asked) == 1


async def test_nobody_at_the_gateways_address() -> None:
    """Said in one line, with the way out; an address that is taken too."""
    provider = ReplayProvider(LIVE)
    async with provider.listening("127.0.0.1", 0) as url:
        with pytest.raises(ConfigError, match="no gateway answers"):
            await played("http://127.0.0.1:1", provider, LIVE)
        port = int(url.rpartition(":")[2])
        with pytest.raises(ConfigError, match="--listen"):
            async with ReplayProvider(LIVE).listening("127.0.0.1", port):
                pass


@pytest.fixture(autouse=True)
def no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever settings there are on this machine, the command reads an empty file."""
    (tmp_path / "empty.toml").touch()
    monkeypatch.setenv("SCRIMP_CONFIG", str(tmp_path / "empty.toml"))


def doctor(gateway_url: str, listen: str, *more: str) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own, as a person runs it."""
    words = ("-m", "scrimp", "doctor", "--conformance", gateway_url, "--listen", listen, *more)
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


async def test_the_command_as_a_new_user_types_it() -> None:
    """Settings from its own first lines, then exit code 0 and nothing on stderr."""
    place = f"127.0.0.1:{free_port()}"
    async with scrimp_before(f"http://{place}", providers=["openai", "anthropic"]) as running:
        done = await asyncio.to_thread(doctor, running.url, place)
    assert (done.returncode, done.stderr) == (0, "")
    assert f'base_url = "http://{place}/v1"' in done.stdout
    assert "0 failed" in done.stdout
    assert "not served: deepseek openai.chat (9 cases)" in done.stdout


async def test_the_command_says_what_a_wrong_gateway_does() -> None:
    """JSON alone on standard output, exit code 1, the case and both sides of the check."""
    port = free_port()
    async with careless(
        f"http://127.0.0.1:{port}", change=lambda body: body.replace(b'"length"', b'"stop"')
    ) as gateway:
        done = await asyncio.to_thread(
            doctor, gateway, f"127.0.0.1:{port}", "--provider", "openai", "--json"
        )
    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"]) == (1, False)
    failed = {one["case"]: one["checks"] for one in told["cases"] if one["status"] == "fail"}
    checks = [check for check in failed["openai-chat-stream-length"] if not check["good"]]
    assert [(check["what"], check["found"]) for check in checks] == [("finish", "complete")]


async def test_the_command_shows_a_key_that_the_gateway_wants(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From SCRIMP_KEY; without it the gateway's refusal is said, and the exit code is 1."""
    place = f"127.0.0.1:{free_port()}"
    key = "sk-scrimp-conformance"
    table = f'[[keys]]\nname = "c"\nsha256 = "{hashlib.sha256(key.encode()).hexdigest()}"\n'
    only = ("--provider", "anthropic")
    async with scrimp_before(f"http://{place}", more=table, providers=["anthropic"]) as running:
        monkeypatch.delenv("SCRIMP_KEY", raising=False)
        without = await asyncio.to_thread(doctor, running.url, place, *only)
        monkeypatch.setenv("SCRIMP_KEY", key)
        done = await asyncio.to_thread(doctor, running.url, place, *only)
    assert (without.returncode, done.returncode) == (1, 0)
    assert "401" in without.stdout
    assert key not in without.stdout + done.stdout
