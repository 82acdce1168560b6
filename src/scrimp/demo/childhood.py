"""What the demo's two server processes share: a word when they serve, an end with their parent."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType


def end_with_parent() -> None:
    """End this process as a signal would, once its standard input ends.

    The parent holds the other side of that pipe, so a server never outlives it, however the
    parent ends.
    """
    threading.Thread(target=_wait_for_the_end, name="scrimp demo parent", daemon=True).start()


def _wait_for_the_end() -> None:
    # The bare file: at shutdown a daemon thread must not hold the lock of a buffered one.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def tell(url: str) -> None:
    """Tell the parent the address that is served now."""
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


class CleanEnd:
    """Lets a server end by SIGTERM and then close its ledger.

    uvicorn drains on the signal and then raises it once more, which would kill the process right
    there. Before the server listens to signals they end the process at once.
    """

    def __init__(self) -> None:
        self._serving = False

    def install(self) -> None:
        """Take the signal from now on."""
        signal.signal(signal.SIGTERM, self._handle)

    def served(self, url: str) -> None:
        """The server listens to signals by itself now; the parent is told."""
        self._serving = True
        tell(url)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if not self._serving:
            sys.exit(128 + number)
