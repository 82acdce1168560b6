"""Answers that are named, tagged and forgotten through a real gateway, and events that say so."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from scrimp.cli.main import cli
from scrimp.shell.wire import sha256_hex
from scrimp.simulator import Simulator
from tests.support import raw_http
from tests.support.gateway import RunningGateway, gateway
from tests.support.gateway_process import GatewayProcess
from tests.support.raw_http import Answer
from tests.support.redis_server import RedisServer
from tests.support.sdk import VENDORS, Vendor, clients
from tests.support.spoken import OPENAI
from tests.support.stage import staged, until

SECRET = "whsec-of-the-test"
KEYS = "".join(
    f'[[keys]]\nname = "{name}"\nsha256 = "{sha256_hex(f"sk-{name}")}"\n' for name in ("ana", "ben")
)
INVALIDATE, EVENTS = "/v1/scrimp/cache/invalidate", "/v1/scrimp/events"


def post(url: str, path: str, body: object, **headers: str) -> tuple[int, Any]:
    """Ask; status and JSON of the answer. Names of headers are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = raw_http.ask(url, raw_http.request(path, data, named))
    return answer.status, json.loads(answer.body)


def ask(url: str, text: str, key: str = "any", **headers: str) -> Answer:
    """One call."""
    body = OPENAI.body(messages=OPENAI.question(text))
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named["authorization"] = f"Bearer sk-{key}"
    return raw_http.ask(url, raw_http.request(OPENAI.path, body, named))


def verdict(answer: Answer) -> str:
    """What the exact cache said."""
    assert answer.status == 200, answer.body
    lines = dict(
        line.split("=") for line in answer.headers["x-scrimp-trace"].split(";") if "=" in line
    )
    return lines.get("exact_cache", "")


def signed(body: bytes, *, at_s: float | None = None, secret: str = SECRET) -> dict[str, str]:
    """The headers of an event."""
    stamp = str(int(time.time() if at_s is None else at_s))
    mac = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"x_scrimp_timestamp": stamp, "x_scrimp_signature": f"v1={mac}"}


@pytest.fixture
def running() -> Iterator[RunningGateway]:
    """A gateway with two keys that takes events."""
    with Simulator() as sim, gateway(sim.url, more=KEYS, events_secret=SECRET) as started:
        yield started


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_an_sdk_names_what_it_asks(vendor: Vendor, *, stream: bool) -> None:
    """By two headers; then the tag finds it, and the provider never sees them."""
    with staged() as stage, clients(stage.url) as both:
        named = {"x-scrimp-cache-name": "faq/returns", "x-scrimp-cache-tags": "shop, policy"}
        for _ in range(2):
            assert not both.ask(vendor, "How do I return it?", stream=stream, headers=named).error
        assert len(stage.sim.requests) == 1
        assert "x-scrimp" not in str(stage.sim.requests[0].headers).lower()
        told = post(stage.url, INVALIDATE, {"tag": "policy", "dry_run": True})
        assert told == (200, {"invalidated": 1, "dry_run": True, "caches": {"exact_cache": 1}})
        assert post(stage.url, INVALIDATE, {"key": "faq/returns"})[1]["invalidated"] == 1
        both.ask(vendor, "How do I return it?", stream=stream, headers=named)
        assert len(stage.sim.requests) == 2


def test_everybody_forgets_the_own_answers_only(running: RunningGateway) -> None:
    """The same tag of two keys: one asks, the other's answer stays."""
    for key in ("ana", "ben"):
        ask(running.url, "When?", key, x_scrimp_cache_tags="shop")
    bearer = {"authorization": "Bearer sk-ana"}
    assert post(running.url, INVALIDATE, {"tag": "shop"}, **bearer)[1]["invalidated"] == 1
    assert post(running.url, INVALIDATE, {"older_than": "0s"}, **bearer)[1]["invalidated"] == 0
    assert verdict(ask(running.url, "When?", "ben")) == "hit"
    assert verdict(ask(running.url, "When?", "ana")) == "miss"
    assert post(running.url, INVALIDATE, {"tag": "shop"})[0] == 401


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "nothing says which answers"),
        ({"dry_run": True}, "nothing says which answers"),
        ({"tenant": "key:ben"}, "unknown field"),
        ({"task": "no such"}, "is no task type (one of: factual_qa"),
        ({"older_than": "soon"}, "not a time: 'soon'"),
        ({"tag": ""}, "tag"),
        ({"pattern": "*zzz*"}, "matches no name, tag or answer of 1 remembered replies"),
        (b"[", "nothing is forgotten"),
    ],
)
def test_what_is_refused(running: RunningGateway, body: object, words: str) -> None:
    """With the reason; nothing is forgotten."""
    ask(running.url, "When?", "ana", x_scrimp_cache_name="when")
    status, told = post(running.url, INVALIDATE, body, authorization="Bearer sk-ana")
    assert (status, words in str(told)) == (400, True), told
    assert verdict(ask(running.url, "When?", "ana")) == "hit"


