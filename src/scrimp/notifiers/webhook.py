"""Alerts by a signed POST to an address of your own.

The signature is HMAC-SHA256 over `TIMESTAMP.BODY` with the shared secret, in hex. A receiver checks
it and that the timestamp is recent: then nobody else can have sent it, nor sent it again later.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime

import msgspec

from scrimp.notices import Alert, Sent
from scrimp.notifiers.posting import post


class Webhook:
    """Implements `notices.Notifier`."""

    name = "webhook"

    def __init__(
        self, url: str, secret: bytes, now: Callable[[], datetime], *, timeout_s: float
    ) -> None:
        self._url = url
        self._secret = secret
        self._now = now
        self._timeout_s = timeout_s

    async def send(self, alert: Alert) -> Sent:
        """Try once."""
        body = body_of(alert)
        timestamp = str(int(self._now().timestamp()))
        headers = {
            "content-type": "application/json",
            "user-agent": "scrimp",
            "x-scrimp-alert": alert.id,
            "x-scrimp-timestamp": timestamp,
            "x-scrimp-signature": f"v1={signature(self._secret, timestamp, body)}",
        }
        return await post(self._url, body, headers, timeout_s=self._timeout_s)


def body_of(alert: Alert) -> bytes:
    """The alert as JSON: `facts` hold the numbers, dollars as integer nano-dollars."""
    return msgspec.json.encode(
        {
            "id": alert.id,
            "kind": alert.kind,
            "severity": alert.severity,
            "at": alert.at,
            "title": alert.title,
            "text": alert.text,
            "facts": dict(alert.facts),
        }
    )


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """What a receiver computes anew and compares in constant time."""
    return hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
