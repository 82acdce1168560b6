"""Chances that are learned: right where questions tell, careful where nothing is known."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from scrimp.choosing import Place
from scrimp.routing.effects import Effects
from scrimp.routing.predictor import FEWEST, Chances, Predictor, Row
from scrimp.routing.ridge import solver, update
from scrimp.routing.text_features import Floats, Reader

NOWHERE = Place()
MODELS = ("cheap", "dear")
HARD = "Prove the theorem about prime ideals of a ring"
WORDS = "word3 word9 word11 word2 word5 word30"
EASY = "What is the capital of a country called number"


def asked(count: int, seed: int = 0) -> Iterator[tuple[str, bool]]:
    """Questions of two kinds, each with words of its own."""
    dice = np.random.default_rng(seed)
    for number in range(count):
        hard = bool(dice.random() < 0.5)
        words = " ".join(f"word{dice.integers(40)}" for _ in range(6))
        yield f"{HARD if hard else EASY} {number} {words}", hard


def rows(count: int, seed: int = 0, place: Place = NOWHERE) -> list[Row]:
    """The cheap model fails most hard ones, the dear one little."""
    reader, dice = Reader(), np.random.default_rng(seed + 1)
    found = []
    for text, hard in asked(count, seed):
        cheap = float(dice.random() < (0.2 if hard else 0.9))
        dear = float(dice.random() < 0.9)
        found.append(Row(reader.read(text), {"cheap": cheap, "dear": dear}, place))
    return found


def fitted(count: int = 300, place: Place = NOWHERE) -> Predictor:
    """Trained on the above."""
    made = Predictor(Reader.width)
    made.fit(rows(count, place=place))
    return made


def chances(predictor: Predictor, text: str, place: Place = NOWHERE) -> Chances:
    """Of both models."""
    return predictor.chances(Reader().read(text), MODELS, place)


def test_what_questions_tell_is_learned() -> None:
    """On questions that it never saw, the cheap model is trusted with easy ones alone."""
    predictor, reader = fitted(), Reader()
    good: dict[bool, list[float]] = {True: [], False: []}
    for text, hard in asked(100, seed=7):
        good[hard].append(predictor.chances(reader.read(text), MODELS, NOWHERE).good["cheap"])
    assert np.mean(good[False]) > 0.65
    assert np.mean(good[True]) < 0.4
    assert min(good[False]) > max(0.5, float(np.mean(good[True])))


def test_one_that_knows_nothing_says_so() -> None:
    """Even chances, no verdicts behind them, all is novel."""
    found = chances(Predictor(Reader.width), EASY)
    assert found == Chances({"cheap": 0.5, "dear": 0.5}, {"cheap": 0.0, "dear": 0.0}, 1.0)


def test_before_anything_is_fitted_means_are_learned() -> None:
    """A few verdicts move a model's chance towards their mean, not all the way."""
    predictor, reader = Predictor(Reader.width), Reader()
    for row in rows(FEWEST - 1):
        predictor.learn(row.features, "cheap", 0.0, NOWHERE)
    predictor.refit()
    assert predictor.fitted is None
    found = predictor.chances(reader.read(EASY), MODELS, NOWHERE)
    assert 0.0 < found.good["cheap"] < 0.1
    assert found.good["dear"] == 0.5
    assert found.sure["cheap"] == FEWEST - 1


def test_chances_are_the_same_after_saving() -> None:
    """Saved and loaded it says the same to the last bit, and goes on learning the same."""
    one = fitted()
    two = Predictor.load(one.save())
    for row in rows(40, seed=3):
        assert one.chances(row.features, MODELS, NOWHERE) == two.chances(
            row.features, MODELS, NOWHERE
        )
        for predictor in (one, two):
            predictor.learn(row.features, "cheap", row.qualities["cheap"], NOWHERE)
    assert chances(one, HARD) == chances(two, HARD)
    assert one.save() == two.save()


def test_the_same_rows_make_the_same_predictor() -> None:
    """No dice: two trainings are equal."""
    assert fitted(120).save() == fitted(120).save()


