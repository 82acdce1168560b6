"""Answers by meaning through both SDKs, with the embedded model: what is served, what is not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from scrimp.app import open_app
from scrimp.cli.cache_semantic import semantic_stats, show_semantic
from scrimp.cli.report import _by_meaning
from scrimp.errors import ConfigError
from scrimp.settings import Loaded, parse
from tests.support.gateway import RunningGateway
from tests.support.sdk import VENDORS, Clients, Said, Vendor, clients
from tests.support.stage import Stage, staged, until

CLASSIC = """
[semantic_cache]
enabled = true
threshold = 0.8
limit_s = 10
"""
ENDPOINT = (
    'embedder = "endpoint"\nembedder_provider = "{0}"\nembedder_model = "m"\n[providers.{1}]\n'
)
ROOT = "How do I reset my password?"
PARAPHRASES = ("How can I reset my password?", "How do I go about resetting my password?")
TRAPS = {
    "Which flights go from Oslo to Rome?": "Which flights go from Rome to Oslo?",
    "What were the holidays of 2023?": "What were the holidays of 2024?",
    "Can I travel with a passport?": "Can I travel without a passport?",
    "How do I enable notifications?": "How do I disable notifications?",
}


@dataclass(frozen=True, slots=True)
class Scene:
    """A provider, a gateway with a semantic cache, and both SDKs."""

    stage: Stage
    sdk: Clients

    @property
    def gateway(self) -> RunningGateway:
        """The gateway."""
        return self.stage.gateway

    def ask(self, vendor: Vendor, text: str, *, stream: bool = False) -> tuple[Said, str]:
        """The answer and who gave it, once all that was to learn from it is learned."""
        before = len(self.gateway.entries())
        said = self.sdk.ask(vendor, text, stream=stream)
        assert said.error is None, said.error
        until(lambda: len(self.gateway.entries()) > before)
        meanings = self.gateway.app.meanings
        assert meanings is not None
        asyncio.run_coroutine_threadsafe(
            meanings.later.drained(),
            self.gateway._loop,  # the gateway's own thread
        ).result(20)
        return said, self.gateway.entries()[-1].served_by


@contextmanager
def scene(more: str = CLASSIC) -> Iterator[Scene]:
    """Everything, on free ports."""
    with staged(more=more) as stage, clients(stage.url) as sdk:
        yield Scene(stage, sdk)


@pytest.mark.parametrize("vendor", VENDORS)
def test_paraphrases_are_served_as_documents_and_as_streams(vendor: Vendor) -> None:
    """In each dialect: the first is asked, later wordings get its answer and save its cost."""
    with scene() as here:
        first, by = here.ask(vendor, ROOT)
        assert by == "upstream"
        for stream, text in zip((False, True), PARAPHRASES, strict=True):
            said, by = here.ask(vendor, text, stream=stream)
            assert (said.text, said.finish, by) == (first.text, first.finish, "semantic_cache")
        entry = here.gateway.entries()[-1]
        assert (entry.cost_nanousd, entry.saved) == (
            0,
            (("semantic_cache", entry.baseline_nanousd),),
        )
        assert len(here.gateway.entries()) == 3


def test_traps_are_not_served() -> None:
    """Another order of words, another year, a negation, an opposite: near, and not the same."""
    with scene(CLASSIC.replace("0.8", "0.7")) as here:
        for one, other in TRAPS.items():
            assert here.ask("openai", one)[1] == "upstream"
            assert here.ask("openai", other)[1] == "upstream", other


def test_a_thumb_down_ends_an_answer_and_its_headers_tell_what_it_was() -> None:
    """By the id of the answer; the next one who asks gets a fresh one."""
    with scene() as here:
        here.ask("openai", ROOT)
        raw = here.sdk.openai.chat.completions.with_raw_response.create(
            model="gpt-4o-mini",
            max_completion_tokens=400,
            messages=[{"role": "user", "content": PARAPHRASES[0]}],
        )
        told = raw.headers
        assert told["x-scrimp-served-by"] == "semantic_cache"
        assert told["x-scrimp-semantic-bound"] == "none"
        assert told["x-scrimp-semantic-p"].startswith("cosine 0.")
        assert int(told["x-scrimp-semantic-age-s"]) >= 0
        url = f"{here.stage.url}/v1/scrimp/feedback"
        bad = httpx2.post(url, json={"id": told["x-scrimp-id"], "verdict": "meh"})
        assert (bad.status_code, "verdict" in bad.text) == (400, True)
        unknown = {"id": "nobody", "verdict": "down"}
        for headers, code in (({}, "not_found"), ({"anthropic-version": "2023-06-01"}, None)):
            none = httpx2.post(url, json=unknown, headers=headers)
            error = none.json()["error"]
            assert (none.status_code, error.get("code")) == (404, code)
            assert error["message"] == "no call 'nobody' here"
            assert error["type"] == ("not_found_error" if headers else "invalid_request_error")
        done = httpx2.post(url, json={"id": told["x-scrimp-id"], "verdict": "down"})
        assert done.json() == {"id": told["x-scrimp-id"], "done": "quarantined"}
        assert here.ask("openai", PARAPHRASES[1])[1] == "upstream"


def test_under_a_bound_nothing_is_served_before_anything_is_proven() -> None:
    """The trace says how many verdicts are missing, and each miss is compared and learned from."""
    with scene("[semantic_cache]\nenabled = true\nlimit_s = 10\n") as here:
        assert here.ask("openai", ROOT)[1] == "upstream"
        assert here.ask("openai", PARAPHRASES[0])[1] == "upstream"
        (line,) = [
            line for line in here.gateway.entries()[-1].trace if line.lever == "semantic_cache"
        ]
        told = dict(line.numbers)
        assert (line.verdict, told["why"]) == ("explore", "learning")
        assert int(told["missing"]) > 100


def test_the_gateway_tells_how_its_answers_by_meaning_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Counts by tenant and task type, errors, what is missing, who judges; to whom it is."""
    with scene(CLASSIC + "audits = 1.0\n") as here:
        for text in (ROOT, *PARAPHRASES):
            here.ask("openai", text)
        told = httpx2.get(f"{here.stage.url}/v1/scrimp/cache").json()["semantic"]
        scopes = told["scopes"]
        assert sum(one["audits"] for one in scopes) == 2
        assert sum(one["misses"] for one in scopes) == 3
        judged = [one for one in scopes if one["judged"]]
        assert all(one["wrong_share"] <= one["wrong_upper"] <= 1 for one in judged)
        assert {one["tenant"] for one in scopes} == {"local"}
        judges = ["equal", "json", "numbers", "code", "embedding"]
        assert [one["judge"] for one in told["judges"]] == judges
        assert all(0 <= one["error"] <= 0.1 for one in told["judges"])
        seen = semantic_stats(here.gateway.loaded, {"semantic": told}, None, None)
        assert seen is not None
        show_semantic(seen)
        assert "embedding 10.0% wrong, as estimated" in " ".join(capsys.readouterr().out.split())


