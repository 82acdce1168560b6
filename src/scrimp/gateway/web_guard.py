"""No web page may spend through a gateway on this machine.

A browser sends a page's requests to loopback as readily as a program does; it cannot forge `Host`,
`Origin` or `Sec-Fetch-Site`, and it asks first (CORS) before it sends JSON. So: the Host must be
ours (against DNS rebinding), cross-site requests are refused, and a body must be declared JSON.
Pure.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import lru_cache

_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_OWN_SITE = frozenset({"same-origin", "none"})


def is_loopback(host: str) -> bool:
    """True for an address or name that only this machine can reach."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def refusal(headers: Mapping[bytes, bytes], allowed_hosts: frozenset[str]) -> str:
    """Why this request must not be served; empty when it may.

    `allowed_hosts` are configured names (without port); `*` allows any.
    """
    return _judge(
        headers.get(b"host", b""),
        headers.get(b"sec-fetch-site"),
        headers.get(b"origin"),
        allowed_hosts,
    )


@lru_cache(maxsize=256)
def _judge(
    raw_host: bytes, site: bytes | None, origin: bytes | None, allowed_hosts: frozenset[str]
) -> str:
    authority = raw_host.decode("latin-1").lower()
    host = _name(authority)
    if host not in _LOCAL_NAMES and host not in allowed_hosts and "*" not in allowed_hosts:
        shown = host[:80] or "(none)"
        return f"Host {shown!r} is not served here (allow it: server.allowed_hosts in scrimp.toml)"
    if site is not None and site.decode("latin-1") not in _OWN_SITE:
        return "requests from other web sites are refused"
    if origin is not None and origin.decode("latin-1").lower() not in (
        f"http://{authority}",
        f"https://{authority}",
    ):
        return "requests from other origins are refused"
    return ""


def _name(host: str) -> str:
    """A Host header without its port; all of it when what follows the name is no port."""
    name, colon, port = host.rpartition(":")
    return name if colon and (port.isdigit() or not port) else host
