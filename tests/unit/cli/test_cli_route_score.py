"""`scrimp route train|eval|explain|status` of a cascade's score of drafts; nobody is called."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from scrimp.by_choice import open_route_store
from scrimp.choosing import Lesson, Place
from scrimp.cli.main import cli
from scrimp.cli.route_saved import save_fits, saved_fits
from scrimp.pipeline.acceptance_scores import FITS, LearnedScores, name_of
from scrimp.pipeline.proofs import DRAFTS, Proof, Subjects
from scrimp.routing.acceptance import Acceptance
from scrimp.routing.answer_features import VERSION
from scrimp.routing.rows import read_rows
from scrimp.routing.standing import LossPromise
from scrimp.settings import Settings, load
from scrimp.studies.drafts import columns_of, drafts_of_rows
from tests.support.core import NOON
from tests.support.drafted import Tell, rows


class Desk:
    """Settings with a cascade, a labelled file with answers, the command line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "scrimp.toml"
        self.configure('[cascade]\nmodels = ["cheapo"]\nchecks = ["score"]\n')
        self.labels = folder / "labels.jsonl"
        self.labels.write_bytes(rows(240).replace(b'"weak"', b'"cheapo"'))

    def configure(self, cascade: str) -> None:
        """Write the settings: `cheapo` is what the provider calls `weak`."""
        self.config.write_text(
            f'state_dir = "{self.folder / "state"}"\n'
            '[providers.mine]\nbase_url = "http://127.0.0.1:9/v1"\ndialects = ["openai.chat"]\n'
            '[models.cheapo]\nprovider = "mine"\nmodel = "weak"\n'
            '[models.strong]\nprovider = "mine"\n'
            '[prices.weak]\ninput = "1"\noutput = "2"\n'
            f'[prices.strong]\ninput = "10"\noutput = "20"\n{cascade}'
        )

    @property
    def settings(self) -> Settings:
        """As the commands see them."""
        return load({"SCRIMP_CONFIG": str(self.config)}).settings

    def route(self, *args: str) -> Result:
        """What a command says."""
        env = {"SCRIMP_CONFIG": str(self.config), "COLUMNS": "140"}
        return CliRunner().invoke(cli, ["route", *args], env=env)

    def told(self, *args: str) -> dict[str, Any]:
        """The same for machines; it must have gone well."""
        result = self.route(*args, "--json")
        assert result.exit_code == 0, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    def of_weak(self, *args: str) -> dict[str, Any]:
        """Of the one model that drafts."""
        found: dict[str, Any] = self.told(*args)["models"]["weak"]
        return found

    def put(self, fit: Acceptance | None) -> None:
        """In place of what is there."""
        store = open_route_store(self.settings)
        asyncio.run(store.save(FITS, LearnedScores({"weak": fit}).pack()))

    def serve_by(self, fit: Acceptance | None) -> None:
        """A certificate of that fit that serves."""
        promise = LossPromise(0.05)
        ranking = f"{DRAFTS}{name_of(fit)}:c"
        subjects = Subjects(Place("key:ana", "qa"), "mine/strong", ("mine/weak",), promise, ranking)
        proof = Proof(subjects)
        while (asked := proof.decide(0.125, 0.5, barred=False)) is None or not asked.serve_cheap:
            if asked is not None and asked.shadow and proof.certificate is not None:
                proof.certificate.see(0.125, 0.0, asked)
        store = open_route_store(self.settings)
        asyncio.run(store.save(subjects.name, proof.save()))

    def teach(self, count: int, *, tell: Tell = "hedges", seed: int = 5) -> None:
        """Lessons as a cascade keeps them."""
        drafts = drafts_of_rows(read_rows(rows(count, tell=tell, seed=seed), "f"), "weak", "strong")
        lessons = [
            Lesson(
                place=Place("key:ana", "qa"),
                at=NOON,
                call=f"{seed}-{number}",
                model="weak",
                quality=one.quality,
                features=one.features,
                version=VERSION,
                source="shadow",
                propensity=0.5,
                loss=one.gain,
                reference="strong",
                cost_nanousd=1000,
            )
            for number, one in enumerate(drafts)
        ]
        asyncio.run(open_route_store(self.settings).add(tuple(lessons)))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """All of it."""
    return Desk(tmp_path)


def fitted(tell: Tell, seed: int = 2) -> Acceptance:
    """A score of other drafts."""
    found = columns_of(
        drafts_of_rows(read_rows(rows(200, tell=tell, seed=seed), "f"), "weak", "strong")
    )
    fit = found.fitted()
    assert fit is not None
    return fit


