"""Known counts: every text and tool exact, every image as near as it was measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.tokens.vectors import Vector, Verdict, check, load, unknown
from tests.support.vocabularies import shared_encoder

SHARED = Path(__file__).parents[3].parent / "shared" / "data" / "prices" / "count_vectors.json"
WITHOUT_REQUEST = ["hmarr-19"]
"""Named there without any figure; ours hold its requests, chat-01 to chat-19."""
VECTORS = [*load(), *(load(SHARED) if SHARED.exists() else [])]
"""Ours, and the shared ones where they are at hand."""


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["id"]))
def test_every_known_count_matches(vector: Vector) -> None:
    """Exact, or as near as it was measured, and never outside our own range."""
    for verdict in check([vector], shared_encoder()):
        assert verdict.matches, verdict


def test_no_vector_is_passed_over() -> None:
    """Each one that has a figure was checked."""
    assert [one for one in unknown(VECTORS, shared_encoder()) if one not in WITHOUT_REQUEST] == []


def test_a_wrong_count_is_a_miss() -> None:
    """One token off is no match, and neither is a figure outside the range."""
    vector = {**load()[0], "expect": {"gpt-4": 130}}
    (verdict,) = check([vector], shared_encoder())
    assert not verdict.matches
    assert verdict.found == 129
    assert not Verdict("a", "m", 10, 10, 11, 12).matches
    assert Verdict("a", "m", 100, 104, 90, 110, 0.05).matches
