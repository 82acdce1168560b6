"""Nobody administers who must not: strangers, callers, web pages, proxies; names and heads."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support import raw_http
from tests.support.admin import PREFIX, AdminClient
from tests.support.spoken import OPENAI
from tests.support.stage import Stage, staged, until

OPS = "sk-scrimp-ops-0001"
OPS_LISTED = f'[admin]\nsha256 = "{hashlib.sha256(OPS.encode()).hexdigest()}"\n'
HOSTILE = (
    "' OR 1=1 --",
    '"; DROP TABLE keys; --',
    "x'); DELETE FROM audit; --",
    "%00",
    "..",
    "../../keys",
    "a\r\nx-admin: 1",
    "ünïcode",
    "x" * 300,
    "good\n",
)


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A gateway as it is without any settings of its own."""
    with staged() as both:
        yield both


def test_with_an_admin_key_nothing_else_opens_the_door() -> None:
    """Neither nothing, nor a wrong one, nor one that makes calls; and it makes no calls itself."""
    with staged(more=OPS_LISTED) as both:
        ops = AdminClient(both.url, OPS)
        caller = ops.make("/keys", {"name": "ci"})["secret"]
        cases = (("", 401), ("sk-wrong", 401), (caller, 403), (OPS[:-1], 401))
        for key, status in cases:
            told = AdminClient(both.url, key).ask("PUT", "/budgets/b", {"usd": 9, "per": "day"})
            assert told.status == status
            assert "--admin" in told.message or "admin key" in told.message
        assert OPENAI.refused(both.url, key=OPS).status_code == 401
        assert ops.get("/budgets")["items"] == []
        assert {one["by"] for one in ops.get("/audit")["items"]} == {"api:scrimp.toml"}


def test_an_admin_key_that_was_made_shuts_the_door_behind_it(stage: Stage) -> None:
    """From then on nothing else opens it; it may end itself, and the door stays shut."""
    state = str(stage.gateway.loaded.settings.state_path)
    command = [sys.executable, "-m", "scrimp", "keys", "create", "ops", "--admin"]
    env = {**os.environ, "SCRIMP_STATE": state}
    made = subprocess.run(command, check=True, capture_output=True, text=True, env=env, cwd=state)
    nobody, ops = AdminClient(stage.url), AdminClient(stage.url, made.stdout.strip())
    until(lambda: nobody.ask("GET", "/keys").status == 401)
    assert ops.get("/keys/ops")["admin"] is True
    OPENAI.answered(stage.url)  # an administrator's key does not make calls need one
    ops.make("/teams", {"name": "red"})
    assert [one["by"].partition(":")[0] for one in ops.get("/audit")["items"]] == ["api", "cli"]
    told = ops.ask("DELETE", "/keys/ops")
    assert told.json["status"] == "revoked"
    assert "revoked" in ops.ask("GET", "/keys").message
    assert nobody.ask("GET", "/keys").status == 401


def test_without_an_admin_key_only_this_machine_gets_in(stage: Stage) -> None:
    """Not by another name, not through a proxy, not with a key that makes calls."""
    admin = AdminClient(stage.url)
    caller = admin.make("/keys", {"name": "ci"})["secret"]
    assert AdminClient(stage.url, caller).ask("GET", "/keys").status == 403
    for headers in (
        {"x-forwarded-for": "127.0.0.1"},
        {"forwarded": "for=127.0.0.1"},
        {"via": "1.1 proxy"},
        {"x-real-ip": "127.0.0.1"},
    ):
        told = admin.ask("GET", "/keys", headers=headers)
        assert told.status == 401
        assert "proxy" in told.message
    with staged(more='[server]\nallowed_hosts = ["llm.example"]\n') as open_one:
        told = AdminClient(open_one.url).ask("GET", "/keys")
        assert told.status == 401
        assert "allowed_hosts" in told.message


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "null"},
    ],
)
def test_no_web_page_administers(stage: Stage, headers: dict[str, str]) -> None:
    """A page in the browser of whoever runs the gateway."""
    data = raw_http.request(f"{PREFIX}/keys", b'{"name":"x"}', headers)
    assert raw_http.ask(stage.url, data).status == 403
    assert AdminClient(stage.url).get("/keys")["items"] == []


