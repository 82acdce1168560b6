"""Alerts by an incoming webhook of Slack's.

Names in an alert were chosen by callers: the text goes as `plain_text`, in which Slack reads no
markup, and the short form for notifications is escaped as Slack's page on formatting says
(`&`, `<`, `>`; checked 2026-11), so that no name can mention a channel or hide a link.
"""

from __future__ import annotations

import msgspec

from scrimp.notices import Alert, Sent
from scrimp.notifiers.posting import post

_MOST = 2900
"""Slack takes 3,000 characters in a block's text."""
_SIGNS = {"info": "○", "warning": "▲", "critical": "■"}


class Slack:
    """Implements `notices.Notifier`. The address is a secret."""

    name = "slack"

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self._url = url
        self._timeout_s = timeout_s

    async def send(self, alert: Alert) -> Sent:
        """Try once."""
        headers = {"content-type": "application/json", "user-agent": "scrimp"}
        return await post(self._url, body_of(alert), headers, timeout_s=self._timeout_s)


def body_of(alert: Alert) -> bytes:
    """The message as Slack takes it."""
    title = f"{_SIGNS[alert.severity]} {alert.title}"
    shown = {"type": "plain_text", "text": f"{title}\n{alert.text}"[:_MOST], "emoji": False}
    return msgspec.json.encode(
        {
            "text": escaped(title),
            "blocks": [{"type": "section", "text": shown}],
            "unfurl_links": False,
            "unfurl_media": False,
        }
    )


def escaped(text: str) -> str:
    """Text in which Slack finds no mention, no channel and no link of its own form."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
