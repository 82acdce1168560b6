"""What processes that start at the same moment must agree on: a secret, an address."""

from __future__ import annotations

import socket
import stat
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from scrimp.errors import ConfigError
from scrimp.gateway.listening import address, bind, bind_each
from scrimp.shell.secret import tenant_secret

_AT_ONCE = 8


@pytest.mark.parametrize("left", [None, b"", b"half a secret"], ids=["none", "empty", "half"])
def test_those_that_start_at_once_get_one_secret(tmp_path: Path, left: bytes | None) -> None:
    """Whether there was none or somebody died while writing it: one secret, 0600, for ever."""
    state = tmp_path / "state"
    if left is not None:
        state.mkdir()
        (state / "tenant.secret").write_bytes(left)
    start, secrets = threading.Barrier(_AT_ONCE), set[bytes]()

    def make() -> None:
        start.wait()
        secrets.add(tenant_secret(state))

    threads = [threading.Thread(target=make) for _ in range(_AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert secrets == {tenant_secret(state)}
    (path,) = state.iterdir()
    assert (path.stat().st_size, stat.S_IMODE(path.stat().st_mode)) == (32, 0o600)


def test_workers_get_sockets_of_one_address() -> None:
    """As many as there are workers, on the same port, all of which listen."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(one) for one in bind_each("127.0.0.1", 0, 3)]
        assert len({address(one) for one in sockets}) == 1
        assert len({one.fileno() for one in sockets}) == 3
        for one in sockets:
            assert one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


@pytest.mark.parametrize("count", [1, 2])
def test_an_address_that_workers_share_is_taken_for_all_others(count: int) -> None:
    """Neither one socket nor several that could share may join a gateway that is not theirs."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(one) for one in bind_each("127.0.0.1", 0, 2)]
        port = int(sockets[0].getsockname()[1])
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}.*--port"):
            bind_each("127.0.0.1", port, count)
        with pytest.raises(ConfigError):
            bind("127.0.0.1", port)
