"""Keys and credentials: who may call, whose money is used, and that no secret leaves a trace."""

from __future__ import annotations

import hashlib
import json
import logging
import stat
from pathlib import Path

import pytest

from scrimp.shell.secret import tenant_secret
from tests.support import raw_http
from tests.support.spoken import ALL, ANTHROPIC, OPENAI, Spoken
from tests.support.stage import Stage, logged, staged

ANN, BEN, BOT = "sk-scrimp-ann-0001", "sk-scrimp-ben-0002", "sk-scrimp-bot-0003"
PROMPT = "PROMPT-the-merger-is-on-friday"
CACHED = {"x-scrimp-task": "factual_qa"}


def _key(name: str, secret: str, more: str = "") -> str:
    digest = hashlib.sha256(secret.encode()).hexdigest()
    return f'[[keys]]\nname = "{name}"\nsha256 = "{digest}"\n{more}\n'


KEYS = (
    _key("ann", ANN, 'team = "red"')
    + _key("ben", BEN)
    + _key("bot", BOT, 'models = ["gpt-4o-mini", "claude-haiku-4-5"]')
)
PASSTHROUGH = '[auth]\nmode = "passthrough"\n'


def _raw(stage: Stage, spoken: Spoken, headers: dict[str, str]) -> raw_http.Answer:
    merged = {**spoken.headers, **headers}
    return raw_http.ask(stage.url, raw_http.request(spoken.path, spoken.body(), merged))


def _call(stage: Stage, call_id: str, headers: dict[str, str]) -> raw_http.Answer:
    path = f"/v1/scrimp/calls/{call_id}"
    return raw_http.ask(stage.url, raw_http.request(path, b"", headers, method="GET"))


@ALL
def test_a_call_without_a_key_is_unauthenticated(spoken: Spoken) -> None:
    """401 in the vendor's words, on calls, on unread paths and on lists; nothing is sent on."""
    with staged(more=KEYS) as stage:
        for headers in ({}, {"authorization": "Basic x"}, {"x-api-key": ""}):
            answer = _raw(stage, spoken, headers)
            assert answer.status == 401
            spoken.check_shape(json.loads(answer.body))
        for path in ("/v1/models", "/v1/files", "/v1/scrimp/calls/x"):
            data = raw_http.request(path, b"", spoken.headers, method="GET")
            assert raw_http.ask(stage.url, data).status == 401
        assert not stage.sim.requests
        assert not stage.gateway.entries()


def test_a_stranger_is_refused_before_a_body_is_read() -> None:
    """The head is enough: nobody without a key makes the gateway hold megabytes."""
    with staged(more=KEYS) as stage:
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        with raw_http.connect(stage.url) as sock:
            sock.sendall(
                head + b"content-type: application/json\r\ncontent-length: 9000000\r\n\r\n"
            )
            sock.settimeout(5)
            assert sock.recv(1 << 16).startswith(b"HTTP/1.1 401")


@ALL
def test_a_wrong_key_is_the_sdks_authentication_error(
    spoken: Spoken, caplog: pytest.LogCaptureFixture
) -> None:
    """And the wrong key is not repeated to anyone."""
    caplog.set_level(logging.DEBUG)
    with staged(more=KEYS) as stage:
        error = spoken.refused(stage.url, key="sk-wrong-9999")
        assert (type(error).__name__, error.status_code) == ("AuthenticationError", 401)
        assert "sk-wrong" not in error.response.text + logged(caplog.records)
        assert not stage.sim.requests
        spoken.answered(stage.url, key=ANN)


@ALL
@pytest.mark.parametrize(
    "headers",
    [{"authorization": f"Bearer {ANN}"}, {"authorization": f"bearer  {ANN}"}, {"x-api-key": ANN}],
    ids=["bearer", "loosely written", "x-api-key"],
)
def test_a_right_key_works_by_either_header_and_stays_here(
    spoken: Spoken, headers: dict[str, str]
) -> None:
    """The provider gets its own key and no trace of ours; the entry has key and team."""
    with staged(more=KEYS) as stage:
        assert _raw(stage, spoken, headers).status == 200
        sent = repr(stage.sim.requests[-1].headers) + repr(stage.sim.requests[-1].body)
        assert ANN not in sent
        assert f"sk-provider-{spoken.vendor}" in sent
        entry = stage.gateway.entries()[-1]
        assert (entry.key, entry.team, entry.tenant) == ("ann", "red", "key:ann")