def test_scrimp_cache_stats_reads_a_file_without_a_gateway(tmp_path: Path) -> None:
    """Counts from the file, savings from the ledger; nothing was judged, so nothing is known."""
    more = CLASSIC + f'engine = "sqlite"\npath = "{tmp_path / "semantic.sqlite"}"\n'
    more += '[exact_cache]\nengine = "sqlite"\n'
    with scene(more) as here:
        here.ask("openai", ROOT)
        here.ask("openai", PARAPHRASES[0])
        here.gateway.stop()
        loaded = here.gateway.loaded
        told = semantic_stats(loaded, {}, None, None)
        assert told is not None
        (one,) = told["scopes"]
        assert (one["questions"], one["hits"], one["missing"]) == (1, 1, 0)
        assert one["saved_nanousd"] == one["net_nanousd"] == told["saved_nanousd"]
        assert told["net_nanousd"] == told["saved_nanousd"] > 0
        show_semantic(told)
        assert ((tmp_path / "semantic.sqlite").stat().st_mode & 0o777) == 0o600


def test_a_model_that_judges_is_booked_by_itself_and_never_in_the_way() -> None:
    """Its calls are audits with a tag, under no key; one that says neither word teaches nothing."""
    more = '[semantic_cache]\nenabled = true\nlimit_s = 10\njudge_model = "claude-haiku-4-5"\n'
    with scene(more) as here:
        for text in (ROOT, PARAPHRASES[0]):
            here.sdk.ask("openai", text, stream=False)
        until(lambda: any(entry.purpose == "audit" for entry in here.gateway.entries()))
        entries = here.gateway.entries()
        assert [entry.purpose for entry in entries].count("client") == 2
        audits = [entry for entry in entries if entry.purpose == "audit"]
        assert {(one.model, one.key, one.tags) for one in audits} == {
            ("claude-haiku-4-5", "", ("scrimp-audit", "scrimp-audit-semantic"))
        }
        assert all(one.cost_nanousd and one.status == 200 for one in audits)
        assert all("semantic_cache" not in {line.lever for line in one.trace} for one in audits)