@pytest.mark.parametrize(
    "tags", [",".join(map(str, range(17))), "x" * 129], ids=["too many", "too long"]
)
def test_names_and_tags_are_bounded(running: RunningGateway, tags: str) -> None:
    """With both numbers."""
    answer = ask(running.url, "When?", "ana", x_scrimp_cache_tags=tags)
    assert answer.status == 400
    assert b"at most 16 of 128 characters" in answer.body


def test_an_unknown_task_type_is_named(running: RunningGateway) -> None:
    """Clearing a part that cannot exist is a slip of the pen."""
    head = {"authorization": "Bearer sk-ana"}
    data = raw_http.request("/v1/scrimp/cache/summarisation", b"", head, method="DELETE")
    answer = raw_http.ask(running.url, data, method="DELETE")
    assert answer.status == 404
    assert b"is no task type (one of: factual_qa, summarization" in answer.body


def test_an_answer_on_its_way_is_not_remembered() -> None:
    """Asked for before its tag was dropped, arrived after: the next call asks again."""
    with staged(per_token_ms=20) as stage:
        answers: list[Answer] = []

        def first() -> None:
            answers.append(ask(stage.url, "What is new?", x_scrimp_cache_tags="news"))

        thread = threading.Thread(target=first)
        thread.start()
        until(lambda: len(stage.sim.requests) == 1)
        assert post(stage.url, INVALIDATE, {"tag": "news"})[1]["invalidated"] == 0
        thread.join()
        assert "exact_cache=declined" in answers[0].headers["x-scrimp-trace"]
        again = ask(stage.url, "What is new?", x_scrimp_cache_tags="news")
        assert verdict(again) == "miss"
        assert verdict(ask(stage.url, "What is new?")) == "hit"


def test_who_joins_late_does_not_bring_it_back() -> None:
    """A flight from before the tag was dropped: nobody aboard may remember its answer."""
    with staged(per_token_ms=20) as stage:
        threads = [threading.Thread(target=ask, args=(stage.url, "What is new?")) for _ in range(2)]
        threads[0].start()
        until(lambda: len(stage.sim.requests) == 1)
        assert post(stage.url, INVALIDATE, {"model": "gpt-4o-mini"})[0] == 200
        threads[1].start()
        for thread in threads:
            thread.join()
        assert len(stage.sim.requests) == 1
        assert verdict(ask(stage.url, "What is new?")) == "miss"


@pytest.mark.parametrize("engine", ["sqlite", "redis"])
def test_another_process_drops_what_is_on_its_way(tmp_path: Path, engine: str) -> None:
    """The command line forgets; a gateway in another process does not remember the old answer."""
    with RedisServer() as server, Simulator(per_token_ms=20) as sim:
        cache = f'engine = "{engine}"\npath = "{tmp_path / "cache.sqlite"}"\ntimeout_s = 5.0\n'
        more = f"[exact_cache]\n{cache}"
        config = tmp_path / "scrimp.toml"
        config.write_text(more)
        with gateway(sim.url, more=more, cache_url=server.url) as running:
            answers: list[Answer] = []

            def first() -> None:
                answers.append(ask(running.url, "What is new?", x_scrimp_cache_tags="news"))

            thread = threading.Thread(target=first)
            thread.start()
            until(lambda: len(sim.requests) == 1)
            env = {"SCRIMP_CONFIG": str(config), "SCRIMP_REDIS_URL": server.url}
            result = CliRunner().invoke(
                cli, ["cache", "invalidate", "--tag", "news", "--json"], env=env
            )
            assert result.exit_code == 0, result.output
            thread.join()
            assert "exact_cache=declined" in answers[0].headers["x-scrimp-trace"]
            assert verdict(ask(running.url, "What is new?")) == "miss"


def test_an_event_drops_a_tag_of_all(running: RunningGateway) -> None:
    """Signed, it reaches every caller's answers; sent again, it does nothing."""
    for key in ("ana", "ben"):
        ask(running.url, "When?", key, x_scrimp_cache_tags="page:42")
        ask(running.url, "Where?", key, x_scrimp_cache_tags="page:7,page:8")
    body = json.dumps({"event": "content.changed", "tag": "page:42"}).encode()
    head = signed(body)
    told = post(running.url, EVENTS, body, **head)
    assert told == (200, {"invalidated": 2, "dry_run": False, "caches": {"exact_cache": 2}})
    ask(running.url, "When?", "ana", x_scrimp_cache_tags="page:42")
    assert post(running.url, EVENTS, body, **head) == (200, {"invalidated": 0, "again": True})
    assert verdict(ask(running.url, "When?", "ana")) == "hit"
    several = json.dumps(
        {"event": "content.changed", "tags": ["page:7", "page:8"], "tenant": "key:ben"}
    ).encode()
    assert post(running.url, EVENTS, several, **signed(several))[1]["invalidated"] == 1


