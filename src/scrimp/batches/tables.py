"""The table [defer] of scrimp.toml. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

_Seconds = Annotated[float, Meta(ge=0)]
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TIME = re.compile(r"(\d{1,9})([smhd]?)")
LONGEST_S = 30 * 86400


class JobWebhook(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """POST to `url`, or to the address in `url_env`, when a job is over.

    Signed with what `secret_env` holds. `allow` are addresses that calls may name instead: as they
    stand, or, where one ends in `/`, with more behind it. `answers` go with it, if they are asked
    for. What cannot be delivered is given up after `give_up`.
    """

    url: str = ""
    url_env: str = "SCRIMP_JOBS_WEBHOOK_URL"
    secret_env: str = "SCRIMP_WEBHOOK_SECRET"  # noqa: S105 (the name of a variable)
    allow: tuple[str, ...] = ()
    answers: bool = False
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 10.0
    give_up: str = "3d"


class DeferSection(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Calls that may wait. `least` is the wait that is long enough for a batch.

    `flex` is the one that is long enough for the flex tier ("0": never). `providers` have a batch
    API. A batch leaves when it is full, or its oldest call waits for `gather_s`; it is looked at
    each `poll_s`. What is not answered `alone_s` before its time is asked by itself. A batch whose
    beginning nobody confirmed is looked for, and begun again after `lost_s`. After `tries` batches
    a call is asked by itself. `keys` names keys whose calls may wait. Answers are kept for `keep`.
    """

    enabled: bool = False
    providers: tuple[str, ...] = ("openai", "anthropic")
    least: str = "1h"
    flex: str = "0"
    gather_s: _Seconds = 60.0
    poll_s: Annotated[float, Meta(gt=0)] = 60.0
    alone_s: _Seconds = 900.0
    lost_s: Annotated[float, Meta(gt=0)] = 120.0
    tries: Annotated[int, Meta(ge=1, le=10)] = 2
    most_items: Annotated[int, Meta(ge=1, le=50_000)] = 10_000
    most_bytes: Annotated[int, Meta(ge=1)] = 64 * 1024 * 1024
    keep: str = "7d"
    keys: dict[str, str] = {}
    path: str = ""
    webhook: JobWebhook | None = None


DEFER_TABLES = (DeferSection, JobWebhook)
_AT_HOME = ("127.0.0.1", "[::1]", "localhost")
_URL = re.compile(
    r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?"
    r"(/[A-Za-z0-9._~%!$&'()*+,;=:/-]*)(?:\?[A-Za-z0-9._~%!$&'()*+,;=:/?-]*)?"
)
_HIDES = ("%2e", "%2f", "%5c", "%25", "%0", "%1")
"""What another reader of an address could take for something else."""
_MOST_PORT = 65_535
_ADDRESS = "must be https://host/path in small letters up to its path (http only to this machine)"


class _Whole(Protocol):
    @property
    def defer(self) -> DeferSection:
        """The table."""
        ...


def seconds_of(text: str) -> int:
    """Seconds of a time such as `90`, `30m`, `24h` or `7d`. Raises ValueError."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"not a time: {text[:40]!r} (write it like 90s, 30m, 24h or 7d)")
    seconds = int(found[1]) * _UNITS_S[found[2] or "s"]
    if seconds > LONGEST_S:
        raise ValueError(f"too long: {text[:40]!r} (at most {LONGEST_S // 86400}d)")
    return seconds


def is_safe(url: str) -> bool:
    """Whether a webhook may be there: https, or http on this machine, and read in one way."""
    found = _URL.fullmatch(url)
    if found is None or any(one in url.lower() for one in _HIDES):
        return False
    scheme, host, port, path = found.groups()
    if int(port or 0) > _MOST_PORT or any(one in (".", "..") for one in path.split("/")):
        return False
    return scheme == "https" or host in _AT_HOME


def is_allowed(url: str, webhook: JobWebhook) -> bool:
    """Whether a call may name this address for its news."""
    if not is_safe(url):
        return False
    return any(url == one or (one[-1:] == "/" and url.startswith(one)) for one in webhook.allow)


def variables(section: DeferSection) -> Iterator[str]:
    """Names of the environment's variables that hold what the file must not."""
    if section.webhook is not None:
        yield from (section.webhook.url_env, section.webhook.secret_env)


def check_defer(settings: _Whole) -> None:
    """Raises ValueError that names the field."""
    section = settings.defer
    times = {"least": section.least, "flex": section.flex, "keep": section.keep}
    if section.webhook is not None:
        times["webhook.give_up"] = section.webhook.give_up
        _check_webhook(section.webhook)
    times |= {f"keys.{name}": text for name, text in section.keys.items()}
    for name, text in times.items():
        try:
            seconds_of(text)
        except ValueError as error:
            raise ValueError(f"defer.{name}: {error}") from None


def _check_webhook(webhook: JobWebhook) -> None:
    if webhook.url and not is_safe(webhook.url):
        raise ValueError(f"defer.webhook.url {_ADDRESS}")
    for address in webhook.allow:
        if not is_safe(address):
            raise ValueError(f"defer.webhook.allow: each {_ADDRESS}")
