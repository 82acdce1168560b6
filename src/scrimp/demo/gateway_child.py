"""The demo's gateway in a process of its own: `python -m scrimp.demo.gateway_child CONFIG`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop

from scrimp.demo.childhood import CleanEnd, end_with_parent
from scrimp.gateway.listening import bind
from scrimp.gateway.server import serve
from scrimp.settings import load


def main(config: Path) -> None:
    """Serve what the file says until the parent goes away."""
    end = CleanEnd()
    end.install()
    end_with_parent()
    loaded = load({}, config)
    listener = bind(loaded.settings.server.host, loaded.settings.server.port)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(loaded, listener, started=end.served))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
