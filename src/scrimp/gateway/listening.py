"""Sockets that the gateway listens on: bound once, shared with nobody who was not let in.

Several workers each get a socket of their own where the kernel deals connections out to them
(docs/dev/decisions/0005). It must not be closed while anyone may still connect: what waits in its
queue would be lost.
"""

from __future__ import annotations

import contextlib
import socket
import sys

from scrimp.app import stored_keys
from scrimp.errors import ConfigError
from scrimp.gateway.web_guard import is_loopback
from scrimp.settings import Loaded

BACKLOG = 2048


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ConfigError in one line when the address cannot be had."""
    listener = _bound(host, port)
    try:
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _refused(host, port, error) from error
    return listener


def bind_each(host: str, port: int, count: int) -> list[socket.socket]:
    """Listening sockets of one address, one for each of `count` workers. Raises ConfigError.

    Where the kernel does not deal out (it is Linux that does), they are one socket, many times.
    """
    with contextlib.ExitStack() as opened:
        first = bind(host, port)
        opened.callback(first.close)
        if count == 1 or sys.platform != "linux":
            found = [first.dup() for _ in range(count)]
        else:
            # A plain socket was bound first: it tells when another gateway has the address, which
            # a socket that shares would not.
            port = first.getsockname()[1]
            first.close()
            found = []
            for _ in range(count):
                found.append(_bound(host, port, shared=True))
                opened.callback(found[-1].close)
            for listener in found:
                listener.listen(BACKLOG)
            opened.pop_all()
    for listener in found:
        listener.setblocking(False)  # noqa: FBT003 (the standard library's signature)
    return found


def _bound(host: str, port: int, *, shared: bool = False) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise _refused(host, port, error) from error
    listener.setblocking(False)  # noqa: FBT003 (the standard library's signature)
    return listener


def _refused(host: str, port: int, error: Exception) -> ConfigError:
    why = getattr(error, "strerror", None) or str(error)
    return ConfigError(f"cannot listen on {host}:{port}: {why} (another port: --port)")


def check_bind(loaded: Loaded) -> None:
    """Refuse to serve other machines without keys. Raises ConfigError, StoreError."""
    settings = loaded.settings
    if is_loopback(settings.server.host) or settings.keys or settings.auth.mode == "passthrough":
        return
    if stored_keys(settings):
        return
    raise ConfigError(
        f"{settings.server.host} is reachable from other machines and no key is set "
        "(make one: scrimp keys create NAME; or listen on 127.0.0.1)"
    )


def address(listener: socket.socket) -> str:
    """The base address that clients are given."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