@pytest.mark.parametrize("data", [b"", b"\x90", b"\xff\x00", b"\x97\x63" + b"\xc0" * 6])
def test_bytes_of_something_else_are_refused(data: bytes) -> None:
    """Torn, empty, or of another version."""
    with pytest.raises(ValueError, match="state"):
        Predictor.load(data)


def test_a_torn_state_is_refused() -> None:
    """Half of one is none."""
    data = fitted(60).save()
    with pytest.raises(ValueError, match="no predictor's state"):
        Predictor.load(data[: len(data) // 2])


def test_verdicts_in_between_move_chances_at_once() -> None:
    """A model that begins to fail hard questions is trusted less with them, without a refit."""
    predictor, reader = fitted(), Reader()
    before = chances(predictor, f"{HARD} 5 {WORDS}").good["dear"]
    for text, hard in asked(120, seed=11):
        if hard:
            predictor.learn(reader.read(text), "dear", 0.0, NOWHERE)
    after = chances(predictor, f"{HARD} 5 {WORDS}").good["dear"]
    assert after < before - 0.3


def test_a_new_model_is_usable_after_few_verdicts() -> None:
    """It starts from what all models have in common, and a refit knows it well."""
    predictor, reader = fitted(), Reader()
    for text, hard in asked(60, seed=13):
        predictor.learn(reader.read(text), "new", 0.1 if hard else 0.9, NOWHERE)
    models = ("cheap", "new")
    for refit in (False, True):
        if refit:
            predictor.refit()
        easy = predictor.chances(reader.read(f"{EASY} 3 {WORDS}"), models, NOWHERE)
        hard_one = predictor.chances(reader.read(f"{HARD} 3 {WORDS}"), models, NOWHERE)
        assert easy.good["new"] > hard_one.good["new"] + 0.1


def test_routes_differ_where_their_verdicts_do() -> None:
    """The same question under two prompts: one where the cheap model always fails."""
    predictor = Predictor(Reader.width)
    good, bad = Place("a", "chat", "p1"), Place("a", "chat", "p2")
    every = rows(200, place=good)
    failing = [Row(row.features, {**row.qualities, "cheap": 0.0}, bad) for row in rows(60, seed=5)]
    predictor.fit([*every, *failing])
    assert (
        chances(predictor, EASY, good).good["cheap"]
        > chances(predictor, EASY, bad).good["cheap"] + 0.3
    )


def test_a_task_never_seen_is_novel() -> None:
    """Known tasks and prompts are not; of an unknown task only means are said."""
    predictor = Predictor(Reader.width)
    kinds = (Place(task="sums"), Place(task="songs"))
    predictor.fit([row for kind in kinds for row in rows(100, place=kind)])
    known = chances(predictor, f"{HARD} 1 {WORDS}", kinds[0])
    strange = chances(predictor, f"{HARD} 1 {WORDS}", Place(task="law"))
    assert known.novelty < 0.3
    assert strange.novelty == 1.0
    assert strange.good["cheap"] > known.good["cheap"] + 0.1
    assert strange.sure["cheap"] < known.sure["cheap"]


def test_a_text_unlike_all_others_is_novel() -> None:
    """Noise is further from all questions than they are from each other."""
    predictor = fitted()
    assert chances(predictor, "%%%% $$$$ {}{}{} ??? !!!" * 30).novelty > 0.9
    assert chances(predictor, f"{EASY} 17 word3 word9 word1 word2 word5 word30").novelty < 0.9


def test_chances_stay_within_bounds_and_keep_their_distance() -> None:
    """An easy question that two models would pass for sure still tells them apart."""
    reader, predictor = Reader(), Predictor(Reader.width)
    predictor.fit(
        Row(reader.read(text), {"cheap": float(not hard), "dear": 1.0}) for text, hard in asked(200)
    )
    for text, _ in asked(50, seed=2):
        found = predictor.chances(reader.read(text), MODELS, NOWHERE)
        assert all(0.01 <= chance <= 0.99 for chance in found.good.values())
        assert found.good["cheap"] <= found.good["dear"]


@pytest.mark.parametrize("quality", [-0.1, 1.1, float("nan")])
def test_what_is_no_quality_is_refused(quality: float) -> None:
    """By value, before anything is learned."""
    predictor = Predictor(Reader.width)
    with pytest.raises(ValueError, match="from 0 to 1"):
        predictor.learn(Reader().read("x"), "cheap", quality, NOWHERE)
    assert len(predictor.rows) == 0


def test_features_of_another_width_or_without_numbers_are_refused() -> None:
    """A row of an older version never reaches a newer predictor's heads."""
    predictor = Predictor(Reader.width)
    with pytest.raises(ValueError, match="are expected"):
        predictor.learn(np.zeros(5, np.float32), "cheap", 1.0, NOWHERE)
    broken: Floats = np.full(Reader.width, np.nan, np.float32)
    with pytest.raises(ValueError, match="not numbers"):
        predictor.learn(broken, "cheap", 1.0, NOWHERE)


def test_rows_are_bounded_and_answers_to_one_question_join() -> None:
    """The oldest make room; a second model's answer is no second question."""
    predictor = Predictor(Reader.width, most=50)
    for row in rows(80):
        for model, quality in row.qualities.items():
            predictor.learn(row.features, model, quality, NOWHERE)
    assert len(predictor.rows) == 50
    assert all(len(answers) == 2 for answers in predictor.rows.packed.values())


def test_a_refit_is_due_when_a_quarter_is_new() -> None:
    """Not for every verdict, and not before there is enough."""
    predictor, reader = fitted(200), Reader()
    assert not predictor.due
    for number, (text, _) in enumerate(asked(70, seed=21)):
        predictor.learn(reader.read(text), "cheap", 1.0, NOWHERE)
        assert predictor.due == (number + 1 >= 0.25 * (200 + number + 1) and number + 1 >= FEWEST)
    predictor.refit()
    assert not predictor.due


def test_checks_of_few_features_are_learned_too() -> None:
    """Rows of any other width are plain numbers."""
    dice = np.random.default_rng(0)
    predictor = Predictor(6)
    data = dice.normal(size=(300, 6)).astype(np.float32)
    predictor.fit(Row(row, {"m": float(row[0] > 0)}) for row in data)
    sure = predictor.chances(np.array([2, 0, 0, 0, 0, 0], np.float32), ("m",), NOWHERE)
    unsure = predictor.chances(np.array([-2, 0, 0, 0, 0, 0], np.float32), ("m",), NOWHERE)
    assert sure.good["m"] > 0.75
    assert unsure.good["m"] < 0.25


def test_one_row_at_a_time_is_the_same_as_all_at_once() -> None:
    """Sherman-Morrison: updates end where the batch does."""
    dice = np.random.default_rng(4)
    design, values = dice.normal(size=(60, 5)), dice.normal(size=60)
    weights = dice.uniform(0.5, 2.0, 60)
    batch, _ = solver(design, weights, 3.0).fit(values)
    found, inverse = np.zeros(5), np.eye(5) / 3.0
    for row, value, weight in zip(design, values, weights, strict=True):
        update(found, inverse, row, value - row @ found, weight)
    np.testing.assert_allclose(found, batch, rtol=1e-9)


def test_left_out_predictions_are_those_of_a_fit_without_the_row() -> None:
    """The hat matrix says the same as fitting again, with a prior as well."""
    dice = np.random.default_rng(5)
    design, values, prior = dice.normal(size=(30, 4)), dice.normal(size=30), np.ones(4)
    _, alone = solver(design, np.ones(30), 2.0).fit(values, prior)
    for row in (0, 17):
        kept = np.arange(30) != row
        again, _ = solver(design[kept], np.ones(29), 2.0).fit(values[kept], prior)
        assert alone[row] == pytest.approx(float(design[row] @ again))


def test_levels_are_shrunk_towards_those_above() -> None:
    """One verdict of a prompt says little, many say all."""
    effects = Effects()
    place = Place("t", "chat", "p")
    effects.add("m", place, -1.0, 1.0)
    assert -0.4 < effects.of("m", place) < 0.0
    for _ in range(500):
        effects.add("m", place, -1.0, 1.0)
    assert effects.of("m", place) < -0.98
    assert effects.of("m", Place("other")) == pytest.approx(effects.of("m", Place("else")))
    assert effects.of("unknown", place) == 0.0