@ALL
def test_a_key_may_use_its_models_only(spoken: Spoken) -> None:
    """Others are not found, by any way in, before any cache and any provider."""
    dear = "gpt-4o" if spoken.vendor == "openai" else "claude-opus-5"
    with staged(more=KEYS) as stage:
        spoken.answered(stage.url, key=BOT)
        spoken.ask(stage.url, spoken.body(model=dear), headers=CACHED, key=ANN)
        before = len(stage.sim.requests)
        error = spoken.refused(stage.url, spoken.body(model=dear), headers=CACHED, key=BOT)
        assert (type(error).__name__, error.status_code) == ("NotFoundError", 404)
        headers = {**spoken.headers, "authorization": f"Bearer {BOT}"}
        for path in ("/v1/responses/", "/v1/completions", "/v1/chat/completions/"):
            for body in (spoken.body(model=dear), b"{}", b"no json"):
                answer = raw_http.ask(stage.url, raw_http.request(path, body, headers))
                assert answer.status == 404
        body = json.dumps({"model": "gpt-4o", "input": "x"}).encode()
        for path in ("/v1/responses", "/v1/embeddings"):
            answer = raw_http.ask(stage.url, raw_http.request(path, body, headers))
            assert answer.status == 404
        assert len(stage.sim.requests) == before


@ALL
def test_two_keys_share_neither_answers_nor_entries(spoken: Spoken) -> None:
    """One key's answer is never another's, nor may it look at the other's call."""
    with staged(more=KEYS) as stage:
        first = _raw(stage, spoken, {"x-api-key": ANN, **CACHED})
        again = _raw(stage, spoken, {"x-api-key": ANN, **CACHED})
        other = _raw(stage, spoken, {"x-api-key": BEN, **CACHED})
        served = [one.headers["x-scrimp-served-by"] for one in (first, again, other)]
        assert served == ["upstream", "exact_cache", "upstream"]
        assert len(stage.sim.requests) == 2
        call_id = first.headers["x-scrimp-id"]
        assert _call(stage, call_id, {"x-api-key": ANN}).status == 200
        theirs = _call(stage, call_id, {"x-api-key": BEN})
        nobodys = _call(stage, "0" * 36, {"x-api-key": BEN})
        assert theirs.status == nobodys.status == 404
        assert theirs.body.replace(call_id.encode(), b"") == nobodys.body.replace(b"0" * 36, b"")
        assert _call(stage, call_id, {}).status == 401


@pytest.mark.parametrize("call_id", ["x", "..%2f..%2fetc", "%00", "' OR 1=1 --", "0" * 5000, "%ff"])
def test_an_odd_call_id_is_not_found(call_id: str) -> None:
    """Whatever stands where an id should be."""
    with staged() as stage:
        answer = _call(stage, call_id.replace(" ", "%20"), {})
        assert answer.status == 404
        OPENAI.check_shape(json.loads(answer.body))
        OPENAI.answered(stage.url)


@ALL
def test_a_credential_that_is_passed_through_is_the_one_that_pays(spoken: Spoken) -> None:
    """In passthrough mode the provider sees the client's own, as it came; without one, 401."""
    header, value = (
        ("authorization", "Bearer sk-own-1")
        if spoken.vendor == "openai"
        else ("x-api-key", "sk-own-1")
    )
    with staged(more=PASSTHROUGH) as stage:
        assert _raw(stage, spoken, {}).status == 401
        assert not stage.sim.requests
        assert _raw(stage, spoken, {header: value}).status == 200
        assert stage.sim.requests[-1].header(header) == value
        assert "sk-provider" not in repr(stage.sim.requests[-1].headers)


@ALL
def test_two_credentials_never_share(spoken: Spoken) -> None:
    """Neither answers nor entries; their tenants tell nothing of them."""
    header, start = ("authorization", "Bearer ") if spoken.vendor == "openai" else ("x-api-key", "")
    with staged(more=PASSTHROUGH) as stage:
        answers = [
            _raw(stage, spoken, {header: f"{start}{own}", **CACHED})
            for own in ("sk-own-1", "sk-own-2", "sk-own-1")
        ]
        served = [one.headers["x-scrimp-served-by"] for one in answers]
        assert served == ["upstream", "upstream", "exact_cache"]
        first, second, third = stage.gateway.entries()
        assert first.tenant == third.tenant != second.tenant
        plain = hashlib.sha256(b"sk-own-1").hexdigest()
        assert plain[:16] not in first.tenant
        call_id = answers[0].headers["x-scrimp-id"]
        assert _call(stage, call_id, {header: f"{start}sk-own-1"}).status == 200
        assert _call(stage, call_id, {header: f"{start}sk-own-2"}).status == 404


