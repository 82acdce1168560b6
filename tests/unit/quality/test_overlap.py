"""Words that a question shares with its neighbours, as scores of their answers."""

from __future__ import annotations

import numpy as np
import pytest

from scrimp.quality.overlap import SHARED, Shared
from scrimp.quality.sketch import read, sketch

CARD = ["how do i freeze my card", "freeze the card for me", "is my card frozen, freeze it"]
PIN = ["how do i change the pin of my card", "change my pin", "where is the pin changed"]
SALT = b"scope"


def shares(asked: str, known: list[tuple[str, int]], best: int) -> dict[str, float]:
    """By name, for one of the groups."""
    member = np.array([group for _, group in known])
    kept = [sketch(text, SALT) for text, _ in known]
    found = Shared(read(sketch(asked, SALT)), kept, member, int(member.max()) + 1)
    return dict(zip(SHARED, found.features(best), strict=True))


def both(*more: tuple[str, int]) -> list[tuple[str, int]]:
    """Questions of two answers."""
    return [(text, group) for group, texts in enumerate((CARD, PIN)) for text in texts] + [*more]


@pytest.mark.parametrize(
    ("asked", "group"),
    [("freeze this card", 0), ("the pin of this card", 1), ("change your pin", 1)],
)
def test_words_of_one_answer_speak_for_it(asked: str, group: int) -> None:
    """Its score, its lead and what it covers are above those of the other."""
    mine, other = shares(asked, both(), group), shares(asked, both(), 1 - group)
    for name in ("words_for", "words_lead", "words_covered", "words_covered_lead"):
        assert mine[name] > other[name]
    assert mine["words_lead"] > 0 > other["words_lead"]
    assert mine["words_known"] == other["words_known"]


def test_words_that_all_have_tell_nothing() -> None:
    """A word weighs by how seldom it stands around."""
    rare, usual = shares("freeze", both(), 0), shares("my", both(), 0)
    assert rare["words_for"] > usual["words_for"]


def test_a_word_that_nobody_has_is_missed() -> None:
    """What the neighbours have of a question falls with each word that none of them has."""
    known = shares("freeze my card", both(), 0)["words_known"]
    assert known == pytest.approx(1.0)
    assert shares("freeze my gold card", both(), 0)["words_known"] < known
    assert shares("renew gold", both(), 0)["words_known"] == 0


def test_amounts_count_in_whatever_unit_they_stand() -> None:
    """5 km are 5,000 meters."""
    known = [("a run of 5,000 meters", 0), ("a run of 7,000 meters", 1)]
    assert shares("5 km", known, 0)["words_lead"] > 0 > shares("5 km", known, 1)["words_lead"]


@pytest.mark.parametrize("asked", ["", "?!"])
def test_a_question_without_words_has_none_to_share(asked: str) -> None:
    """Zeros, as of one that cannot be read."""
    assert set(shares(asked, both(), 0).values()) == {0.0}


def test_sketches_that_cannot_be_read_have_no_words() -> None:
    """Damaged, cut, or of another version: they count as texts without words."""
    kept = [sketch(CARD[0], SALT), b"", b"\x00" * 40, sketch(CARD[1], SALT)[:-1]]
    found = Shared(read(sketch(CARD[0], SALT)), kept, np.array([0, 1, 1, 2]), 3)
    features = [found.features(group) for group in range(3)]
    assert np.isfinite(features).all()
    assert features[0][SHARED.index("words_covered")] == pytest.approx(1.0)
    assert [one[SHARED.index("words_covered")] for one in features[1:]] == [0.0, 0.0]


@pytest.mark.parametrize("kept", [[b""], [sketch("?!", SALT)], [b"\x02" * 40, b"", b"\x00" * 21]])
def test_a_neighbourhood_without_a_readable_word_tells_nothing(kept: list[bytes]) -> None:
    """Nothing of the question is known there: numbers that are finite, and nothing covered."""
    member = np.arange(len(kept))
    features = Shared(read(sketch(CARD[0], SALT)), kept, member, len(kept)).features(0)
    assert np.isfinite(features).all()
    assert features[2:] == (0.0, 0.0, 0.0)


def test_one_group_leads_by_all_it_has() -> None:
    """There is no other to be ahead of."""
    alone = shares("freeze my card", [(text, 0) for text in CARD], 0)
    assert alone["words_covered_lead"] == alone["words_covered"] == pytest.approx(1.0)