def test_a_form_must_be_declared_as_json(stage: Stage) -> None:
    """What a page may send without asking first is not taken."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        data = raw_http.request(f"{PREFIX}/keys", b'{"name":"x"}', {"content-type": kind})
        assert raw_http.ask(stage.url, data).status == 415


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused_or_not_there(stage: Stage, name: str) -> None:
    """In paths, forms and queries: no 500, nothing made, nothing gone, nothing passed on."""
    admin = AdminClient(stage.url)
    admin.make("/keys", {"name": "good"})
    quoted = "".join(f"%{byte:02x}" for byte in name.encode())
    for kind in ("orgs", "teams", "users", "keys"):
        assert admin.ask("GET", f"/{kind}/{quoted}").status in (404, 422)
        assert admin.ask("POST", f"/{kind}", {"name": name}).status == 422
        assert admin.ask("DELETE", f"/{kind}/{quoted}").status in (404, 422)
        assert admin.ask("GET", f"/{kind}?after={quoted}").status in (200, 422)
    for kind in ("budgets", "tiers"):
        assert admin.ask("PUT", f"/{kind}/{quoted}", {"usd": 1, "per": "day"}).status == 422
        assert admin.ask("DELETE", f"/{kind}/{quoted}").status in (404, 422)
    assert [one["name"] for one in admin.get("/keys")["items"]] == ["good"]
    assert [one["action"] for one in admin.get("/audit")["items"]] == ["create"]
    assert not stage.sim.requests


@pytest.mark.parametrize(
    "path",
    [
        "/v1/scrimp/admin",
        "/v1/scrimp/admin/",
        "/v1/scrimp/admin//keys",
        "/v1/scrimp/admin/keys/",
        "/v1/scrimp%2fadmin/keys",
        "/v1/scrimp/%61dmin/keys",
        "/v1/scrimp/admin/../admin/keys",
        "/v1/scrimp/admin/keys/good/rotate/x",
        "/v1/scrimp/admin/scopes/planet/mars/tier",
    ],
)
def test_odd_paths_lead_nowhere_and_never_to_a_provider(path: str) -> None:
    """Whoever asks oddly is asked for a key first, and the provider sees none of it."""
    with staged(more=OPS_LISTED) as both:
        data = raw_http.request(path, b"", method="GET")
        assert raw_http.ask(both.url, data).status in (400, 401)
        data = raw_http.request(path, b"", {"authorization": f"Bearer {OPS}"}, method="GET")
        assert raw_http.ask(both.url, data).status in (400, 401, 404, 405)
        assert not both.sim.requests


@pytest.mark.parametrize(
    "head",
    [
        b"transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        b"content-length: 5\r\ncontent-length: 60\r\n",
        b"host: localhost\r\n",
        b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        b"authorization : Bearer sk-scrimp-ops-0001\r\ncontent-length: 0\r\n",
        b" authorization: Bearer sk-scrimp-ops-0001\r\ncontent-length: 0\r\n",
    ],
)
def test_smuggled_heads_open_nothing(head: bytes) -> None:
    """Two lengths, two hosts, spaces around names: refused, and no second request is hidden."""
    with staged(more=OPS_LISTED) as both:
        inner = f"POST {PREFIX}/keys HTTP/1.1\r\nhost: 127.0.0.1\r\n".encode()
        start = f"POST {PREFIX}/keys HTTP/1.1\r\nhost: 127.0.0.1\r\n".encode()
        with raw_http.connect(both.url) as sock:
            sock.sendall(start + head + b"\r\n" + b"0\r\n\r\n" + inner)
            answer = raw_http.read(sock)
        assert answer.status in (400, 401)
        assert AdminClient(both.url, OPS).get("/keys")["items"] == []


def test_an_admin_key_by_two_headers_is_one_credential() -> None:
    """The first that counts decides; a second cannot lend it rights."""
    with staged(more=OPS_LISTED) as both:
        pairs = [("authorization", "Bearer sk-wrong"), ("x-api-key", OPS)]
        data = raw_http.request(f"{PREFIX}/keys", b"", pairs, method="GET")
        assert raw_http.ask(both.url, data).status == 401


def test_the_api_can_be_switched_off() -> None:
    """Then it is not there, and nothing of it reaches a provider."""
    with staged(more="[admin]\nenabled = false\n") as both:
        told = AdminClient(both.url).ask("GET", "/keys")
        assert told.status == 404
        assert "admin.enabled" in told.message
        assert not both.sim.requests
