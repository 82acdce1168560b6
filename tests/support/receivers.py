"""Where alerts arrive in tests: an HTTP receiver and a mail server, on ports of this machine."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_LIMIT_S = 10.0
LOCALHOST = Path(__file__).with_name("localhost.pem")
"""A certificate for `localhost` and its key, both made up for tests, valid for a hundred years."""


@dataclass(frozen=True, slots=True)
class Posted:
    """One request that arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Takes POSTs and answers by script: one status after the other, the last one again and again.

    A status of 0 hangs until the receiver is closed.
    """

    def __init__(self, *statuses: int, headers: dict[str, str] | None = None) -> None:
        self.statuses = list(statuses or (200,))
        self.extra = headers or {}
        self.posted: list[Posted] = []
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self.url = ""

    def take(self, one: Posted) -> int:
        """Remember it; which status it gets."""
        with self._lock:
            self.posted.append(one)
            return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


@contextmanager
def receiving(*statuses: int, headers: dict[str, str] | None = None) -> Iterator[Receiver]:
    """A receiver that listens."""
    receiver = Receiver(*statuses, headers=headers)

    class Handler(BaseHTTPRequestHandler):
        """Hands over to the receiver."""

        def do_POST(self) -> None:
            """Answer as the script says."""
            body = self.rfile.read(int(self.headers["content-length"]))
            found = {name.lower(): value for name, value in self.headers.items()}
            status = receiver.take(Posted(self.path, found, body))
            if status == 0:
                receiver.closing.wait(_LIMIT_S)
                return
            self.send_response(status)
            for name, value in receiver.extra.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *told: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="receiver")
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    try:
        yield receiver
    finally:
        receiver.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class MailBox:
    """What a mail server got. `password` is what it wants to hear, `tls` whether it offers it."""

    tls: bool = True
    password: str = ""
    refuses: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    plain_commands: list[str] = field(default_factory=list)
    port: int = 0

    def serve(self, connection: socket.socket) -> None:
        """One client, to its end."""
        stream = connection.makefile("rb")
        secure = False
        _say(connection, "220 test")
        while line := stream.readline():
            command = line.decode().rstrip("\r\n")
            self.commands.append(command)
            if not secure:
                self.plain_commands.append(command)
            verb = command.partition(" ")[0].upper()
            if verb == "STARTTLS" and self.tls:
                _say(connection, "220 go")
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(LOCALHOST)
                connection = context.wrap_socket(connection, server_side=True)
                stream, secure = connection.makefile("rb"), True
            elif verb == "DATA":
                _say(connection, "354 go")
                self.mails.append(_mail(stream))
                _say(connection, "250 kept")
            elif verb == "QUIT":
                _say(connection, "221 bye")
                break
            else:
                _say(connection, self._answer(verb, command, secure=secure))
        stream.close()
        connection.close()

    def _answer(self, verb: str, command: str, *, secure: bool) -> str:
        match verb:
            case "EHLO":
                offers = ["AUTH PLAIN"] if self.password and (secure or not self.tls) else []
                offers += ["STARTTLS"] if self.tls and not secure else []
                return "\r\n".join(["250-test", *(f"250-{one}" for one in offers), "250 8BITMIME"])
            case "AUTH":
                told = base64.b64decode(command.split(" ")[2]).split(b"\0")
                good = told[2].decode() == self.password
                return "235 welcome" if good else "535 no"
            case "RCPT" if self.refuses:
                return f"{self.refuses} no"
            case _:
                return "250 ok"


@contextmanager
def mail_server(*, tls: bool = True, password: str = "", refuses: int = 0) -> Iterator[MailBox]:
    """A mail server that listens."""
    box = MailBox(tls=tls, password=password, refuses=refuses)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        box.port = listener.getsockname()[1]
        listener.settimeout(0.02)
        closing = threading.Event()

        def accept() -> None:
            while not closing.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                connection.settimeout(_LIMIT_S)
                with suppress(OSError), connection:
                    box.serve(connection)

        thread = threading.Thread(target=accept, name="mail server")
        thread.start()
        try:
            yield box
        finally:
            closing.set()
            thread.join()


def _say(connection: socket.socket, text: str) -> None:
    connection.sendall(f"{text}\r\n".encode())


def _mail(stream: Any) -> EmailMessage:
    lines: list[bytes] = []
    while (line := stream.readline()) not in (b".\r\n", b""):
        lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
    return message_from_bytes(b"".join(lines), policy=policy.default)
