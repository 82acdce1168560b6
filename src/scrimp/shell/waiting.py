"""What a client says of how long it would wait: by header, by metadata, or by its key's setting."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from scrimp.batches.tables import DeferSection, is_allowed, seconds_of
from scrimp.calls import Call
from scrimp.errors import InvalidRequest
from scrimp.jobs import AS_SET
from scrimp.shell import wire
from scrimp.waiting import Wait

HEADER = "x-scrimp-max-wait"
METADATA = "scrimp_max_wait"
WEBHOOK = "x-scrimp-webhook"
_MOST_ADDRESS = 1024
_REF = b"idempotency-key"
_ONLY = "; only"
"""Behind the time: a job or nothing."""
_MOST_REF = 256


def able_to_wait(call: Call, headers: Mapping[bytes, bytes], section: DeferSection) -> Call:
    """The call with what it may wait, or the same one. Raises InvalidRequest."""
    only = _is_only(headers)
    if not section.enabled or call.operation not in ("chat", "embeddings"):
        if only:
            raise InvalidRequest(f"{HEADER}: no call may wait here ([defer] enabled = true)")
        return call
    seconds = _seconds(call, headers, section)
    if not seconds:
        return call
    wait = Wait(
        seconds,
        wire.label(headers, _REF, _MOST_REF),
        call.target.provider,
        call.target.model,
        call.request.body,
        _told(headers, section),
        only,
    )
    return replace(call, wait=wait)


def only(max_wait: str) -> str:
    """What the header says for a call that is to be a job, or nothing."""
    return f"{max_wait}{_ONLY}"


def _is_only(headers: Mapping[bytes, bytes]) -> bool:
    said = headers.get(HEADER.encode())
    return said is not None and said.endswith(_ONLY.encode())


def _seconds(call: Call, headers: Mapping[bytes, bytes], section: DeferSection) -> int:
    if text := wire.label(headers, HEADER.encode()):
        return _read(HEADER, text.removesuffix(_ONLY))
    said = call.request.metadata.get(METADATA)
    if isinstance(said, str):
        return _read(f"metadata.{METADATA}", said)
    return seconds_of(section.keys.get(call.caller.key, "0")) if call.caller.key else 0


def _told(headers: Mapping[bytes, bytes], section: DeferSection) -> str:
    """Who is told when the answer is here. Raises InvalidRequest without what was named."""
    webhook = section.webhook
    if WEBHOOK.encode() not in headers:
        return "" if webhook is None else AS_SET
    named = headers[WEBHOOK.encode()].decode("latin-1").strip()
    if webhook is None or len(named) > _MOST_ADDRESS or not is_allowed(named, webhook):
        raise InvalidRequest(
            f"{WEBHOOK}: not an address that this gateway allows ([defer.webhook] allow)"
        )
    return named


def _read(name: str, text: str) -> int:
    try:
        return seconds_of(text)
    except ValueError as error:
        raise InvalidRequest(f"{name}: {error}") from None
