"""Headers and paths that no good client sends, from a raw socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress

import pytest

from scrimp.gateway.protocol import MAX_HEAD_BYTES
from scrimp.simulator import Simulator
from tests.support import raw_http
from tests.support.gateway import gateway
from tests.support.memory import Peak
from tests.support.spoken import ALL, ANTHROPIC, OPENAI, Spoken
from tests.support.stage import Stage, staged

_MIB = 1024 * 1024


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """One pair for all tests here: what one of them sends must not hurt the next."""
    with staged() as both:
        yield both


@ALL
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-scrimp-user", "a%0d%0ax-evil: 1"),
        ("x-scrimp-session", "a%0Ab"),
        ("x-scrimp-tags", "a,b%00c"),
        ("x-scrimp-task", "factual_qa%0d%0ax"),
        ("x-scrimp-task", "no_such_task"),
        ("x-scrimp-cache", "no-store%0d%0a%0d%0aHTTP/1.1 200 OK"),
        ("x-scrimp-cache", "sometimes"),
        ("x-scrimp-ttl", "1e9"),
        ("x-scrimp-ttl", "-1"),
        ("x-scrimp-ttl", "9" * 30),
        ("x-scrimp-user", "u" * 5000),
        ("x-scrimp-tags", ",".join(f"t{n}" for n in range(100))),
        ("x-scrimp-user", "%E2%80%AEtxt"),
    ],
)
def test_one_of_our_headers_cannot_carry_another(
    stage: Stage, spoken: Spoken, name: str, value: str
) -> None:
    """Encoded line ends, endless and unknown values: 400, or taken as text; no header is born."""
    data = raw_http.request(spoken.path, spoken.body(), {**spoken.headers, name: value})
    answer = raw_http.ask(stage.url, data)
    assert "x-evil" not in answer.headers
    if answer.status != 200:
        assert answer.status == 400
        spoken.check_shape(json.loads(answer.body))
        assert name in json.loads(answer.body)["error"]["message"]
    else:
        assert "%0" not in value
    sent = stage.sim.requests[-1].headers if stage.sim.requests else ()
    assert not any(key.startswith("x-scrimp") or key == "x-evil" for key, _ in sent)
    spoken.answered(stage.url)


@ALL
@pytest.mark.parametrize(
    "line",
    [
        b"x-odd: a\rx-evil: 1",
        b"x-odd: a\nx-evil: 1",
        b"x-odd: a\x00b",
        b"x-odd: a\x01b",
        b"x-odd: a\r\n folded",
        b"x odd: a",
        b"x-odd\x00: a",
        b"content-length: 5",
        b"content-length: -1",
        b"transfer-encoding: chunked",
        b"host: evil.example",
        b"host: 127.0.0.1",
    ],
)
def test_malformed_headers_end_the_connection(stage: Stage, spoken: Spoken, line: bytes) -> None:
    """400 from the parser, and the connection is closed: nothing smuggled is read after it."""
    before = len(stage.sim.requests)
    whole = raw_http.request(spoken.path, spoken.body(), spoken.headers)
    first, _, rest = whole.partition(b"\r\n")
    answer = raw_http.ask(stage.url, first + b"\r\n" + line + b"\r\n" + rest)
    assert answer.status == 400
    spoken.check_shape(json.loads(answer.body))
    assert len(stage.sim.requests) == before
    spoken.answered(stage.url)


@ALL
@pytest.mark.parametrize(
    "value", [b"caf\xc3\xa9 \xe2\x82\xac", b"", b"a\tb", b'"; drop', b"x" * 9000]
)
def test_odd_but_lawful_header_values_reach_the_provider_as_they_are(
    stage: Stage, spoken: Spoken, value: bytes
) -> None:
    """Byte for byte, UTF-8 too."""
    headers: dict[str, str | bytes] = {
        **spoken.headers,
        "x-odd": value,
        "x-scrimp-cache": "no-store",
    }
    answer = raw_http.ask(stage.url, raw_http.request(spoken.path, spoken.body(), headers))
    assert answer.status == 200
    assert (stage.sim.requests[-1].header("x-odd") or "").encode("latin-1") == value


def test_what_a_header_names_as_hop_by_hop_stays_here(stage: Stage) -> None:
    """`Connection: x-secret` takes that header out; cookies and proxies' traces stay out anyhow."""
    headers = {
        "connection": "close, x-secret",
        "x-secret": "1",
        "te": "trailers",
        "cookie": "session=1",
        "x-forwarded-for": "10.0.0.1",
        "proxy-authorization": "Basic x",
        "x-scrimp-cache": "no-store",
    }
    data = raw_http.request(OPENAI.path, OPENAI.body(), headers)
    assert raw_http.ask(stage.url, data).status == 200
    sent = {name for name, _ in stage.sim.requests[-1].headers}
    assert not sent & (headers.keys() - {"connection"})


