"""`scrimp route`: train, eval, status and explain, from files to pictures; nobody is called."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from scrimp.by_choice import open_route_store, reader_of
from scrimp.choosing import Lesson, Place
from scrimp.cli.main import cli
from scrimp.cli.picture import drawn
from scrimp.cli.route_saved import save_ranking, saved_ranking
from scrimp.pipeline.acceptance_scores import FITS, LearnedScores, name_of
from scrimp.pipeline.proofs import DRAFTS, FIRST, Proof, Subjects
from scrimp.pipeline.saved_routes import VERSIONS, SavedRanking, write_versions
from scrimp.routing.picture_points import Line, Picture
from scrimp.routing.rows import read_rows
from scrimp.routing.standing import LossPromise
from scrimp.routing.text_features import pack
from scrimp.settings import Settings, load
from scrimp.studies.labelled import items_of
from scrimp.studies.training import trained
from tests.support.labelled import lines, rows


class Desk:
    """Settings with two models to choose from, labelled files, the command line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "scrimp.toml"
        self.configure('enabled = true\nmodels = ["weak", "strong"]\ndepth = "certified"\n')
        self.labels = folder / "labels.jsonl"
        self.labels.write_bytes(lines(*rows(160)))
        self.few = folder / "few.jsonl"
        self.few.write_bytes(lines(*rows(30, seed=5)))

    def configure(self, route: str) -> None:
        """Write the settings."""
        self.config.write_text(
            f'state_dir = "{self.folder / "state"}"\n'
            '[providers.mine]\nbase_url = "http://127.0.0.1:9/v1"\ndialects = ["openai.chat"]\n'
            '[models.weak]\nprovider = "mine"\n[models.strong]\nprovider = "mine"\n'
            '[prices.weak]\ninput = "1"\noutput = "2"\n'
            '[prices.strong]\ninput = "10"\noutput = "20"\n'
            f"[route]\n{route}"
        )

    @property
    def settings(self) -> Settings:
        """As the commands see them."""
        return load({"SCRIMP_CONFIG": str(self.config)}).settings

    def teach(self) -> None:
        """A router that serves, trained on the labels."""
        reader = reader_of()
        found = items_of(read_rows(self.labels.read_bytes(), "f"), reader, "local", lambda _: None)
        state = trained(found, reader.width).save()
        ranking = SavedRanking(reader.version, state, 320, "2026-01-01T00:00:00+00:00")
        save_ranking(self.settings, ranking)

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


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """All of it."""
    return Desk(tmp_path)


def test_a_router_that_beats_a_blind_mix_goes_live_and_stays(desk: Desk) -> None:
    """One that does not serves nothing, and takes no place of one that does."""
    first = desk.told("train", str(desk.few))
    assert (first["live"], first["saved"]) == (False, True)
    assert first["gate"]["why"].startswith("30 questions")
    good = desk.told("train", str(desk.labels))
    assert (good["live"], good["saved"]) == (True, True), good["gate"]
    assert good["labels"] == {"weak": 160, "strong": 160}
    evaluation = good["evaluation"]
    assert evaluation["lines"]["router"]["cost95"] < 0.9
    assert (evaluation["questions"], evaluation["best"]) == (160, "strong")
    pair = evaluation["pair"]
    assert pair["router"]["apgr"]["low"] > pair["blind mix"]["apgr"]["value"] == 0.5
    assert pair["oracle"]["apgr"]["value"] >= pair["router"]["apgr"]["value"]
    saved = saved_ranking(desk.settings)
    assert saved is not None
    assert (saved.live, saved.lessons, saved.features) == (True, 320, good["features"])
    again = desk.route("train", str(desk.few))
    assert again.exit_code == 0
    assert "The router that was trained before stays" in again.stdout
    assert saved_ranking(desk.settings) == saved


def test_what_is_learned_decides_where_a_call_would_go(desk: Desk) -> None:
    """Before training by rules, after it by chances, each with the numbers behind it."""
    desk.configure(
        'enabled = true\nmodels = ["weak", "strong"]\ndepth = "learned"\nmax_loss = 0.2\n'
    )
    before = desk.told("explain", "What is the capital?")
    assert before["candidates"]["weak"]["chance"] is None
    assert before["rung"] == "simple"
    desk.teach()
    easy = desk.told("explain", "What of the river and the animal, number 7?")
    hard = desk.told("explain", "What of the tensor and the manifold, number 7?")
    assert (easy["choice"], hard["choice"]) == ("weak", "strong")
    assert easy["why"] == hard["why"] == "within_loss"
    assert easy["candidates"]["weak"]["chance"] > hard["candidates"]["weak"]["chance"] + 0.2
    assert easy["candidates"]["weak"]["expected_nanousd"] > 0
    shown = desk.route("explain", "What of the river and the animal, number 7?").stdout
    assert "weak: the cheapest whose chance is near enough to the reference's" in shown
    assert "strong (reference)" in shown


