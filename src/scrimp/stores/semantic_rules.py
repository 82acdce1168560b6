"""What all engines of answers by meaning agree on: limits, sizes, and which answers are chosen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from scrimp.errors import InvalidRequest
from scrimp.ledger.rollups import EPOCH
from scrimp.meanings import About, Chosen, Known
from scrimp.ports import Clock, StoredReply
from scrimp.remembered import matcher
from scrimp.stores.semantic_vectors import narrow, read

GROUP_BYTES = 512
"""A group's row, its indexes and what pages leave unused."""
QUESTION_BYTES = 128
HOUR_S = 3600
_WORD_BYTES = 16
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Kept:
    """A question as a store keeps it."""

    vector: bytes
    dims: int
    sketch: bytes
    text: str
    root: bool
    size_bytes: int


def kept(known: Known, *, root: bool) -> Kept:
    """Check a question, and make its vector small. Raises StoreError."""
    row = read(known.vector)
    vector = narrow(row)
    words = known.text.encode(errors="replace")  # half a surrogate pair is no text
    size_bytes = QUESTION_BYTES + len(vector) + len(known.sketch) + len(words)
    return Kept(vector, len(row), known.sketch, words.decode(), root, size_bytes)


def group_bytes(answer: bytes, about: About) -> int:
    """What a group counts for without its questions."""
    words = (about.name, about.model, *about.tags)
    return GROUP_BYTES + len(answer) + sum(_WORD_BYTES + 2 * len(word) for word in words)


def hour_of(clock: Clock) -> int:
    """Which hour it is: what is counted per hour begins anew with each."""
    return int(clock.now().timestamp()) // HOUR_S


def micros(at: datetime) -> int:
    """Microseconds since the epoch, exact."""
    return (at - EPOCH) // _MICROSECOND


def meets(chosen: Chosen, answer: StoredReply, about: About) -> bool:
    """All conditions hold for an answer, apart from the pattern."""
    return (
        chosen.key in ("", about.name)
        and chosen.model in ("", about.model)
        and chosen.tenant in ("", answer.scope.tenant)
        and chosen.task in ("", answer.scope.task)
        and (not chosen.tag or chosen.tag in about.tags)
        and (chosen.stored_before is None or answer.stored_at < chosen.stored_before)
    )


def is_forgotten(
    since: Iterable[Chosen] | None, answer: StoredReply, about: About, text: str
) -> bool:
    """What was forgotten since the answer was asked for means it (None: nobody knows any more)."""
    if since is None:
        return True
    words = [word for word in (about.name, *about.tags, text) if word]
    return any(
        meets(chosen, answer, about)
        and (not chosen.pattern or any(map(matcher(chosen.pattern), words)))
        for chosen in since
    )


def refuse_pattern(pattern: str, textless: int) -> InvalidRequest:
    """A pattern may be meant for texts, and they are not there."""
    return InvalidRequest(
        f"pattern {pattern!r} matches no name or tag, and the texts of {textless:,} questions are "
        "not kept (choose by tag, model or age, or keep texts from now on)"
    )
