"""Ends of jobs by a POST, signed like alerts: to the address of the settings, or an allowed one.

Whether an address is allowed is asked again before each try: the settings may have changed since.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from scrimp.batches.tables import JobWebhook, is_allowed, is_safe
from scrimp.jobs import AS_SET
from scrimp.notices import Sent
from scrimp.notifiers.posting import post
from scrimp.notifiers.webhook import signature


class JobPosts:
    """Where news of jobs go. `secrets` are values of the variables that the section names."""

    def __init__(
        self, webhook: JobWebhook | None, secrets: Mapping[str, str], now: Callable[[], datetime]
    ) -> None:
        self._webhook = webhook
        self._secrets = secrets
        self._now = now

    def why_not(self, address: str) -> str:
        """What is missing, without the address itself; nothing where all is there."""
        webhook = self._webhook
        if webhook is None:
            return "[defer.webhook] is not set up any more"
        if not self._secrets.get(webhook.secret_env):
            return f"{webhook.secret_env} is not set, so it cannot be signed"
        if address != AS_SET:
            allowed = is_allowed(address, webhook)
            return "" if allowed else "its address is not allowed any more ([defer.webhook] allow)"
        url = self._own(webhook)
        if not url:
            return f"{webhook.url_env} is not set"
        return "" if is_safe(url) else f"{webhook.url_env} holds no https address"

    async def send(self, address: str, job_id: str, body: bytes) -> Sent:
        """Try once, in bounded time. What goes wrong is said, and not raised."""
        why, webhook = self.why_not(address), self._webhook
        if why or webhook is None:
            return Sent(ok=False, said=why)
        url = self._own(webhook) if address == AS_SET else address
        timestamp = str(int(self._now().timestamp()))
        secret = self._secrets[webhook.secret_env].encode()
        headers = {
            "content-type": "application/json",
            "user-agent": "scrimp",
            "x-scrimp-job": job_id,
            "x-scrimp-timestamp": timestamp,
            "x-scrimp-signature": f"v1={signature(secret, timestamp, body)}",
        }
        return await post(url, body, headers, timeout_s=webhook.timeout_s)

    def _own(self, webhook: JobWebhook) -> str:
        return webhook.url or self._secrets.get(webhook.url_env, "")
