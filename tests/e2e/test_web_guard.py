"""No web page may spend through a loopback gateway: what browsers send, from a raw socket."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support import raw_http
from tests.support.spoken import ALL, OPENAI, Spoken
from tests.support.stage import Stage, staged


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """A gateway as it is without any settings of its own."""
    with staged() as both:
        yield both


def _refused(stage: Stage, spoken: Spoken, headers: dict[str, str], status: int = 403) -> str:
    """The message of the refusal; nothing has reached the provider."""
    before = len(stage.sim.requests)
    data = raw_http.request(spoken.path, spoken.body(), {**spoken.headers, **headers})
    answer = raw_http.ask(stage.url, data)
    assert answer.status == status
    assert "access-control-allow-origin" not in answer.headers
    body = json.loads(answer.body)
    spoken.check_shape(body)
    assert len(stage.sim.requests) == before
    return str(body["error"]["message"])


@ALL
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.2",
        "localhost.",
        "[::ffff:127.0.0.1]",
        "[::1].evil.example",
        "127.0.0.1@evil.example",
        "localhost:80@evil.example",
        "0.0.0.0",  # noqa: S104 - a name to refuse, not to listen on
        "2130706433",
        "",
    ],
)
def test_a_rebound_host_name_is_refused(stage: Stage, spoken: Spoken, host: str) -> None:
    """A page on a name that now resolves to this machine still says its own name."""
    message = _refused(stage, spoken, {"host": host})
    assert "allowed_hosts" in message
    assert host.removesuffix(":80") in message


@ALL
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:99", "[::1]:4141", "LOCALHOST:1"])
def test_this_machines_own_names_are_served(stage: Stage, spoken: Spoken, host: str) -> None:
    """By any port: it may be forwarded."""
    headers = {**spoken.headers, "host": host, "x-scrimp-cache": "no-store"}
    assert (
        raw_http.ask(stage.url, raw_http.request(spoken.path, spoken.body(), headers)).status == 200
    )


@ALL
@pytest.mark.parametrize("site", ["cross-site", "same-site", "CROSS-SITE", "", "anything"])
def test_a_request_that_a_browser_calls_foreign_is_refused(
    stage: Stage, spoken: Spoken, site: str
) -> None:
    """`same-site` too: another port of this machine is another program."""
    assert "other web sites" in _refused(stage, spoken, {"sec-fetch-site": site})


@ALL
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "",
        "http://127.0.0.1:1",
        "http://localhost",
        "file://",
        "chrome-extension://abcdef",
        "http://127.0.0.1.evil.example",
    ],
)
def test_another_origin_is_refused(stage: Stage, spoken: Spoken, origin: str) -> None:
    """Other hosts, other ports, and pages that have no origin."""
    assert "other origins" in _refused(stage, spoken, {"origin": origin})


@ALL
def test_the_gateways_own_origin_is_served(stage: Stage, spoken: Spoken) -> None:
    """A page that the gateway itself serves may call it."""
    host = stage.url.removeprefix("http://")
    headers = {
        **spoken.headers,
        "host": host,
        "origin": stage.url,
        "sec-fetch-site": "same-origin",
    }
    assert (
        raw_http.ask(stage.url, raw_http.request(spoken.path, spoken.body(), headers)).status == 200
    )


@ALL
@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_a_form_cannot_make_a_call(stage: Stage, spoken: Spoken, kind: str) -> None:
    """Even where a browser would send neither origin nor site: these types need no asking first."""
    assert "application/json" in _refused(stage, spoken, {"content-type": kind}, 415)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/files", "/v1/embeddings", "/v1/scrimp/calls/x", "/readyz"]
)
def test_no_path_is_left_open(stage: Stage, method: str, path: str) -> None:
    """What Scrimp passes on unread and what it tells of itself is guarded like a call."""
    before = len(stage.sim.requests)
    for headers in ({"host": "evil.example"}, {"origin": "https://evil.example"}):
        data = raw_http.request(path, b"{}", headers, method=method)
        assert raw_http.ask(stage.url, data).status == 403
    assert len(stage.sim.requests) == before


def test_a_browsers_question_before_a_call_gets_no_leave(stage: Stage) -> None:
    """A preflight is refused, so the browser never sends the JSON that would follow."""
    headers = {
        "origin": "https://evil.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }
    data = raw_http.request(OPENAI.path, b"", headers, method="OPTIONS")
    answer = raw_http.ask(stage.url, data)
    assert answer.status == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_configured_names_are_served_and_no_others() -> None:
    """`server.allowed_hosts`, whatever the case and port; other origins stay refused."""
    with staged(more='[server]\nallowed_hosts = ["Gateway.Lan"]\n') as stage:
        for host, status in (("gateway.lan:4141", 200), ("GATEWAY.lan", 200), ("x.lan", 403)):
            data = raw_http.request(OPENAI.path, OPENAI.body(), {"host": host})
            assert raw_http.ask(stage.url, data).status == status
        data = raw_http.request(
            OPENAI.path,
            OPENAI.body(),
            {"host": "gateway.lan", "origin": "http://other.lan"},
        )
        assert raw_http.ask(stage.url, data).status == 403
    with staged(more='[server]\nallowed_hosts = ["*"]\n') as stage:
        data = raw_http.request(OPENAI.path, OPENAI.body(), {"host": "any.example"})
        assert raw_http.ask(stage.url, data).status == 200
