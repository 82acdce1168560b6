"""Whether the gateway could listen, or what the one that listens already says of its health."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from scrimp.cli.finding import Finding
from scrimp.errors import ConfigError, StoreError
from scrimp.gateway.listening import bind, check_bind
from scrimp.settings import Loaded

Ready = dict[str, Any]
_TIMEOUT_S = 2.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound


def ask_ready(host: str, port: int) -> Ready | None:
    """What a Scrimp at this address says of itself; None when none answers."""
    connection = http.client.HTTPConnection(_EVERYWHERE.get(host, host), port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/readyz", headers={"Host": "localhost"})
        told = msgspec.json.decode(connection.getresponse().read(65536))
    except (OSError, http.client.HTTPException, msgspec.DecodeError):
        return None
    finally:
        connection.close()
    return told if isinstance(told, dict) and isinstance(told.get("ledger"), dict) else None


def port_findings(loaded: Loaded, ask: Callable[[str, int], Ready | None]) -> Iterator[Finding]:
    """The address of the settings: free, ours already, or somebody else's."""
    server = loaded.settings.server
    place = f"{server.host}:{server.port}"
    try:
        check_bind(loaded)
    except (ConfigError, StoreError) as error:
        yield Finding("fail", "address", str(error), "scrimp keys create NAME, or server.host")
    if not server.port:
        yield Finding("ok", "address", f"{server.host}, any free port (server.port = 0)")
        return
    if (told := ask(server.host, server.port)) is not None:
        yield _running(place, told)
        return
    try:
        bind(server.host, server.port).close()
    except ConfigError as error:
        way_out = "another port: server.port, or scrimp serve --port"
        yield Finding("fail", "address", f"{error}".partition(" (")[0], way_out)
    else:
        yield Finding("ok", "address", f"{place} is free")


def _running(place: str, told: Ready) -> Finding:
    """The health of a gateway that answers: nothing may be dropped, nothing should wait."""
    health = told["ledger"]
    numbers = ", ".join(f"{health.get(name, 0):,} {name}" for name in ("pending", "spilled"))
    said = f"a Scrimp answers at {place} (ledger: {numbers}, {health.get('dropped', 0):,} dropped)"
    if health.get("dropped"):
        return Finding("fail", "gateway", said, "calls are missing: look at the log of the gateway")
    if not health.get("ok", False):
        why = health.get("last_error") or "the ledger is behind"
        return Finding("warn", "gateway", said, f"{why} (calls go on; nothing is lost)")
    return Finding("ok", "gateway", said)
