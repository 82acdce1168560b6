"""HTTP that no good client speaks: sizes, methods and types from a raw socket."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support import raw_http
from tests.support.memory import Peak
from tests.support.spoken import ALL, Spoken
from tests.support.stage import Stage, staged

_LIMIT = 2 * 1024 * 1024
_MIB = 1024 * 1024


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """One pair for all tests here: what one of them sends must not hurt the next."""
    with staged(more=f"[server]\nmax_body_bytes = {_LIMIT}") as both:
        yield both


def _sized(spoken: Spoken, size: int) -> bytes:
    body = spoken.body(metadata={"note": ""})
    return spoken.body(metadata={"note": "x" * (size - len(body))})


@ALL
def test_a_body_at_the_limit_passes_and_one_byte_more_does_not(
    stage: Stage, spoken: Spoken
) -> None:
    """The limit itself is allowed; over it, 413 with both numbers, as the SDK's own exception."""
    assert spoken.ask(stage.url, _sized(spoken, _LIMIT))
    before = len(stage.sim.requests)
    error = spoken.refused(stage.url, _sized(spoken, _LIMIT + 1))
    assert error.status_code == 413
    assert str(_LIMIT + 1) in error.message
    assert f"the limit is {_LIMIT}" in error.message
    assert len(stage.sim.requests) == before
    spoken.answered(stage.url)


@ALL
def test_a_megabyte_of_emoji_passes(stage: Stage, spoken: Spoken) -> None:
    """Byte for byte, and it is priced like anything else."""
    fields = {**spoken.fields, "messages": spoken.question("\U0001f9ff" * (_MIB // 4))}
    body = json.dumps(fields, ensure_ascii=False).encode()
    spoken.ask(stage.url, body)
    assert stage.sim.requests[-1].body == body
    assert stage.gateway.entries()[-1].cost_nanousd


@ALL
def test_a_hundred_megabytes_are_refused_without_being_kept(spoken: Spoken) -> None:
    """With the shipped limit: 413 in the vendor's words, and memory grows by no more than it."""
    piece = b"x" * _MIB
    with staged() as stage:
        limit = stage.gateway.loaded.settings.server.max_body_bytes
        data = raw_http.head(
            spoken.path,
            {
                **spoken.headers,
                "content-type": "application/json",
                "content-length": str(100 * _MIB),
            },
        )
        with Peak() as peak, raw_http.connect(stage.url, timeout_s=30) as sock:
            sock.sendall(data)
            for _ in range(100):
                sock.sendall(piece)
            answer = raw_http.read(sock)
        assert answer.status == 413
        spoken.check_shape(json.loads(answer.body))
        assert peak.grown_bytes < limit + 24 * _MIB
        assert not stage.sim.requests
        spoken.answered(stage.url)


@ALL
def test_the_sdk_gets_its_own_exception_for_a_hundred_megabytes(spoken: Spoken) -> None:
    """It can finish its upload and read the refusal: no broken pipe."""
    with staged() as stage:
        error = spoken.refused(stage.url, spoken.body(metadata={"note": "x" * (100 * _MIB)}))
        assert error.status_code == 413
        spoken.answered(stage.url)


@ALL
@pytest.mark.parametrize("declared", [10**9, 10**18])
def test_a_declared_size_beyond_reason_is_refused_before_it_is_read(
    stage: Stage, spoken: Spoken, declared: int
) -> None:
    """The answer comes although not one byte of the body was sent."""
    data = raw_http.head(
        spoken.path,
        {**spoken.headers, "content-type": "application/json", "content-length": str(declared)},
    )
    answer = raw_http.ask(stage.url, data)
    assert answer.status == 413
    spoken.check_shape(json.loads(answer.body))
    spoken.answered(stage.url)


def _chunked(pieces: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in pieces) + b"0\r\n\r\n"


@ALL
def test_a_chunked_upload_is_read_like_any_other(stage: Stage, spoken: Spoken) -> None:
    """Each byte a chunk of its own; the provider gets the whole with its length."""
    body = spoken.body()
    headers = {
        **spoken.headers,
        "content-type": "application/json",
        "transfer-encoding": "chunked",
        "x-scrimp-cache": "no-store",
        "connection": "close",
    }
    data = raw_http.head(spoken.path, headers) + _chunked([bytes([one]) for one in body])
    answer = raw_http.ask(stage.url, data)
    assert answer.status == 200
    assert stage.sim.requests[-1].body == body
    assert stage.sim.requests[-1].header("content-length") == str(len(body))
    assert stage.sim.requests[-1].header("transfer-encoding") is None


@ALL
def test_a_chunked_upload_without_end_is_stopped(stage: Stage, spoken: Spoken) -> None:
    """No declared size, more than the limit: 413, before the sender says that it is done."""
    headers = {
        **spoken.headers,
        "content-type": "application/json",
        "transfer-encoding": "chunked",
    }
    piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with raw_http.connect(stage.url) as sock:
        sock.sendall(raw_http.head(spoken.path, headers))
        for _ in range(4 * _LIMIT // 0x10000 + 1):
            sock.sendall(piece)
        answer = raw_http.read(sock)
    assert answer.status == 413
    spoken.check_shape(json.loads(answer.body))
    spoken.answered(stage.url)


@ALL
def test_a_client_that_sends_byte_by_byte_is_served_and_keeps_nobody_waiting(
    stage: Stage, spoken: Spoken
) -> None:
    """While its request trickles in, others are answered."""
    data = raw_http.request(spoken.path, spoken.body(), spoken.headers)
    with raw_http.connect(stage.url) as sock:
        for position in range(len(data)):
            sock.send(data[position : position + 1])
            if position in (20, len(data) - 20):
                spoken.answered(stage.url)
        assert raw_http.read(sock).status == 200


@ALL
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE"])
def test_a_wrong_method_says_which_one_is_right(stage: Stage, spoken: Spoken, method: str) -> None:
    """405 with `allow`, in the vendor's words; nothing is sent on."""
    before = len(stage.sim.requests)
    data = raw_http.request(spoken.path, b"", spoken.headers, method=method)
    answer = raw_http.ask(stage.url, data, method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    if method != "HEAD":
        spoken.check_shape(json.loads(answer.body))
    assert len(stage.sim.requests) == before
    spoken.answered(stage.url)


@ALL
@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "x"],
)
def test_another_content_type_is_refused(stage: Stage, spoken: Spoken, kind: str) -> None:
    """What a form can send without asking first is no JSON, whatever is inside."""
    before = len(stage.sim.requests)
    data = raw_http.request(spoken.path, spoken.body(), {**spoken.headers, "content-type": kind})
    answer = raw_http.ask(stage.url, data)
    assert answer.status == 415
    spoken.check_shape(json.loads(answer.body))
    assert len(stage.sim.requests) == before
    spoken.answered(stage.url)
