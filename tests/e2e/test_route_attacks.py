"""Ways past what a key may use, past filters and caches, by way of the choice of a model."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from scrimp.simulator import Simulator
from scrimp.stores.sqlite_routes import APPLICATION_ID
from tests.support.gateway import gateway
from tests.support.stage import Stage, staged

_SECRET = "sk-scrimp-of-ci"
_DIGEST = hashlib.sha256(_SECRET.encode()).hexdigest()
_JSON = {"content-type": "application/json"}
_ROUTE = """
[route]
enabled = true
depth = "rules"
models = ["gpt-4o-mini", "gpt-4o"]
reference = "gpt-4o"
[route.facts."gpt-4o-mini"]
region = "eu"
"""
_KEY = f'[[keys]]\nname = "ci"\nsha256 = "{_DIGEST}"\nmodels = ["gpt-4o-mini"]\n'
_OFF = "[exact_cache]\nenabled = false\n"
_ONCE = "[retry]\nattempts = 1\n"


def post(
    stage: Stage, model: str, text: str = "Prove it", *, path: str = "chat/completions", **more: Any
) -> httpx2.Response:
    """One call; `headers` and fields come along."""
    headers = {"authorization": f"Bearer {_SECRET}", **_JSON, **more.pop("headers", {})}
    body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
    return httpx2.post(f"{stage.url}/v1/{path}", content=json.dumps(body), headers=headers)


def asked(stage: Stage) -> list[str]:
    """The models that the provider was asked for."""
    return [json.loads(one.body)["model"] for one in stage.sim.requests if one.body]


_WAYS: tuple[tuple[str, dict[str, str]], ...] = (
    ("scrimp/auto", {}),
    ("scrimp/auto:rung=expert", {}),
    ("scrimp/auto:required=gpt-4o", {}),
    ("scrimp/auto:models=gpt-4o", {}),
    ("scrimp/auto:models=gpt-4o+gpt-4o-mini", {}),
    ("scrimp/auto:models=openai/gpt-4o", {}),
    ("scrimp/cheap:latency=low", {}),
    ("gpt-4o-mini", {"x-scrimp-route": "required=gpt-4o"}),
    ("gpt-4o-mini", {"x-scrimp-route": "auto,models=gpt-4o"}),
    ("gpt-4o-mini", {"x-scrimp-route": "fallback=gpt-4o"}),
    ("gpt-4o-mini", {"x-scrimp-route": "cascade=on", "x-scrimp-checks": "agreement=gpt-4o"}),
    ("gpt-4o", {"x-scrimp-route": "models=gpt-4o-mini"}),
)


def test_no_wish_gets_a_key_a_model_that_is_not_on_its_list() -> None:
    """By name, header, list, fallback or check; also where the allowed model fails."""
    with staged(more=_OFF + _ONCE + _ROUTE + _KEY) as stage:
        for model, headers in _WAYS:
            for fault in ("", "500"):
                if fault:
                    stage.sim.fault(fault, count=1)
                answer = post(stage, model, headers=headers)
                assert answer.status_code in (200, 400, 404, 500), (model, headers, answer.text)
        assert set(asked(stage)) == {"gpt-4o-mini"}


def test_a_call_for_a_region_never_leaves_it_though_its_model_fails() -> None:
    """The error comes as it is; a named model that runs elsewhere is refused before any cost."""
    with staged(more=_OFF + _ONCE + _ROUTE) as stage:
        stage.sim.fault("500", count=1)
        failed = post(stage, "scrimp/auto:region=eu")
        named = post(stage, "gpt-4o", headers={"x-scrimp-route": "region=eu"})
        assert (failed.status_code, named.status_code) == (500, 400)
        assert "'region' removed 'gpt-4o'" in named.text
        assert asked(stage) == ["gpt-4o-mini"]
    with staged() as stage:
        off = post(stage, "gpt-4o", headers={"x-scrimp-route": "region=eu"})
        assert off.status_code == 400
        assert "routing is switched off" in off.text
        assert not stage.sim.requests


def test_a_cheap_models_answer_is_remembered_for_the_same_wish_only() -> None:
    """Who names the dear model gets it, before and after; other dials are other questions."""
    with staged(more=_ROUTE) as stage:
        ways: tuple[tuple[str, dict[str, str]], ...] = (
            ("scrimp/cheap", {}),
            ("gpt-4o", {}),
            ("gpt-4o", {"x-scrimp-route": "rung=simple"}),
            ("gpt-4o", {"x-scrimp-route": "off"}),
            ("scrimp/auto:required=gpt-4o", {}),
            ("scrimp/auto:rung=expert", {}),
        )
        first = [post(stage, model, headers=headers).json()["model"] for model, headers in ways]
        assert ["mini" in name for name in first] == [True, False, True, False, False, False]
        again = [post(stage, model, headers=headers) for model, headers in ways]
        assert [one.json()["model"] for one in again] == first
        assert {one.headers["x-scrimp-trace"] for one in again} == {"exact_cache=hit"}


@pytest.mark.parametrize(
    "content",
    [
        '"\\ud800 lone \\udfff"',
        '"null \\u0000 byte"',
        '[{"type": "text", "text": "\\ud83d"}, {"type": "text"}, {"type": 7}, 9, null]',
        "[" * 300 + "]" * 300,
        '{"a": {"b": [[[["c"]]]]}}',
        "null",
        '"' + "what is " * 500_000 + '"',
    ],
)
def test_what_is_asked_may_be_anything(content: str) -> None:
    """A question that no lever can read is refused or passed on, and breaks nothing."""
    turns = ",".join(f'{{"role":"{role}","content":{content}}}' for role in ("system", "user"))
    body = f'{{"model":"scrimp/auto","messages":[{turns}]}}'
    certified = _ROUTE.replace('"rules"', '"certified"')
    for route in (_ROUTE, certified):
        with staged(more=_OFF + route) as stage:
            answer = httpx2.post(
                f"{stage.url}/v1/chat/completions", content=body, headers=_JSON, timeout=30
            )
            assert answer.status_code in (200, 400), answer.text[:300]
            for entry in stage.gateway.entries():
                assert ("route", "skipped") not in [(one.lever, one.verdict) for one in entry.trace]


def test_names_with_any_sign_are_told_or_refused() -> None:
    """Letters that no header has, commas, equals, colons: never a server error."""
    alias = '[aliases]\n"modèle, un=deux:trois" = "gpt-4o-mini"\n"日本" = "gpt-4o-mini"\n'
    with staged(more=_OFF + _ROUTE + alias) as stage:
        one = post(stage, "scrimp/auto:models=日本")
        assert (one.status_code, one.headers["x-scrimp-route"].partition(";")[0]) == (
            200,
            "%E6%97%A5%E6%9C%AC",
        )
        assert post(stage, "modèle, un=deux:trois").status_code == 200
        refused = post(stage, "scrimp/auto:required=modèle, un=deux:trois")
        assert refused.status_code in (400, 404)


@pytest.mark.parametrize("bad", ["damaged", "foreign", "folder", "no_folder", "newer", "locked"])
def test_a_file_of_lessons_that_cannot_be_used_costs_no_call(bad: str, tmp_path: Path) -> None:
    """The gateway starts, routes begin anew, and nothing of the file is overwritten."""
    path = tmp_path / "routes.sqlite"
    if bad == "damaged":
        path.write_bytes(b"no database" * 999)
    elif bad == "folder":
        path.mkdir()
    elif bad == "no_folder":
        (tmp_path / "file").write_bytes(b"")
        path = tmp_path / "file" / "routes.sqlite"
    else:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE other (x)")
            if bad == "newer":
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes() if path.is_file() else b""
    certified = _ROUTE.replace('"rules"', f'"certified"\npath = "{path}"')
    with closing(
        sqlite3.connect(":memory:" if path.is_dir() or bad == "no_folder" else path)
    ) as db:
        if bad == "locked":
            db.execute("BEGIN EXCLUSIVE")
        with staged(more=_OFF + certified) as stage:
            answers = [post(stage, "scrimp/auto", f"Say {number}") for number in range(3)]
            assert [one.status_code for one in answers] == [200] * 3
            assert answers[0].headers["x-scrimp-route"] == "gpt-4o; gathering"
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_what_is_no_chat_takes_no_choice() -> None:
    """Embeddings want a name; tokens are counted for where the call would be headed."""
    with staged(more=_OFF + _ROUTE) as stage:
        body = {"model": "scrimp/auto", "input": "x"}
        vectors = httpx2.post(f"{stage.url}/v1/embeddings", json=body)
        assert vectors.status_code == 400
        assert "is for chats" in vectors.text
        said = httpx2.post(
            f"{stage.url}/v1/responses", json={"model": "scrimp/cheap", "input": "hello"}
        )
        assert (said.status_code, asked(stage)) == (200, ["gpt-4o-mini"])


def test_what_a_cheap_model_answered_is_forgotten_with_the_policy(tmp_path: Path) -> None:
    """Settings that name other models, or none, get no answer that the old ones have paid for."""
    kept = f'[exact_cache]\nengine = "sqlite"\npath = "{tmp_path / "answers.sqlite"}"\n'
    every = _ROUTE.replace("[route]", '[route]\ncalls = "all"')
    simple = "What is this?"
    with Simulator() as sim:
        with gateway(sim.url, more=kept + every) as running:
            first = post(Stage(sim, running), "gpt-4o", simple)
            assert "mini" in first.json()["model"]
        with gateway(sim.url, more=kept) as running:
            stage = Stage(sim, running)
            direct, again = post(stage, "gpt-4o", simple), post(stage, "gpt-4o", simple)
            assert [direct.json()["model"], again.json()["model"]] == ["gpt-4o-2024-08-06"] * 2
            assert "exact_cache=not_admitted" in direct.headers["x-scrimp-trace"]
            assert again.headers["x-scrimp-trace"] == "exact_cache=hit"
        with gateway(sim.url, more=kept + every) as running:
            routed = post(Stage(sim, running), "gpt-4o", simple)
            assert routed.headers["x-scrimp-trace"] == "exact_cache=hit"
