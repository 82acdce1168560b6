"""What writes down by which digests a call is known, with the secret of the ledger's folder."""

from __future__ import annotations

import logging
from collections.abc import Callable

from scrimp.advice.reading import Reader
from scrimp.calls import Call
from scrimp.dialects import DIALECTS
from scrimp.settings import Settings
from scrimp.state_secret import state_secret
from scrimp.traits import Traits

_log = logging.getLogger("scrimp.ledger")


MOST = 500
WINDOW_S = 10


class Paced:
    """Reads the first `MOST` calls of each `WINDOW_S` seconds; a busy gateway has better to do.

    Those that are read follow each other, so that what comes again soon is seen to.
    """

    def __init__(self, read: Callable[[Call], Traits]) -> None:
        self._read = read
        self._window = 0
        self._left = 0

    def __call__(self, call: Call) -> Traits | None:
        """None for a call that is not read. Raises as the reader does."""
        window = int(call.started_at.timestamp()) // WINDOW_S
        if window != self._window:
            self._window, self._left = window, MOST
        if self._left <= 0:
            return None
        self._left -= 1
        return self._read(call)


def reader_of(settings: Settings) -> Callable[[Call], Traits | None] | None:
    """None where settings ask for none, or where no secret can be kept."""
    if not settings.ledger.traits:
        return None
    try:
        secret = state_secret(settings.ledger_path.parent, settings.ledger_path.stem)
    except OSError as error:
        _log.warning("no traits of calls are kept: no secret in the state folder (%s)", error.errno)
        return None
    return Paced(Reader(DIALECTS, secret))
