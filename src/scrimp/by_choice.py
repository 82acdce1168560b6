"""How the choice of a model is put together: beside `app.py`, a place that opens adapters.

Nothing of it is imported, opened or run while `[route] enabled` is false.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scrimp.dialects import DIALECTS
from scrimp.levers.route import Route
from scrimp.pipeline.chooser import Depths
from scrimp.pipeline.router import Places, Router, RouterMeans
from scrimp.ports import Pricer
from scrimp.prices.book import PriceBook
from scrimp.settings import Settings


@dataclass(frozen=True, slots=True)
class Known:
    """What of the engine it works with: who serves what, at what price."""

    targets: Places
    book: PriceBook
    names: Mapping[str, str]
    priced: Pricer


def lever_of(settings: Settings, known: Known) -> Route:
    """The lever."""
    section = settings.route
    router = Router(
        RouterMeans(section, known.targets, known.book, known.names, known.priced, DIALECTS)
    )
    return Route(router, Depths(section, None))
