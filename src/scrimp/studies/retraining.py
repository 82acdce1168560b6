"""A new ranking from the lessons of a running engine, and whether it may take the old one's place.

Blocks for seconds: call it in a thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from scrimp.choosing import NO_WISH, Lesson
from scrimp.errors import InvalidRequest
from scrimp.pipeline.saved_routes import SavedRanking
from scrimp.routing.gate import FEWEST
from scrimp.routing.text_features import Reader
from scrimp.studies.labelled import complete, items_of_lessons, labels_of
from scrimp.studies.training import gate_verdict, predicted, trained


def retrained(
    lessons: Sequence[Lesson], reader: Reader, reference: str, at: datetime
) -> SavedRanking | None:
    """Live only where, on labels held back, it beats every model alone and every blind mix.

    None where there are too few questions whose answers by two models were judged.
    """
    items, _ = items_of_lessons(lessons, reader)
    counts = labels_of(items)
    cheap = [name for name in counts if name != reference]
    if reference not in counts or not cheap:
        return None
    models = (max(cheap, key=lambda name: counts[name]), reference)
    held = complete(items, models)
    if len(held) < FEWEST:
        return None
    found = predicted(held, models, width=reader.width)
    try:
        verdict = gate_verdict(held, found, reference, NO_WISH, by_score=True)
    except InvalidRequest:
        return None
    return SavedRanking(
        features=reader.version,
        predictor=trained(items, reader.width).save(),
        lessons=sum(counts.values()),
        trained_at=at.isoformat(timespec="seconds"),
        live=verdict.winner == "learned",
        gate=verdict.why,
    )
