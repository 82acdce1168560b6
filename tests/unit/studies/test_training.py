"""A router is judged on what it has not seen, and held against what needs no learning."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from scrimp.choosing import Lesson, Place, Wish
from scrimp.errors import InvalidRequest
from scrimp.routing.picture_points import LEARNED, MIX, ORACLE, numbers, picture
from scrimp.routing.rows import read_rows
from scrimp.routing.text_features import Reader, pack
from scrimp.studies.labelled import (
    Item,
    complete,
    digest_of,
    items_of,
    items_of_lessons,
    labels_of,
    table_of,
)
from scrimp.studies.training import (
    Predicted,
    by_dial,
    by_model,
    by_share,
    gate_verdict,
    moves_none,
    of_saved,
    predicted,
    trained,
)
from tests.support.labelled import lines, rows

MODELS = ("weak", "strong")
READER = Reader()


def items(count: int = 160, *, told: float = 1.0, seed: int = 1) -> list[Item]:
    """Questions as production would see them."""
    found = read_rows(lines(*rows(count, told=told, seed=seed)), "f")
    return items_of(found, READER, "local", lambda _: None)


@pytest.fixture(scope="module")
def learned() -> tuple[list[Item], Predicted]:
    """Questions whose kind says who is right, with cross-fitted predictions."""
    found = items()
    return found, predicted(found, MODELS, width=READER.width)


def test_questions_are_read_as_production_reads_them() -> None:
    """A task that is none of Scrimp's is a subject: it binds questions, and names no route."""
    first = items(4)[0]
    assert first.group in ("hard", "easy")
    assert first.place.task not in ("hard", "easy")
    assert first.place.tenant == "local"
    assert np.array_equal(first.features, READER.read(rows(4)[0]["prompt"]))
    assert first.costs == {"weak": 1_000_000, "strong": 10_000_000}
    assert labels_of(items(4)) == {"weak": 4, "strong": 4}
    assert complete(items(4), ("weak", "other")) == []


def test_what_can_be_learned_goes_live(learned: tuple[list[Item], Predicted]) -> None:
    """Beside certificates, and by a dial; the oracle is never beaten."""
    found, guess = learned
    for by_score in (True, False):
        verdict = gate_verdict(found, guess, "strong", Wish(max_loss=0.1), by_score=by_score)
        assert verdict.winner == "learned", verdict.why
    shown = picture(table_of(found, MODELS), guess.good, guess.cost)
    told = {line.name: numbers(shown, line) for line in shown.lines}
    assert set(told) == {LEARNED, MIX, ORACLE}
    router, mix, oracle = (told[name].cost95 for name in (LEARNED, MIX, ORACLE))
    assert router is not None
    assert mix is not None
    assert oracle is not None
    assert oracle <= router < 0.75 * mix


def test_what_cannot_be_learned_stays_out() -> None:
    """Where the question says nothing of who is right, no router goes live."""
    found = items(told=0.5)
    guess = predicted(found, MODELS, width=READER.width)
    verdict = gate_verdict(found, guess, "strong", Wish(max_loss=0.1), by_score=True)
    assert verdict.winner != "learned"


def test_nothing_leaks_from_the_question_itself() -> None:
    """Labels by a coin are predicted no better than by a coin, on questions held back."""
    found = items(told=0.5, seed=3)
    guess = predicted(found, MODELS, width=READER.width)
    weak = np.array([item.qualities["weak"] for item in found])
    right, wrong = guess.good[weak == 1, 0].mean(), guess.good[weak == 0, 0].mean()
    assert abs(right - wrong) < 0.1


def test_unseen_subjects_are_held_back_whole() -> None:
    """With subjects as groups, each is predicted from the other alone."""
    found = items()
    guess = predicted(found, MODELS, width=READER.width, by_group=True)
    hard = np.array([item.group == "hard" for item in found])
    # the hard ones were learned from easy ones only, which the weak model knows
    assert guess.good[hard, 0].mean() > 0.5


def test_a_dial_chooses_as_production_does(learned: tuple[list[Item], Predicted]) -> None:
    """Loss, floor and budget; a dial that moves nothing is known to."""
    _, guess = learned
    some = by_dial(guess, "strong", Wish(max_loss=0.2))
    every = by_dial(guess, "strong", Wish(max_loss=1.0))
    assert (every == 0).all()
    assert 0.3 < (some == 0).mean() < 0.7
    assert (by_dial(guess, "strong", Wish(budget_nanousd=2_000_000)) == 0).all()
    assert (by_dial(guess, "strong", Wish(budget_nanousd=1)) == 0).all()
    floor = by_dial(guess, "strong", Wish(floor=0.99))
    assert (floor == guess.good.argmax(axis=1)).mean() > 0.9
    assert not moves_none(guess, "strong", Wish(max_loss=0.1))
    worse = Predicted(MODELS, np.array([[0.1, 0.9]] * 3), guess.cost[:3])
    assert moves_none(worse, "strong", Wish(max_loss=0.1))


def test_a_share_is_served_cheap_where_it_loses_least() -> None:
    """The sure ones first; a reference that nobody undercuts keeps all."""
    good = np.array([[0.9, 0.9], [0.2, 0.9], [0.8, 0.9], [0.5, 0.9]])
    cost = np.array([[0.1, 1.0]] * 4)
    chosen = by_share(Predicted(MODELS, good, cost), "strong", 0.5)
    assert chosen.tolist() == [0, 1, 0, 1]
    assert by_share(Predicted(MODELS, good, cost), "weak", 0.5).tolist() == [0] * 4


def test_too_few_questions_are_refused() -> None:
    """A verdict of the gate on them would say nothing."""
    found = items(30)
    guess = by_model(items(60, seed=2), found, MODELS, width=READER.width)
    with pytest.raises(InvalidRequest, match="30 questions"):
        gate_verdict(found, guess, "strong", Wish(), by_score=True)


def test_a_saved_router_says_the_same() -> None:
    """What is saved is what was judged; equal labels make equal versions."""
    found, others = items(80), items(40, seed=2)
    saved = trained(found, READER.width).save()
    one = of_saved(saved, others, MODELS)
    two = by_model(found, others, MODELS, width=READER.width)
    assert np.allclose(one.good, two.good, atol=1e-6)
    assert digest_of(found, "v") == digest_of(items(80), "v")
    assert digest_of(found, "v") != digest_of(found, "w")
    assert digest_of(found, "v") != digest_of(others, "v")


def test_lessons_of_the_gateway_are_labels_too() -> None:
    """One item for a call; those of other features, and checks of answers, are left out."""
    features = pack(READER.read("Why?"))
    place = Place("local", "general", "")

    def lesson(model: str, **changes: object) -> Lesson:
        fields = {
            "place": place,
            "at": datetime(2026, 1, 1, tzinfo=UTC),
            "call": "c1",
            "model": model,
            "quality": 1.0,
            "features": features,
            "version": READER.version,
            "source": "shadow",
            "propensity": 0.25,
            "cost_nanousd": 5,
        }
        return Lesson(**{**fields, **changes})  # type: ignore[arg-type]  # fields by name

    given = [
        lesson("weak", quality=0.0),
        lesson("strong"),
        lesson("weak", version="other"),
        lesson("weak", source="check"),
        lesson("weak", call="c2", features=b"torn"),
    ]
    found, others = items_of_lessons(given, READER)
    assert others == 3
    (item,) = found
    assert item.qualities == {"weak": 0.0, "strong": 1.0}
    assert (item.costs, item.weight, item.place) == ({"weak": 5, "strong": 5}, 4.0, place)
