"""Alerts by mail, over the standard library's client in a thread.

With `starttls` or `tls` the server's certificate is checked, and no password leaves before that; a
server that cannot do it gets nothing.
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Literal

from scrimp.notices import Alert, Sent

_MOST_SUBJECT = 200


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in. `ca_file` holds the authority of its certificate; empty: usual."""

    host: str
    port: int
    tls: Literal["starttls", "tls", "none"]
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    timeout_s: float = 10.0


class Email:
    """Implements `notices.Notifier`."""

    name = "email"

    def __init__(self, server: MailServer, sender: str, to: tuple[str, ...]) -> None:
        self._server = server
        self._sender = sender
        self._to = to

    async def send(self, alert: Alert) -> Sent:
        """Try once."""
        message = message_of(alert, self._sender, self._to)
        return await asyncio.to_thread(self._deliver, message)

    def _deliver(self, message: EmailMessage) -> Sent:
        try:
            with self._connected() as connection:
                refused = connection.send_message(message, self._sender, self._to)
        except smtplib.SMTPException as error:
            return Sent(ok=False, said=_why(error))
        except ssl.SSLError as error:
            return Sent(ok=False, said=f"TLS failed: {error.reason or type(error).__name__}")
        except TimeoutError:
            return Sent(ok=False, said=f"no answer within {self._server.timeout_s:g} s")
        except OSError as error:
            said = error.strerror or type(error).__name__
            return Sent(ok=False, said=f"cannot be reached: {said}")
        if refused:
            return Sent(ok=True, said=f"{len(refused)} of {len(self._to)} were refused")
        return Sent(ok=True)

    def _connected(self) -> smtplib.SMTP:
        """Ready to take mail. Raises SMTPException, OSError."""
        server = self._server
        if server.tls == "tls":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=server.timeout_s, context=self._context()
            )
        else:
            connection = smtplib.SMTP(server.host, server.port, timeout=server.timeout_s)
        try:
            if server.tls == "starttls":
                connection.starttls(context=self._context())
            if server.user:
                connection.login(server.user, server.password)
        except BaseException:
            with suppress(OSError):
                connection.close()
            raise
        return connection

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._server.ca_file or None)


def message_of(alert: Alert, sender: str, to: tuple[str, ...]) -> EmailMessage:
    """A plain mail. Its id is the alert's, so that a doubled one can be told."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Subject"] = _header(f"[Scrimp] {alert.title}")
    message["Date"] = format_datetime(alert.at)
    message["Message-ID"] = f"<{alert.id}@scrimp>"
    message["Auto-Submitted"] = "auto-generated"
    facts = "".join(f"{name}: {_header(str(value))}\n" for name, value in alert.facts)
    message.set_content(f"{alert.text}\n\n{facts}\nalert {alert.id} ({alert.kind})\n")
    return message


def _header(text: str) -> str:
    """One line: whatever breaks one is gone before the mail's own rules see it."""
    return "".join(one if one.isprintable() else " " for one in text)[:_MOST_SUBJECT]


def _why(error: smtplib.SMTPException) -> str:
    """The server's code; its words may repeat what it was given."""
    match error:
        case smtplib.SMTPAuthenticationError():
            return f"the server refuses user or password ({error.smtp_code})"
        case smtplib.SMTPNotSupportedError():
            return "the server offers no STARTTLS or no login (alerts.email.tls)"
        case smtplib.SMTPRecipientsRefused():
            return "the server refuses every recipient"
        case smtplib.SMTPResponseException():
            return f"the server answered {error.smtp_code}"
        case _:
            return type(error).__name__
