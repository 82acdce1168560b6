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


def reader_of(settings: Settings) -> Callable[[Call], Traits] | None:
    """None where settings ask for none, or where no secret can be kept."""
    if not settings.ledger.traits:
        return None
    try:
        secret = state_secret(settings.ledger_path.parent, settings.ledger_path.stem)
    except OSError as error:
        _log.warning("no traits of calls are kept: no secret in the state folder (%s)", error.errno)
        return None
    return Reader(DIALECTS, secret)
