"""What is learned of drafts: it tells good from bad, survives being kept, and admits ignorance."""

from __future__ import annotations

import time
from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest
from numpy.typing import NDArray

from scrimp.choosing import Lesson, Place
from scrimp.pipeline.acceptance_scores import LearnedScores, unpacked_fits, with_fits
from scrimp.pipeline.checking import Score
from scrimp.routing import boosted
from scrimp.routing.acceptance import Acceptance, Made, fit, learned, mark_of, unpack
from scrimp.routing.answer_features import NAMES, VERSION, features, packed, unpacked
from tests.support.core import NOON

Floats = NDArray[np.float64]


def drafts(count: int, seed: int) -> tuple[list[tuple[str, str]], Floats]:
    """Sums in words, some of them wrong."""
    dice = np.random.default_rng(seed)
    made, right = [], []
    for _ in range(count):
        one, two = (int(number) for number in dice.integers(2, 90, 2))
        good = dice.random() < 0.6
        said = one + two + (0 if good else int(dice.integers(1, 9)))
        question = f"A has {one} apples and B has {two} apples. How many apples are there?"
        made.append((question, f"There are {one} + {two} = {said} apples.\n#### {said}"))
        right.append(float(good))
    return made, np.array(right)


def rows(made: list[tuple[str, str]]) -> Floats:
    """Their features."""
    return np.array([tuple(features(*one).values()) for one in made], np.float64)


@pytest.fixture(scope="module")
def model() -> Acceptance:
    """From 300 drafts."""
    made, right = drafts(300, 1)
    found = fit(rows(made), right)
    assert found is not None
    return found


def test_good_drafts_score_above_bad_ones(model: Acceptance) -> None:
    """On drafts that it has not seen."""
    made, right = drafts(200, 2)
    scores = model.scores(rows(made))
    assert scores[right == 1].min() > scores[right == 0].max()
    assert ((scores >= 0) & (scores <= 1)).all()
    assert model.score(tuple(features(*made[0]).values())) == pytest.approx(scores[0])


def test_it_survives_being_kept(model: Acceptance) -> None:
    """To within what four bytes can hold."""
    again = unpack(model.pack())
    assert again is not None
    made, _ = drafts(50, 3)
    assert again.scores(rows(made)) == pytest.approx(model.scores(rows(made)), abs=1e-4)


