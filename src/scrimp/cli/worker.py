"""A worker of `scrimp serve`, started by its parent only: `python -m scrimp.cli.worker …`."""

from __future__ import annotations

import signal
import socket
import sys

from scrimp.cli.logs import log_to_stderr
from scrimp.cli.serve import run
from scrimp.cli.signals import Stopping
from scrimp.gateway.workers_child import serve_worker


def main(log_level: str, listeners: str, slot: str, link: str) -> int:
    """Serve with inherited sockets; what is to be served comes over the link. The exit code."""
    log_to_stderr(log_level, worker=slot)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the parent's to answer
    sockets = [socket.socket(fileno=int(number)) for number in listeners.split(",")]
    code = 0
    with Stopping() as stopping:

        async def serving() -> None:
            nonlocal code
            parent = socket.socket(fileno=int(link))
            code = await serve_worker(sockets, int(slot), parent, stopping.served)

        run(serving)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