@ALL
def test_a_long_header_and_many_headers_are_no_trouble(stage: Stage, spoken: Spoken) -> None:
    """Far more than any SDK sends is served."""
    for odd in (
        [("x-odd", b"x" * 40_000)],
        [(f"x-odd-{number}", b"x" * 100) for number in range(400)],
    ):
        data = raw_http.request(spoken.path, spoken.body(), [*spoken.headers.items(), *odd])
        assert raw_http.ask(stage.url, data).status == 200


@ALL
def test_headers_without_end_are_stopped(stage: Stage, spoken: Spoken) -> None:
    """One header or many: 431 after the limit, and memory does not follow the sender."""
    for piece in (b"x" * _MIB, b"".join(b"x-%d: y\r\n" % number for number in range(80_000))):
        start = raw_http.head(spoken.path, spoken.headers)[:-2] + b"x-odd: "
        with Peak() as peak, raw_http.connect(stage.url, timeout_s=30) as sock:
            sock.sendall(start)
            told = b""
            with suppress(ConnectionError):
                for _ in range(64):
                    sock.sendall(piece)
            with suppress(ConnectionError):
                told = sock.recv(65536)
        assert told == b"" or told.startswith(b"HTTP/1.1 431 ")
        assert peak.grown_bytes < 24 * _MIB
        spoken.answered(stage.url)


def test_headers_that_are_too_large_are_told_so(stage: Stage) -> None:
    """A sender that stops there can read the reason."""
    with raw_http.connect(stage.url) as sock:
        sock.sendall(raw_http.head(OPENAI.path)[:-2] + b"x-odd: " + b"x" * MAX_HEAD_BYTES)
        assert raw_http.read(sock).status == 431
    OPENAI.answered(stage.url)


@pytest.mark.parametrize(
    "line",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GARBAGE\r\n\r\n",
        b"POST /v1/messages\r\n\r\n",
        b"POST /v1/\xff\xfe HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
        b"POST /v1/a b HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused(stage: Stage, line: bytes) -> None:
    """An error or a closed connection; the process goes on."""
    with raw_http.connect(stage.url) as sock:
        sock.sendall(line)
        told = sock.recv(65536)
    assert told == b"" or told.split()[1] in (b"400", b"403")
    OPENAI.answered(stage.url)


@pytest.mark.parametrize(
    "way_out",
    ["/v1/v1@{evil}/v1/models", "/v1%2F@{evil}/v1/models", "/%76%31/@{evil}/x", "/v1/@{evil}/x"],
)
def test_a_path_cannot_lead_a_providers_key_to_another_host(way_out: str) -> None:
    """Where a base URL has no path, what is joined to it must still not become its host."""
    with Simulator() as sim, Simulator() as evil:
        other = evil.url.removeprefix("http://")
        bare = (
            f'[providers.openai]\nbase_url = "{sim.url}"\ndialects = ["openai.chat"]\n'
            'key_env = "OPENAI_KEY"\n'
        )
        with gateway(sim.url, providers=bare) as running:
            path = way_out.format(evil=other)
            answer = raw_http.ask(running.url, raw_http.request(path, b"", method="GET"))
            assert answer.status in (400, 401, 404)
        assert not evil.requests


@pytest.mark.parametrize("spoken", [OPENAI, ANTHROPIC], ids=lambda one: one.name)
def test_what_is_not_served_here_is_not_found_in_the_clients_words(
    stage: Stage, spoken: Spoken
) -> None:
    """A path outside the API: 404; nothing is sent on."""
    before = len(stage.sim.requests)
    for path in ("/", "/admin", "//v1/messages", "/v1", "*"):
        answer = raw_http.ask(stage.url, raw_http.request(path, b"{}", spoken.headers))
        assert answer.status == 404
        spoken.check_shape(json.loads(answer.body))
    assert len(stage.sim.requests) == before
