"""States of what routes have learned, as they are kept. Reading them needs no numbers library."""

from __future__ import annotations

from typing import Final

import msgspec

RANKING: Final = "ranking"
"""The name of the trained ranking's state."""
VERSIONS: Final = "versions"
"""The name of what each model was last called by its provider."""


class SavedRanking(msgspec.Struct, frozen=True):
    """A ranking as it is kept: for which features, trained when and on how much, as which version.

    `gate` says in words whether it beats what needs no learning; only then is it `live`.
    """

    features: str
    predictor: bytes
    lessons: int
    trained_at: str
    live: bool = True
    gate: str = ""


def read_versions(state: bytes) -> dict[str, str]:
    """Nothing where it is damaged."""
    try:
        return msgspec.msgpack.decode(state, type=dict[str, str])
    except msgspec.DecodeError:
        return {}


def write_versions(versions: dict[str, str]) -> bytes:
    """As they are kept."""
    return msgspec.msgpack.encode(versions)


def read_ranking(state: bytes) -> SavedRanking | None:
    """None where it is of another version, or damaged."""
    try:
        return msgspec.msgpack.decode(state, type=SavedRanking)
    except msgspec.DecodeError:
        return None


def write_ranking(ranking: SavedRanking) -> bytes:
    """As it is kept."""
    return msgspec.msgpack.encode(ranking)