def test_state_files_are_for_their_owner_alone() -> None:
    """The secret behind tenants, the ledger and what lies beside it: 0600."""
    with staged(more=PASSTHROUGH) as stage:
        stage.gateway.settle()
        state = stage.gateway.loaded.settings.state_path
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()}
        assert {"tenant.secret", "ledger.sqlite"} <= modes.keys()
        assert set(modes.values()) == {0o600}
        assert len((state / "tenant.secret").read_bytes()) == 32


def test_the_secret_behind_tenants_stays_and_is_never_half_a_secret(tmp_path: Path) -> None:
    """The same at every start; made anew when a death left it empty; closed to others again."""
    path = tmp_path / "tenant.secret"
    path.touch()
    secret = tenant_secret(tmp_path)
    assert len(secret) == 32
    path.chmod(0o644)
    assert tenant_secret(tmp_path) == path.read_bytes() == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def _state_bytes(state: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(state.iterdir()))


def _every_ending(stage: Stage, spoken: Spoken) -> str:
    """Calls that end in every way, each with the prompt in it; the answers that were errors."""
    told = ""
    good = spoken.body(messages=spoken.question(PROMPT), user=PROMPT[:0])
    faults = (None, "500", "502", "hangup", "cut=150", "no-usage", "error-event", "429", "reset=80")
    for stream in (False, True):
        for fault in faults:
            stage.sim.no_faults()
            if fault is not None:
                stage.sim.fault(fault)
            body = spoken.body(messages=spoken.question(PROMPT), stream=stream)
            headers = {**spoken.headers, "x-api-key": ANN, "x-scrimp-cache": "no-store"}
            with raw_http.connect(stage.url) as sock:
                sock.sendall(raw_http.request(spoken.path, body, headers))
                told += sock.recv(65536).decode() if fault else ""
    stage.sim.no_faults()
    for bad in (good[:-1], good.replace(b'"user"', b'"us\\q"'), spoken.body(model=[PROMPT])):
        told += spoken.refused(stage.url, bad, key=ANN).response.text
    return told


@ALL
def test_prompts_and_keys_leave_no_trace(spoken: Spoken, caplog: pytest.LogCaptureFixture) -> None:
    """Not in logs at DEBUG, not in errors, not in any file, whatever goes wrong."""
    caplog.set_level(logging.DEBUG)
    with staged(more=KEYS + "[retry]\nattempts = 2\nbase_s = 0.001\nmax_wait_s = 0.002\n") as stage:
        told = _every_ending(stage, spoken)
        assert len(stage.gateway.entries()) == 18
        stage.gateway.stop()
        kept = _state_bytes(stage.gateway.loaded.settings.state_path)
        answers = [one for one in told.split("\r\n\r\n") if "error" in one]
        assert answers
        log = logged(caplog.records)
        for secret in (ANN, f"sk-provider-{spoken.vendor}", "merger"):
            assert secret not in log
            assert secret.encode() not in kept
            assert secret not in told or secret == "merger"  # a provider's answer may quote


@ALL
def test_content_is_kept_when_it_is_asked_for(spoken: Spoken) -> None:
    """`ledger.keep_content`: prompts are in the file then, keys still are not."""
    with staged(more=KEYS + "[ledger]\nkeep_content = true\n") as stage:
        spoken.ask(stage.url, spoken.body(messages=spoken.question(PROMPT)), key=ANN)
        entry = stage.gateway.entries()[-1]
        assert PROMPT in (entry.request_content or "")
        assert entry.reply_content
        answer = _call(stage, entry.id, {"x-api-key": ANN})
        assert PROMPT.encode() not in answer.body
        stage.gateway.stop()
        kept = _state_bytes(stage.gateway.loaded.settings.state_path)
        assert PROMPT.encode() in kept
        assert ANN.encode() not in kept
        assert b"sk-provider" not in kept


def test_a_key_is_checked_before_a_body_is_read() -> None:
    """An unknown sender learns nothing of what would have been wrong with its body."""
    with staged(more=KEYS) as stage:
        for spoken in (OPENAI, ANTHROPIC):
            data = raw_http.request(spoken.path, b"no json", spoken.headers)
            assert raw_http.ask(stage.url, data).status == 401