def test_judging_that_came_to_no_verdict_is_taken_off_what_was_saved() -> None:
    """The provider bills it all the same; the log of verdicts does not know of it."""
    more = f'{CLASSIC}audits = 1.0\njudges = ["model"]\njudge_model = "claude-haiku-4-5"\n'
    with scene(more) as here:
        for text in (ROOT, PARAPHRASES[0]):
            here.ask("openai", text)
        until(lambda: any(entry.purpose == "audit" for entry in here.gateway.entries()))
        cost = sum(
            entry.cost_nanousd or 0 for entry in here.gateway.entries() if entry.purpose == "audit"
        )
        here.gateway.stop()
        seen: dict[str, Any] = {"semantic": {"scopes": []}}
        told = semantic_stats(here.gateway.loaded, seen, None, None)
        assert told is not None
        assert told["judge_nanousd"] == cost > 0
        assert told["net_nanousd"] == told["saved_nanousd"] - cost
        strangers = semantic_stats(here.gateway.loaded, seen, None, "key:nobody")
        assert strangers is not None
        assert strangers["judge_nanousd"] == 0


def test_what_was_served_by_meaning_is_not_remembered_word_for_word() -> None:
    """The same wording again is decided again, so that a group out of service stays out."""
    with scene() as here:
        here.ask("openai", ROOT)
        assert here.ask("openai", PARAPHRASES[0])[1] == "semantic_cache"
        assert here.ask("openai", PARAPHRASES[0])[1] == "semantic_cache"
        assert here.ask("openai", ROOT)[1] == "exact_cache"


def test_switched_off_nothing_of_it_is_there() -> None:
    """No lever, no line in the trace; feedback says how to switch it on."""
    with staged() as stage, clients(stage.url) as sdk:
        sdk.ask("openai", ROOT, stream=False)
        (entry,) = stage.gateway.entries()
        assert [line for line in entry.trace if line.lever == "semantic_cache"] == []
        assert "semantic_cache" not in stage.gateway.app.levers
        answer = httpx2.post(
            f"{stage.url}/v1/scrimp/feedback", json={"id": entry.id, "verdict": "up"}
        )
        assert (answer.status_code, "[semantic_cache] or [route]" in answer.text) == (400, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('judge_model = "nobody-has-it"', "semantic_cache.judge_model"),
        ('embedder = "magic"', "there is no embedder 'magic'"),
        ('embedder = "fastembed"', "pip install 'scrimp[fastembed]'"),
        (ENDPOINT.format("nobody", "openai"), "embedder_provider 'nobody' is not configured"),
        (ENDPOINT.format("anthropic", "anthropic"), "'anthropic' has no embeddings, it speaks"),
        (ENDPOINT.format("openai", "openai"), "how long are the vectors of 'm'?"),
    ],
)
async def test_what_cannot_work_says_so_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    """Before anything is served, with the way out."""
    toml = f'state_dir = "{tmp_path}"\n[semantic_cache]\nenabled = true\n{text}\n'
    loaded = Loaded(parse(toml.encode(), source="x"), "x", {})
    with pytest.raises(ConfigError, match=r".") as caught:
        async with open_app(loaded):
            raise AssertionError
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_forgets_its_answers_by_meaning_with_the_others() -> None:
    """DELETE of the cache is of both: nobody is served what he was told is gone."""
    with scene() as here:
        here.ask("openai", ROOT)
        assert here.ask("openai", PARAPHRASES[0])[1] == "semantic_cache"
        gone = httpx2.delete(f"{here.stage.url}/v1/scrimp/cache")
        caches = {"exact_cache": 1, "semantic_cache": 1}
        assert gone.json() == {"cleared": 2, "caches": caches}
        assert here.ask("openai", PARAPHRASES[1])[1] == "upstream"


def test_a_file_and_the_report_tell_what_is_wrong_without_a_gateway(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By scope: what was judged, the wrong share with its bound, audits, and money net of them."""
    file = tmp_path / "semantic.sqlite"
    more = f'{CLASSIC}audits = 1.0\nengine = "sqlite"\npath = "{file}"\n'
    more += "[exact_cache]\nenabled = false\n"
    with scene(more) as here:
        here.ask("openai", ROOT)
        here.ask("openai", ROOT)  # its answer is judged: the same
        here.gateway.stop()
        loaded = here.gateway.loaded
        told = semantic_stats(loaded, {}, None, None)
        assert told is not None
        (one,) = told["scopes"]
        assert (one["audits"], one["judged"], one["missing"]) == (1, 1, 0)
        assert 0 <= one["wrong_share"] <= one["wrong_upper"] <= 1
        shown = _by_meaning(loaded, (datetime.now(UTC) - timedelta(1), datetime.now(UTC)))
        assert shown["semantic_cache"]["scopes"] == told["scopes"]
        assert shown["semantic_cache"]["days"] is None
        show_semantic(shown["semantic_cache"])
        words = " ".join(capsys.readouterr().out.split())
        assert "in this time" in words
        assert "questions audits saved judging net" in words
