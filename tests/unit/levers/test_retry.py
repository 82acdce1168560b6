"""Retrying: what is worth another try, how long to wait, and when to stop."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from email.utils import format_datetime

import pytest
from msgspec.structs import replace

from scrimp.calls import Call, Headers, Reply, TraceLine
from scrimp.errors import InvalidRequest, UpstreamError
from scrimp.levers.retry import Retry, RetrySettings, decide, is_passing, may_repeat
from scrimp.routing.failing import retry_after_s
from tests.support.core import NOON, FakeClock, call_of, reply_of

SETTINGS = RetrySettings(attempts=3, base_s=0.5, max_wait_s=3.0, max_retry_after_s=20.0)


def failure(status: int, *headers: tuple[str, str], body: bytes = b"{}") -> UpstreamError:
    """A provider's error."""
    return UpstreamError("no", status=status, headers=headers, body=body)


def wait_s(error: UpstreamError, tried: int = 1, share: float = 0.5) -> float | None:
    """What is decided."""
    return decide(error, tried, SETTINGS, share=share, now=NOON)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_passing_statuses_are_tried_again(status: int) -> None:
    """Half of the first wait by a share of one half."""
    assert wait_s(failure(status)) == 0.25


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422, 501])
def test_lasting_statuses_are_not(status: int) -> None:
    """The same request would fail in the same way."""
    assert wait_s(failure(status)) is None


def test_the_wait_grows_up_to_its_limit() -> None:
    """The ceiling doubles with each attempt: 0.5, 1, 2, then 3 s."""
    many = RetrySettings(attempts=9, base_s=0.5, max_wait_s=3.0)
    ceilings = [decide(failure(500), n, many, share=1.0, now=NOON) for n in (1, 2, 3, 4, 8)]
    assert ceilings == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_attempts_are_counted() -> None:
    """The third attempt of three is the last."""
    assert wait_s(failure(500), tried=2) is not None
    assert wait_s(failure(500), tried=3) is None


@pytest.mark.parametrize(
    ("headers", "asked_s"),
    [
        ((), None),
        ((("retry-after", "7"),), 7.0),
        ((("retry-after", " 2.5 "),), 2.5),
        ((("retry-after-ms", "250"), ("retry-after", "9")), 0.25),
        ((("retry-after-ms", "-5"),), 0.0),
        ((("retry-after", format_datetime(NOON + timedelta(seconds=9), usegmt=True)),), 9.0),
        ((("retry-after", "Wed, 06 May 2026 12:00:09 -0000"),), 9.0),
        ((("retry-after", "Wed, 06 May 2026 14:00:09 +0200"),), 9.0),
        ((("retry-after", "Wed, 06 May 2026 11:59:00 GMT"),), 0.0),
        ((("retry-after", "soon"),), None),
        ((("retry-after", "-3"),), None),
        ((("retry-after", ""),), None),
        ((("retry-after-ms", "x"),), None),
    ],
)
def test_retry_after_in_all_its_forms(headers: Headers, asked_s: float | None) -> None:
    """Milliseconds first (OpenAI, Azure), then seconds, then a date; nonsense is silence."""
    assert retry_after_s(headers, NOON) == asked_s


def test_the_provider_is_waited_for() -> None:
    """Its word is the least, with jitter on top so that clients do not come back as one."""
    assert wait_s(failure(429, ("retry-after", "7")), share=0.0) == 7.0
    assert wait_s(failure(429, ("retry-after", "7")), share=0.5) == 7.25


def test_a_long_wait_is_the_clients() -> None:
    """20 s are waited for, 21 s are not."""
    assert wait_s(failure(429, ("retry-after", "20"))) is not None
    assert wait_s(failure(429, ("retry-after", "21"))) is None
    assert wait_s(failure(429, ("retry-after-ms", "inf"))) is None


def test_an_empty_account_is_not_tried_again() -> None:
    """OpenAI words it as a 429, but no waiting helps."""
    body = b'{"error":{"code":"insufficient_quota"}}'
    assert not is_passing(failure(429, body=body))


def test_the_providers_own_word_wins() -> None:
    """`x-should-retry` overrules the status, both ways; other values say nothing."""
    assert is_passing(failure(400, ("x-should-retry", "true")))
    assert not is_passing(failure(500, ("x-should-retry", "false")))
    assert is_passing(failure(500, ("x-should-retry", "maybe")))


class Provider:
    """Fails as often as asked, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self, call: Call) -> Reply:
        """Fail or answer."""
        assert call.id
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return reply_of()


def lever(clock: FakeClock) -> Retry:
    """A retry lever whose dice always show one half."""
    return Retry(clock, lambda: 0.5, SETTINGS)


async def test_a_passing_failure_is_repeated_and_traced() -> None:
    """Each wait is in the trace with the status that caused it."""
    clock, call = FakeClock(), call_of()
    provider = Provider(failure(500), failure(429, ("retry-after", "2")))
    assert await lever(clock)(call, provider) == reply_of()
    assert (provider.calls, clock.slept) == (3, [0.25, 2.25])
    assert call.trace.lines == [
        TraceLine("retry", "again", (("status", 500), ("wait_ms", 250))),
        TraceLine("retry", "again", (("status", 429), ("wait_ms", 2250))),
    ]


async def test_the_last_error_is_the_one_that_is_told() -> None:
    """After the last attempt the client gets the newest error, the trace the number."""
    last = failure(503)
    provider, call = Provider(failure(500), failure(500), last), call_of()
    with pytest.raises(UpstreamError) as caught:
        await lever(FakeClock())(call, provider)
    assert caught.value is last
    assert provider.calls == 3
    assert call.trace.lines[-1] == TraceLine("retry", "gave_up", (("attempts", 3),))


async def test_nothing_is_repeated_after_the_first_byte() -> None:
    """The client has half an answer already: a second one behind it would be garbage."""
    call, provider = call_of(), Provider(failure(500))
    await call.sink.start(200, ())
    with pytest.raises(UpstreamError):
        await lever(FakeClock())(call, provider)
    assert (provider.calls, call.trace.lines) == (1, [])


@pytest.mark.parametrize("error", [failure(400), InvalidRequest("no")])
async def test_a_lasting_failure_is_told_at_once(error: Exception) -> None:
    """Without a word in the trace: nothing was retried."""
    call, provider = call_of(), Provider(error)
    with pytest.raises(type(error)):
        await lever(FakeClock())(call, provider)
    assert (provider.calls, call.trace.lines) == (1, [])


async def test_a_client_that_leaves_ends_the_waiting() -> None:
    """No attempt is made for nobody."""

    class Endless(FakeClock):
        async def sleep(self, seconds: float) -> None:
            assert seconds > 0
            await asyncio.Event().wait()

    provider = Provider(failure(500))
    waiting = lever(Endless())(call_of(), provider)
    task = asyncio.get_running_loop().create_task(waiting)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert provider.calls == 1


@pytest.mark.parametrize(
    ("method", "error", "repeated"),
    [
        ("POST", failure(500), False),
        ("POST", failure(503), False),
        ("POST", failure(429), True),
        ("POST", UpstreamError("no", status=502, sent=False), True),
        ("GET", failure(500), True),
    ],
)
def test_what_is_not_read_is_not_done_twice(
    method: str, error: UpstreamError, *, repeated: bool
) -> None:
    """A passed-through POST is repeated only when it provably was not carried out."""
    call = replace(call_of(), operation="passthrough", method=method)
    assert may_repeat(call, error) is repeated
    assert may_repeat(call_of(), error)
