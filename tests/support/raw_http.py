"""A client that sends exactly the bytes it is told to: malformed, slow, or from a hostile page."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def connect(url: str, *, timeout_s: float = 10.0) -> socket.socket:
    """A connection to a server's address."""
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 80), timeout=timeout_s)


def head(
    path: str,
    headers: Mapping[str, str | bytes] | Iterable[tuple[str, str | bytes]] = (),
    *,
    method: str = "POST",
) -> bytes:
    """The start of a request. `Host` is loopback unless `headers` have one."""
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    if not any(name.lower() == "host" for name, _ in pairs):
        pairs.insert(0, ("host", "127.0.0.1"))
    lines = [f"{method} {path} HTTP/1.1".encode()]
    for name, value in pairs:
        lines.append(
            name.encode() + b": " + (value if isinstance(value, bytes) else value.encode())
        )
    return b"\r\n".join(lines) + b"\r\n\r\n"


def request(
    path: str,
    body: bytes,
    headers: Mapping[str, str | bytes] | Iterable[tuple[str, str | bytes]] = (),
    *,
    method: str = "POST",
) -> bytes:
    """A whole request, JSON unless `headers` say otherwise; the connection closes after it."""
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    names = {name.lower() for name, _ in pairs}
    pairs += [
        (name, value)
        for name, value in (
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("connection", "close"),
        )
        if name not in names
    ]
    return head(path, pairs, method=method) + body


def read(sock: socket.socket, *, method: str = "POST") -> Answer:
    """The answer, to its end."""
    answer = http.client.HTTPResponse(sock, method=method)
    answer.begin()
    with answer:
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, headers, answer.read())


def ask(url: str, data: bytes, *, method: str = "POST", timeout_s: float = 10.0) -> Answer:
    """Send bytes on a connection of their own; the answer."""
    with connect(url, timeout_s=timeout_s) as sock:
        sock.sendall(data)
        return read(sock, method=method)