def test_explain_knows_wishes_bodies_and_calls_that_are_not_routed(desk: Desk) -> None:
    """By header, by a model's name, by a whole body; what cannot be read is refused."""
    by_rules = desk.told("explain", "Prove the theorem", "--wish", "auto, depth=rules")
    assert (by_rules["depth"], by_rules["rung"]) == ("rules", "expert")
    dial = desk.told("explain", "Hi", "--model", "scrimp/auto:quality=0.9")["dial"]
    assert dial["max_loss"] == pytest.approx(0.1)
    assert desk.told("explain", "Hi", "--model", "strong")["why"] == "not_routed"
    body = desk.folder / "body.json"
    body.write_text(
        json.dumps({"model": "scrimp/cheap", "messages": [{"role": "user", "content": "Hi"}]})
    )
    assert desk.told("explain", "--call", str(body))["asked"] == "scrimp/cheap"
    assert desk.told("explain", "Hi")["why"] == "gathering"
    wrong = desk.route("explain", "Hi", "--wish", "autoo")
    assert (wrong.exit_code, "does not know 'autoo'" in wrong.stderr) == (1, True)
    assert desk.route("explain").exit_code == 2
    desk.configure("enabled = false\n")
    assert "there is nothing to choose from" in desk.route("explain", "Hi").stderr
    desk.configure('enabled = false\nmodels = ["weak", "strong"]\n')
    assert "Routing is off" in desk.route("explain", "Hi").stdout


def test_eval_tells_and_draws_quality_against_cost(desk: Desk) -> None:
    """Beside a blind mix, prompt length and an oracle; in the terminal, and as a PNG."""
    png = desk.folder / "curve.png"
    shown = desk.route("eval", str(desk.labels), "--picture", str(png))
    assert shown.exit_code == 0, shown.output
    assert png.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    for words in (" weak: ", "APGR", "prompt length", "strong (best single)", "Drawn in"):
        assert words in shown.stdout


def test_eval_on_other_questions_and_on_what_is_saved(desk: Desk) -> None:
    """A question in both files would be cheating; packed files are read, too."""
    packed = desk.folder / "test.jsonl.gz"
    packed.write_bytes(gzip.compress(lines(*rows(80, seed=9))))
    told = desk.told("eval", str(packed), "--train", str(desk.labels))
    assert (told["questions"], told["pair"]["router"]["apgr"]["value"] > 0.55) == (80, True)
    cheat = desk.route("eval", str(desk.labels), "--train", str(desk.labels))
    assert "160 questions stand in both" in cheat.stderr
    assert "nothing is saved" in desk.route("eval", str(packed), "--saved").stderr
    desk.teach()
    saved = desk.told("eval", str(packed), "--saved")
    assert saved["pair"]["router"]["apgr"]["value"] > 0.55
    packed.write_bytes(packed.read_bytes()[:40])
    assert "a broken gzip file" in desk.route("eval", str(packed)).stderr


def test_costs_come_from_tokens_and_prices_where_a_file_says_none(desk: Desk) -> None:
    """From the book, the settings, or --price; a model without a price is named."""
    fields = rows(60)
    for one in fields:
        for told in one["models"].values():
            del told["cost"]
            told["out_tokens_est"] = 100
        one["models"]["odd"] = one["models"].pop("strong")
    desk.labels.write_bytes(lines(*fields))
    missing = desk.route("eval", str(desk.labels))
    assert missing.exit_code == 1
    assert "--price odd=INPUT,OUTPUT" in missing.stderr
    told = desk.told("eval", str(desk.labels), "--price", "odd=10,20")
    assert told["models"]["weak"]["cost"] == pytest.approx(0.1, rel=0.01)
    wrong = desk.route("eval", str(desk.labels), "--price", "odd=cheap")
    assert "is not MODEL=INPUT,OUTPUT" in wrong.stderr


def test_what_cannot_be_trained_on_is_refused(desk: Desk) -> None:
    """No lessons, one model only, an unknown model or reference, too few questions."""
    assert "there are no lessons yet" in desk.route("train").stderr
    one = [{"prompt": f"p{n}", "model": "weak", "quality": 1} for n in range(3)]
    desk.labels.write_bytes(lines(*one))
    assert "labels of 1 model" in desk.route("train", str(desk.labels)).stderr
    assert "no label of 'x'" in desk.route("train", str(desk.few), "--models", "x,weak").stderr
    wrong = desk.route("train", str(desk.few), "--reference", "x")
    assert "no label of the reference 'x'" in wrong.stderr
    told = desk.told("train", str(desk.few), "--dry-run")
    assert (told["live"], told["saved"], told["evaluation"]) == (False, False, None)
    desk.labels.write_bytes(lines(*rows(10)))
    assert "at least 20 are needed" in desk.route("eval", str(desk.labels)).stderr