def test_events_that_are_not_believed(running: RunningGateway) -> None:
    """A wrong secret, another body, an old time, none at all: 401, and nothing is forgotten."""
    ask(running.url, "When?", "ana", x_scrimp_cache_tags="page:42")
    body = json.dumps({"event": "content.changed", "tag": "page:42"}).encode()
    old = signed(body, at_s=time.time() - 301)
    ahead = signed(body, at_s=time.time() + 330)
    for head, words in (
        (signed(body, secret="another"), "does not fit"),
        (signed(body + b" "), "does not fit"),
        (old, "at most 300"),
        (ahead, "at most 300"),
        ({**old, "x_scrimp_timestamp": str(int(time.time()))}, "does not fit"),
        ({}, "needs x-scrimp-timestamp"),
        ({**signed(body), "x_scrimp_signature": ""}, "does not fit"),
        ({**signed(body), "x_scrimp_timestamp": "²"}, "needs x-scrimp-timestamp"),
    ):
        raw = {name: value.encode("latin-1").decode("latin-1") for name, value in head.items()}
        status, told = post(running.url, EVENTS, body, **raw)
        assert (status, words in str(told)) == (401, True), (head, told)
        assert SECRET not in str(told)
    assert verdict(ask(running.url, "When?", "ana")) == "hit"


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"event": "content.changed"}, "nothing says which answers"),
        ({"event": "content.deleted", "tag": "a"}, "content.deleted"),
        ({"tag": "a"}, "event"),
        ({"event": "content.changed", "tags": ["x"] * 65}, "64"),
    ],
)
def test_events_that_say_too_little(
    running: RunningGateway, event: dict[str, Any], words: str
) -> None:
    """A 400 with the reason; the sender may try again with the same signature."""
    body = json.dumps(event).encode()
    status, told = post(running.url, EVENTS, body, **signed(body))
    assert (status, words in str(told)) == (400, True), told


def test_without_a_secret_there_are_no_events() -> None:
    """Nobody can guess a secret that does not exist."""
    with staged() as stage:
        body = json.dumps({"event": "content.changed", "tag": "a"}).encode()
        status, told = post(stage.url, EVENTS, body, **signed(body, secret=""))
        assert (status, "export SCRIMP_EVENTS_SECRET=" in str(told)) == (404, True)


def test_a_gateways_memory_by_the_command(running: RunningGateway, tmp_path: Path) -> None:
    """The running gateway is asked, with the key of who types."""
    ask(running.url, "When?", "ana", x_scrimp_cache_name="faq/when")
    port = int(running.url.rpartition(":")[2])
    config = tmp_path / "scrimp.toml"
    config.write_text(f"[server]\nport = {port}\n")
    env = {"SCRIMP_CONFIG": str(config), "SCRIMP_KEY": "sk-ana"}

    def run(*args: str) -> tuple[int, str]:
        result = CliRunner().invoke(cli, ["cache", "invalidate", *args], env=env)
        return result.exit_code, result.output

    assert "Would forget 1 reply in the memory" in run("--pattern", "faq/*", "--dry-run")[1]
    assert run("--pattern", "*zzz*")[0] == 1
    assert "texts of their questions are not kept" in run("--pattern", "*zzz*")[1]
    assert "Forgot 1 reply in the memory" in run("--key", "faq/when")[1]
    assert run("--key", "faq/when", "--tenant", "key:ben")[0] == 2


def test_stale_answers_are_served_while_asked_anew() -> None:
    """Through the real clock: a hit, then stale at once, one new call with an entry of its own."""
    more = '[exact_cache]\nstale_while_revalidate = "10m"\n[exact_cache.ttl]\ngeneral = "1s"\n'
    with staged(more=more) as stage:
        first = ask(stage.url, "Hello there", x_scrimp_task="general")
        until(lambda: verdict(ask(stage.url, "Hello there", x_scrimp_task="general")) == "stale")
        until(lambda: len(stage.sim.requests) >= 2)
        until(lambda: [one.purpose for one in stage.gateway.entries()].count("warm") >= 1)
        warm = [one for one in stage.gateway.entries() if one.purpose == "warm"]
        assert warm[0].cost_nanousd
        assert warm[0].id != first.headers["x-scrimp-id"]
        assert verdict(first) == "miss"


def test_workers_share_a_tag(tmp_path: Path) -> None:
    """What one worker was told to forget no worker serves five seconds later, whoever asked."""
    cache = f'engine = "sqlite"\npath = "{tmp_path / "cache.sqlite"}"\nmemory_bytes = 0\n'
    more = f"[server]\nworkers = 2\n[exact_cache]\n{cache}"
    with Simulator() as sim, GatewayProcess(sim.url, tmp_path, more=more) as running:
        for number in range(8):
            ask(running.url, f"Question {number}", x_scrimp_cache_tags="shop")
        counted = {"tag": "shop", "dry_run": True}
        until(lambda: bool(post(running.url, INVALIDATE, counted)[1]["invalidated"] == 8))
        assert post(running.url, INVALIDATE, {"tag": "shop"})[1]["invalidated"] == 8
        asked = len(sim.requests)
        assert [verdict(ask(running.url, f"Question {n}")) for n in range(8)] == ["miss"] * 8
        assert len(sim.requests) == asked + 8