def test_what_is_broken_or_of_another_version_is_not_read(model: Acceptance) -> None:
    """It is learned anew."""
    data = model.pack()
    for bad in (b"", b"x", data[: len(data) // 2], data.replace(VERSION.encode(), b"answer-0")):
        assert unpack(bad) is None


def test_from_too_little_nothing_is_learned() -> None:
    """Too few, all alike, or nothing that is a number."""
    made, right = drafts(39, 4)
    assert fit(rows(made), right) is None
    made, right = drafts(60, 4)
    assert fit(rows(made), np.ones(60)) is None
    assert fit(rows(made), np.zeros(60)) is None
    assert fit(rows(made), np.full(60, nan)) is None


def test_what_the_stronger_model_gets_wrong_too_is_no_loss() -> None:
    """Escalating buys nothing there, so such drafts may be served."""
    made, right = drafts(300, 5)
    gains = 1.0 - right
    money = np.arange(len(made)) % 2 == 0
    made = [
        (q.replace("apples", "dollars $") if m else q, a)
        for (q, a), m in zip(made, money, strict=True)
    ]
    gains[money] = 0.0
    found = fit(rows(made), right, gains)
    assert found is not None
    scores = found.scores(rows(made))
    wrong = right == 0
    assert scores[wrong & money].mean() > 0.9
    assert scores[wrong & ~money].mean() < 0.2


def test_lessons_teach_by_model() -> None:
    """Those of other features teach nothing; a comparison counts more than a check."""
    made, right = drafts(120, 6)

    def lesson(one: tuple[str, str], quality: float, version: str) -> Lesson:
        place = Place("local")
        return Lesson(place, NOON, "c", "cheap", quality, packed(*one), version, "check")

    told = [lesson(one, good, VERSION) for one, good in zip(made, right, strict=True)]
    assert learned(lesson(one, 1.0, "other-1") for one in made) == {}
    found = learned(told)
    assert set(found) == {"cheap"}
    scores = LearnedScores(found)
    known = scores(Place("local"), "cheap", *made[0])
    assert known is not None
    assert (known.least, known.certified) == (inf, False)
    assert scores(Place("local"), "unheard-of", *made[0]) is None


def test_fits_are_kept_whole_and_stand_still() -> None:
    """The same fit has the same name after a restart, another fit another one."""
    here, (made, right) = Place("local"), drafts(120, 6)
    scores = LearnedScores({"cheap": fit(rows(made), right), "flat": None})
    again = LearnedScores(unpacked_fits(scores.pack()))
    assert again.fit_of("cheap") == scores.fit_of("cheap") != ""
    assert again(here, "flat", "q", "a") == Score(1.0, inf, fit=scores.fit_of("flat"))
    assert again.labels_of("cheap") == 120
    again.put("cheap", fit(rows(made[:80]), right[:80]))
    assert again.fit_of("cheap") != scores.fit_of("cheap")
    assert (scores.fit_of("nobody"), unpacked_fits(b"damaged")) == ("", {})


def test_fits_of_several_workers_stand_beside_each_other() -> None:
    """Each adds its own; all hear of all."""
    made, right = drafts(120, 6)
    one, other = LearnedScores({"cheap": fit(rows(made), right)}), LearnedScores({"flat": None})
    state = with_fits(other.pack(), with_fits(one.pack(), None))
    other.hear(state)
    assert other.fit_of("cheap") == one.fit_of("cheap")
    assert set(unpacked_fits(state)) == {"cheap", "flat"}
    other.hear(b"damaged")
    assert set(other.models) == {"cheap", "flat"}


def test_features_are_packed_in_one_order() -> None:
    """As many as there are names; what is no such thing is refused."""
    data = packed("How many? 2 + 2", "2 + 2 = 4")
    assert len(unpacked(data)) == len(NAMES) == len(set(NAMES))
    with pytest.raises(ValueError, match="are no features"):
        unpacked(data + b"1234")


def test_one_score_is_quick(model: Acceptance) -> None:
    """Beside an answer that took seconds to write."""
    one = tuple(features("How many?", "2 + 2 = 4").values())
    model.score(one)
    begun = time.thread_time()
    for _ in range(50):
        model.score(one)
    assert (time.thread_time() - begun) / 50 < 0.01


def test_trees_learn_what_only_holds_together() -> None:
    """An exclusive or: no feature tells anything alone."""
    dice = np.random.default_rng(7)
    seen = dice.random((600, 4))
    true = ((seen[:, 0] > 0.5) ^ (seen[:, 1] > 0.5)).astype(np.float64)
    grown = boosted.fit(seen[:400], true[:400])
    right = (grown.chances(seen[400:]) > 0.5) == (true[400:] > 0.5)
    assert right.mean() > 0.85
    assert (boosted.fit(seen[:400], true[:400]).adds == grown.adds).all()


def test_a_fit_has_one_name_whoever_made_it_and_knows_what_it_has_seen() -> None:
    """So certificates begin anew where scores change, and only there."""
    made, right = drafts(80, 6)
    marks = [mark_of(f"call-{number}", b"f") for number in range(80)]
    plain, told = fit(rows(made), right), fit(rows(made), right, None, marks)
    assert plain is not None
    assert told is not None
    trained = replace(told, made=Made("2026-11-23T12:00:00+00:00", "file", "beats all"))
    assert plain.name == told.name == trained.name
    again = unpack(trained.pack())
    assert again is not None
    assert (again.made, again.name) == (trained.made, trained.name)
    assert again.has_seen(marks).all()
    assert not again.has_seen([mark_of("call-80", b"f"), mark_of("call-0", b"g")]).any()
    assert not plain.has_seen(marks).any()
    assert b"seen" not in plain.pack()  # as fits of before were kept: their names stay


def test_what_was_trained_on_purpose_gives_way_to_no_engines_own() -> None:
    """Whoever writes last."""
    made, right = drafts(120, 6)
    mine, own = fit(rows(made), right), fit(rows(made[:80]), right[:80])
    assert mine is not None
    trained = LearnedScores({"cheap": replace(mine, made=Made("t", "file", "why"))})
    state = with_fits(trained.pack(), with_fits(LearnedScores({"cheap": own}).pack(), None))
    assert LearnedScores(unpacked_fits(state)).fit_of("cheap") == trained.fit_of("cheap")
    later = with_fits(LearnedScores({"cheap": own, "flat": None}).pack(), state)
    found = LearnedScores(unpacked_fits(later))
    assert found.fit_of("cheap") == trained.fit_of("cheap")
    assert (found.trained("cheap"), found.trained("flat")) == (True, False)
