"""One POST with a time limit: no redirect is followed, of the answer only the status counts.

Addresses come from settings alone, never from callers; they may hold a secret, so nothing that is
said of a failure names one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import aiohttp

from scrimp.notices import Sent

_LONGEST_WAIT_S = 3600.0


async def post(url: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float) -> Sent:
    """What became of it; any 2xx is good."""
    try:
        limit = aiohttp.ClientTimeout(total=timeout_s)
        async with (
            aiohttp.ClientSession(timeout=limit, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            return _sent(answer.status, answer.headers.get("Retry-After", ""))
    except TimeoutError:
        return Sent(ok=False, said=f"no answer within {timeout_s:g} s")
    except (aiohttp.ClientError, ValueError, OSError) as error:
        return Sent(ok=False, said=f"cannot be reached: {_why(error)}")


def _sent(status: int, retry_after: str) -> Sent:
    if 200 <= status < 300:
        return Sent(ok=True)
    said = f"it answered {status}"
    if 300 <= status < 400:
        said = f"{said}: a redirect, which is not followed (name the address itself)"
    seconds = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0
    return Sent(ok=False, said=said, wait_s=min(seconds, _LONGEST_WAIT_S))


def _why(error: Exception) -> str:
    """The system's reason, or the kind of the error: its own words may hold the address."""
    number = getattr(getattr(error, "os_error", error), "errno", None)
    if isinstance(number, int) and number > 0:
        return os.strerror(number)
    return type(error).__name__