def test_a_score_from_a_file_goes_live_under_the_name_its_provider_knows(desk: Desk) -> None:
    """With its version, its numbers, and what the gate said; the same labels change nothing."""
    dry = desk.of_weak("train", "--score", str(desk.labels), "--dry-run")
    assert (dry["live"], dry["saved"], saved_fits(desk.settings)) == (True, False, {})
    found = desk.of_weak("train", "--score", str(desk.labels))
    assert (found["live"], found["saved"], found["before"]) == (True, True, None)
    assert (found["drafts"], found["compared"], found["reference"]) == (240, 240, "strong")
    assert [round(one["share"], 2) for one in found["served"]][-1] >= 0.75
    assert found["evaluation"]["lines"]["score"]["cost95"] < 0.9
    kept = saved_fits(desk.settings)["weak"]
    assert kept is not None
    assert kept.name == found["version"]
    assert kept.made is not None
    assert kept.made.gate == found["gate"]["why"]
    again = desk.of_weak("train", "--score", str(desk.labels))
    assert (again["same"], again["saved"]) == (True, False)
    shown = desk.route("train", "--score", str(desk.labels)).stdout
    assert "nothing changes" in shown
    status = desk.told("status")["scores"]["weak"]
    assert (status["version"], status["labels"]) == (found["version"], 240)
    assert (status["certificates"], status["served_by"]) == (0, 0)
    assert "nothing is being proven of it" in " ".join(desk.route("status").stdout.split())


def test_what_may_not_serve_is_not_saved_and_the_one_that_is_there_stays(desk: Desk) -> None:
    """It says how many drafts more would show it."""
    desk.labels.write_bytes(rows(60, tell="nothing"))
    first = desk.of_weak("train", "--score", str(desk.labels))
    assert (first["live"], first["saved"]) == (False, False)
    assert saved_fits(desk.settings) == {}
    mine = fitted("hedges")
    desk.put(mine)
    desk.labels.write_bytes(rows(30))
    few = desk.route("train", "--score", str(desk.labels)).stdout
    assert "About 20 drafts more" in few
    assert f"The one that is there stays ({mine.name})" in " ".join(few.split())
    kept = saved_fits(desk.settings)["weak"]
    assert kept is not None
    assert kept.name == mine.name


def test_lessons_are_learned_from_and_weigh_what_their_draw_says(desk: Desk) -> None:
    """A score that was learned of other drafts gives way to what the gateway compared."""
    desk.put(fitted("turns"))
    desk.teach(240)
    found = desk.of_weak("train", "--score")
    assert found["saved"], found["gate"]
    assert (found["source"], found["compared"]) == ("240 lessons", 240)
    assert found["gate"]["why"].count("at the same cost") == 2
    both = desk.of_weak("train", "--score", str(desk.labels), "--lessons", "--dry-run")
    assert both["source"] == "240 lessons, 240 labels of files"
    told = desk.of_weak("eval", "--score")
    assert told["evaluation"]["told_apart"] > 0.9
    assert desk.of_weak("eval", "--score", "--saved")["left_out"] == 240


def test_while_drafts_are_served_by_what_is_proven_another_fit_is_refused(desk: Desk) -> None:
    """Unless what is proven is given up in so many words; another model's may be learned."""
    old = fitted("turns")
    desk.put(old)
    desk.serve_by(old)
    refused = desk.route("train", "--score", str(desk.labels))
    assert refused.exit_code == 1
    told = " ".join(refused.stderr.split())
    assert "drafts of weak are served by a score that is proven (qa of key:ana)" in told
    assert "--restart gives up what is proven" in told
    status = desk.told("status")
    assert (status["scores"]["weak"]["certificates"], status["scores"]["weak"]["served_by"]) == (
        1,
        1,
    )
    assert desk.of_weak("train", "--score", str(desk.labels), "--dry-run")["live"]
    anew = desk.of_weak("train", "--score", str(desk.labels), "--restart")
    assert (anew["saved"], anew["begun_anew"]) == (True, ["qa of key:ana"])
    status = desk.told("status")
    assert status["scores"]["weak"]["certificates"] == 0
    assert status["routes"][0]["certificates"][0]["of_now"] is False
    shown = " ".join(desk.route("status").stdout.split())
    assert "of another version, which scores nothing any more" in shown


