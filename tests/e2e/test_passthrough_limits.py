"""Paths that Scrimp does not read: what may not be passed on with a provider's key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support import raw_http
from tests.support.spoken import OPENAI
from tests.support.stage import Stage, staged

_PIECE = 64 * 1024


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """One gateway over one simulator."""
    with staged() as both:
        yield both


def _refused(stage: Stage, method: str, path: str) -> int:
    """The status of a request of which the provider saw nothing."""
    before = len(stage.sim.requests)
    data = raw_http.request(path, b"", OPENAI.headers, method=method)
    answer = raw_http.ask(stage.url, data, method=method)
    assert len(stage.sim.requests) == before
    return answer.status


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "CONNECT", "PROPFIND"])
def test_methods_that_no_api_has_stay_here(stage: Stage, method: str) -> None:
    """TRACE would echo the provider's key, CONNECT would name another host."""
    assert _refused(stage, method, "/v1/files") == 405


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../admin",
        "/v1/%2e%2e/%2E%2E/admin",
        "/v1/files/..",
        "/v1/./chat/completions",
        "/v1//chat/completions",
        "/v1/x%2f..%2fy",
        "/v1/x%5c..%5cy",
        "/v1/x%00y",
        "/v1/x%0d%0ay",
    ],
)
def test_a_path_stays_below_the_base_url(stage: Stage, path: str) -> None:
    """Dots, empty parts and control characters: no server agrees with the next on their meaning."""
    assert _refused(stage, "GET", path) == 400


def test_an_ordinary_path_passes(stage: Stage) -> None:
    """With an encoded name in it, and a query, as they came."""
    path = "/v1/files/a%20b%2Fc.txt?after=%2e%2e"
    raw_http.ask(stage.url, raw_http.request(path, b"", OPENAI.headers, method="GET"))
    assert stage.sim.requests[-1].path == path


@pytest.mark.parametrize("piece", [b"x" * _PIECE, b"x-a: b\r\n" * 8192], ids=["one", "many"])
@pytest.mark.parametrize("before", [b"0\r\nx-a: ", b"2;"], ids=["trailer", "extension"])
def test_what_follows_a_body_has_an_end(stage: Stage, before: bytes, piece: bytes) -> None:
    """Trailers and chunk extensions are no body and no head: nobody else would limit them."""
    head = raw_http.head(OPENAI.path, {**OPENAI.headers, "transfer-encoding": "chunked"})
    with raw_http.connect(stage.url) as sock, suppress(ConnectionError):
        sock.sendall(head + b"2\r\n{}\r\n" + before)
        for _ in range(256):
            sock.sendall(piece)
        pytest.fail("16 MiB were taken")
    OPENAI.answered(stage.url)
