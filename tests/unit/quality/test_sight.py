"""What is seen of a question: votes by group, conflicts and their proofs, quarantine."""

from __future__ import annotations

import numpy as np

from scrimp.quality.sight import FEATURES, Around, Scope, Sight, Tally, Vectors, look
from scrimp.quality.sketch import read, sketch

DIMS = 16


def unit(vector: Vectors) -> Vectors:
    """Of length 1."""
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def see(asked: str, known: list[tuple[str, int]], out: frozenset[int] = frozenset()) -> Sight:
    """A question in the direction of the first known text; the others lie further off, in order."""
    dice = np.random.default_rng(0)
    off = dice.normal(size=(len(known) + 1, DIMS)).astype(np.float32)
    one = unit(off[-1])
    vectors = np.array(
        [unit(one + np.float32(0.05 * at) * off[at]) for at in range(len(known))], np.float32
    )
    cosines = (vectors @ one).astype(np.float64)
    order = np.argsort(-cosines)
    groups = np.array([known[at][1] for at in order], np.int64)
    around = Around(
        cosines[order],
        groups,
        vectors[order],
        tuple(sketch(known[at][0]) for at in order),
    )
    sizes = {group: int((groups == group).sum()) for group in set(groups.tolist())}
    tallies = {group: Tally(size, quarantined=group in out) for group, size in sizes.items()}
    seen = look(one, read(sketch(asked)), around, Scope(tallies, len(known)))
    assert seen is not None
    return seen


def test_features_are_finite_and_named() -> None:
    """One number per name, for one neighbour as for many."""
    for count in (1, 2, 40):
        seen = see("where is my card", [(f"where is my card {at}", at % 7) for at in range(count)])
        assert len(seen.features) == len(FEATURES)
        assert np.isfinite(seen.features).all()


def test_measured_amounts_that_agree_are_seen() -> None:
    """The share of them that both have, in whatever unit; all where there is none."""
    at = FEATURES.index("amounts")
    shares = [
        see(asked, [(known, 1)]).features[at]
        for asked, known in (
            ("is a run of 5 km far", "is a run of 5,000 meters far"),
            ("is a run of 5 km in 30 minutes fast", "is a run of 5 km in 40 minutes fast"),
            ("is 5 kg heavy", "is 5 lb heavy"),
            ("is it far", "how far is it"),
        )
    ]
    assert shares == [1.0, 1 / 3, 0.0, 1.0]


def test_the_nearest_group_with_the_votes_answers() -> None:
    """The group of the nearest neighbours comes first, the others follow, each once."""
    seen = see("a", [("a", 3), ("a b", 3), ("a c", 3), ("d", 5), ("e", 8)])
    assert seen.group == 3
    assert sorted(seen.order) == [3, 5, 8]


def test_nothing_near_is_nothing_seen() -> None:
    """Neighbours of groups that are gone do not count."""
    one = unit(np.ones(DIMS, np.float32))
    around = Around(np.array([1.0]), np.array([4]), one[None], (b"",))
    assert look(one, None, around, Scope({}, 1)) is None


def test_a_group_in_quarantine_bars_its_answer() -> None:
    """However near it is."""
    known = [("where is my card", 3), ("my card is where", 3)]
    assert not see("where is my card", known).barred
    assert see("where is my card", known, frozenset({3})).barred


def test_a_conflict_bars_until_verdicts_show_that_its_kind_does_not_matter() -> None:
    """Two weeks or three: one answer, once two aliases with other numbers were judged right."""
    asked, root = "no card after 2 weeks", ("no card after 3 weeks", 1)
    assert see(asked, [root]).conflict == "numbers"
    aliases = [("no card after 4 weeks", 1), ("no card after 5 weeks", 1)]
    assert see(asked, [root, aliases[0]]).conflict == "numbers"
    assert see(asked, [root, *aliases]).conflict is None


def test_proofs_of_one_kind_do_not_excuse_another() -> None:
    """Numbers that do not matter say nothing of a "without"."""
    known = [(f"a cake with {at} eggs", 1) for at in range(3, 8)]
    assert see("a cake without 3 eggs", known).conflict == "opposites"


def test_another_word_is_served_once_the_answer_was_right_in_other_words() -> None:
    """A synonym or another thing: two verdicts on other wordings of the answer tell."""
    asked, root = "the opening hours of the museum", ("the visiting hours of the museum", 1)
    assert see(asked, [root]).conflict == "words"
    known = [root, ("when does the museum let people in", 1), ("museum times", 1)]
    assert see(asked, known[:2]).conflict == "words"
    assert see(asked, known).conflict is None


def test_one_opposite_that_does_not_matter_does_not_excuse_another() -> None:
    """Morning or evening: that says nothing of with and without."""
    days = ("morning", "afternoon", "night")
    known = [
        ("a cake with eggs in the evening", 1),
        *((f"a cake with eggs in the {day}", 1) for day in days),
    ]
    assert see("a cake with eggs in the morning", known).conflict is None
    assert see("a cake without eggs in the evening", known).conflict == "opposites"
