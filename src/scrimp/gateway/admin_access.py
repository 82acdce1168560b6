"""Who may administer: a key of its own or, where none was ever made, this machine alone.

A key that makes calls opens nothing here, so that nobody raises the own limits.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from scrimp.app import App
from scrimp.errors import Unauthenticated
from scrimp.gateway.web_guard import is_loopback
from scrimp.shell import wire
from scrimp.shell.intake import check_holds
from scrimp.shell.refusal import Refusal

_PROXIED = (b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip")
_WAY_OUT = "scrimp keys create NAME --admin"


async def administrator(app: App, headers: Mapping[bytes, bytes], peer: str) -> str | Refusal:
    """Who it is, for the audit log, or why not. Raises Unauthenticated, StoreError."""
    secret = wire.secret_of(wire.credential(headers))
    control, listed = app.control, app.settings.admin.sha256
    if control is None:
        return Refusal(404, "not_found", "this gateway has no control store")
    if secret:
        digest = wire.sha256_hex(secret)
        if listed and hmac.compare_digest(digest, listed):
            return "api:scrimp.toml"
        if (found := await control.find_admin(digest)) is not None:
            check_holds(found, app.clock)
            return f"api:{found.name}"
        if (key := await app.keys.find(digest)) is not None:
            text = f"key '{key.name}' makes calls; the admin API needs an admin key ({_WAY_OUT})"
            return Refusal(403, "forbidden", text)
        raise Unauthenticated(f"this is no admin key of this gateway ({_WAY_OUT})")
    if listed or await control.any_admin():
        raise Unauthenticated("no admin key (send yours as Authorization: Bearer …)")
    if reason := _not_here(app, headers, peer):
        raise Unauthenticated(
            f"without an admin key only this machine may administer, and {reason} ({_WAY_OUT})"
        )
    return "api:loopback"


def _not_here(app: App, headers: Mapping[bytes, bytes], peer: str) -> str:
    """Why a request may come from elsewhere, if only through a proxy; empty when it does not."""
    server = app.settings.server
    host = headers.get(b"host", b"").decode("latin-1")
    name, colon, port = host.rpartition(":")
    if not is_loopback(server.host):
        return f"the gateway listens on {server.host}"
    if server.allowed_hosts:
        return "server.allowed_hosts lets others in"
    if not is_loopback(peer):
        return "the request comes from another address"
    if not is_loopback(name if colon and port.isdigit() else host):
        return "the request names another host"
    if any(name in headers for name in _PROXIED):
        return "the request comes through a proxy"
    return ""