def test_what_a_gateway_learned_meanwhile_is_not_overwritten(desk: Desk) -> None:
    """The gate held the new one against what was there then."""
    old, new = fitted("turns"), replace(fitted("hedges"))
    desk.put(fitted("turns", seed=8))
    assert save_fits(desk.settings, {"weak": new}, {"weak": old}) is False
    assert save_fits(desk.settings, {"weak": new}, {}) is False
    kept = saved_fits(desk.settings)["weak"]
    assert kept is not None
    assert kept.name == fitted("turns", seed=8).name
    assert save_fits(desk.settings, {"weak": new}, {"weak": kept}) is True


def test_explain_scores_a_draft_and_says_whether_it_would_be_served(desk: Desk) -> None:
    """By what is proven, else by what a person has given; of a model without a score it says so."""
    nothing = desk.route("explain", "Where?", "--draft", "There.").stdout
    assert "Nothing was learned of this model's drafts" in nothing
    fit = fitted("hedges")
    desk.put(fit)
    unproven = desk.route("explain", "Where?", "--draft", "There.").stdout
    assert "No least score is proven of this fit" in unproven
    desk.serve_by(fit)
    sure = desk.told(
        "explain",
        "What is the capital of land aeiou?",
        "--draft",
        "It is the old town of aeiou by the river.",
    )
    unsure = desk.told(
        "explain",
        "What is the capital of land aeiou?",
        "--draft",
        "Maybe it is probably aeiou, I guess, perhaps.",
    )
    assert sure["score"] > unsure["score"]
    (certificate,) = sure["certificates"]
    assert certificate["least_score"] == 0.875
    shown = desk.route("explain", "Where?", "--draft", "Maybe perhaps probably, I guess.").stdout
    assert "proven from 0.875 on, so it is not served" in " ".join(shown.split())
    desk.configure('[cascade]\nmodels = ["cheapo", "strong"]\nchecks = ["score=0.2"]\n')
    assert desk.route("explain", "Where?", "--draft", "There.").exit_code == 2
    given = desk.told("explain", "Where?", "--draft", "There.", "--model", "cheapo")
    assert (given["given"], given["passes"]) == (0.2, given["score"] >= 0.2)
    assert (
        "0.2 is given as enough"
        in desk.route("explain", "W?", "--draft", "T.", "--model", "cheapo").stdout
    )
    assert desk.route("explain", "--draft", "There.").exit_code == 2


def test_a_picture_of_one_models_score(desk: Desk) -> None:
    """In the terminal, and as a PNG."""
    png = desk.folder / "score.png"
    shown = desk.route("eval", "--score", str(desk.labels), "--picture", str(png))
    assert shown.exit_code == 0, shown.output
    assert png.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    for words in ("* score", "blind mix", "oracle", "Drawn in"):
        assert words in shown.stdout
    desk.put(fitted("hedges"))
    assert "score of now" in desk.route("eval", "--score", str(desk.labels)).stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train", "--score"), "no lesson of a draft is kept"),
        (("train", "--restart"), "--restart is for --score"),
        (("train", "--score", "LABELS", "--models", "x"), "no draft of 'x'"),
        (("train", "--score", "LABELS", "--reference", "x"), "no label of the reference 'x'"),
        (("eval", "--score", "LABELS", "--by-task"), "are for the router"),
        (("eval", "--score", "LABELS", "--saved"), "no score of weak's drafts is kept"),
        (("eval",), "name a labelled file"),
        (("eval", "LABELS", "--lessons"), "are for --score"),
    ],
    ids=lambda one: "_".join(one) if isinstance(one, tuple) else "",
)
def test_what_cannot_be_done_is_refused_with_the_way_out(
    desk: Desk, words: tuple[str, ...], said: str
) -> None:
    """Each by name."""
    result = desk.route(*(str(desk.labels) if one == "LABELS" else one for one in words))
    assert result.exit_code != 0
    assert said in " ".join(result.stderr.split())


def test_a_file_without_answers_teaches_no_score(desk: Desk) -> None:
    """It says which field is missing."""
    desk.labels.write_bytes(rows(60).replace(b'"response"', b'"other"'))
    result = desk.route("train", "--score", str(desk.labels))
    assert (result.exit_code, "'response' or 'answer'" in result.stderr) == (1, True)


def test_drafts_that_are_all_alike_make_no_score(desk: Desk) -> None:
    """That is told, and nothing is saved."""
    desk.labels.write_bytes(rows(80, right=1.0))
    found = desk.of_weak("train", "--score", str(desk.labels))
    assert (found["live"], found["saved"], found["version"]) == (False, False, None)
    assert found["gate"]["why"] == "the drafts are too few, or all alike"