def test_status_tells_what_is_learned_and_proven(desk: Desk) -> None:
    """Before anything, with lessons and a certificate on its way, and with a router."""
    empty = desk.told("status")
    assert (empty["router"], empty["routes"], empty["savings"]) == (None, [], None)
    reader, place = reader_of(), Place("local", "factual_qa", "")
    lesson = Lesson(
        place=place,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        call="c",
        model="weak",
        quality=1.0,
        features=pack(reader.read("Why?")),
        version=reader.version,
        source="shadow",
    )
    proof = Proof(Subjects(place, "strong", ("weak",), LossPromise(0.02), "r1"))
    for number in range(FIRST):
        proof.decide(number / FIRST, 0.5, barred=False)

    drafts = Subjects(
        place, "o/strong", ("o/weak",), LossPromise(0.02), f"{DRAFTS}{name_of(None)}:c"
    )
    draft = Proof(drafts)
    while (asked := draft.decide(0.125, 0.5, barred=False)) is None or not asked.serve_cheap:
        if asked is not None and asked.shadow and draft.certificate is not None:
            draft.certificate.see(0.125, 0.0, asked)

    async def keep() -> None:
        store = open_route_store(desk.settings)
        await store.add((lesson,))
        await store.save(FITS, LearnedScores({"weak": None}).pack())
        await store.save(drafts.name, draft.save())
        await store.save(proof.subjects.name, proof.save())
        await store.save(VERSIONS, write_versions({"weak": "weak-2026-01"}))

    asyncio.run(keep())
    desk.teach()
    assert "weak is weak-2026-01" in desk.route("status").stdout
    told = desk.told("status")
    assert told["settings"]["depth"] == "certified"
    assert (told["router"]["live"], told["router"]["usable"]) == (True, True)
    assert told["models"] == {"weak": "weak-2026-01"}
    (route,) = told["routes"]
    assert (route["task"], route["labels"]) == ("factual_qa", {"weak": 1})
    one, other = sorted(route["certificates"], key=lambda told: str(told["of"]), reverse=True)
    assert (one["reference"], one["others"], one["live"]) == ("strong", ["weak"], None)
    assert (other["of"], other["live"], other["least_score"]) == ("cascade", 0, 0.875)
    shown = " ".join(desk.route("status").stdout.split())
    assert "drafts of o/weak before o/strong, by score: rung 0 is certified" in shown
    assert "drafts are served from a score of 0.875 on" in shown
    assert "factual_qa of local" in shown
    assert "nothing is certified yet" in shown
    assert "at most 0.02 of quality lost, with 95% confidence" in shown


def test_lessons_of_the_gateway_can_be_learned_from(desk: Desk) -> None:
    """They hold features, no text."""
    reader, place = reader_of(), Place("local", "general", "")
    lessons = [
        Lesson(
            place=place,
            at=datetime(2026, 1, 1, tzinfo=UTC),
            call=f"c{number}",
            model=model,
            quality=one["models"][model]["quality"],
            features=pack(reader.read(one["prompt"])),
            version=reader.version,
            source="shadow",
            cost_nanousd=1000 if model == "weak" else 10_000,
        )
        for number, one in enumerate(rows(80, seed=4))
        for model in ("weak", "strong")
    ]
    asyncio.run(open_route_store(desk.settings).add(tuple(lessons)))
    alone = desk.told("train", "--dry-run")
    assert (alone["questions"], alone["labels"]) == (80, {"weak": 80, "strong": 80})
    assert alone["evaluation"]["questions"] == 80


def test_a_picture_fits_a_terminal() -> None:
    """Whatever the numbers: one point, equal qualities, costs of nothing."""
    pictures = [
        Picture({"a": (1.0, 0.5)}, (Line("blind mix", ((1.0, 0.5),)),), "a", 1.0),
        Picture({"a": (0.0, 1.0), "b": (0.0, 1.0)}, (), "a", 1.0),
        Picture(
            {"a": (1.0, 0.9), "b": (3.0, 0.1)}, (Line("router", ((0.0, 0.0), (3.0, 1.0))),), "a", 1
        ),
    ]
    for one in pictures:
        told = [line.plain for line in drawn(one)]
        assert all(len(line) <= 100 for line in told)
        assert any(set(line[8:].strip()) & set("AB") for line in told[:16])


def test_help_has_examples(desk: Desk) -> None:
    """Of the group and of each command."""
    assert "train" in desk.route("--help").stdout
    for command in ("train", "eval", "explain", "status"):
        assert f"scrimp route {command}" in desk.route(command, "--help").stdout


_NO_NUMBERS = """
import sys
sys.modules["numpy"] = None
from scrimp.cli.main import cli
cli(["route", "status", "--json"], standalone_mode=False)
"""


def test_status_needs_no_extra_where_rules_are_all_that_is_wanted(desk: Desk) -> None:
    """At another depth it says what is missing."""
    env = {**os.environ, "SCRIMP_CONFIG": str(desk.config)}
    args = [sys.executable, "-c", _NO_NUMBERS]
    missing = subprocess.run(args, env=env, capture_output=True, text=True, check=False)
    assert missing.returncode != 0
    assert "pip install 'scrimp[routing]'" in missing.stderr
    desk.configure('enabled = true\nmodels = ["weak", "strong"]\ndepth = "rules"\n')
    found = subprocess.run(args, env=env, capture_output=True, text=True, check=True)
    assert json.loads(found.stdout)["settings"]["depth"] == "rules"
