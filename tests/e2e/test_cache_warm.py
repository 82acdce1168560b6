"""`scrimp cache warm`: what it remembers is what the SDKs' calls of the same shape are answered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from click.testing import CliRunner, Result

from scrimp.cli.main import cli
from scrimp.ports import Entry
from scrimp.shell.wire import sha256_hex
from scrimp.simulator import Simulator
from scrimp.stores.sqlite_ledger_read import LedgerReader
from tests.support.gateway import gateway
from tests.support.sdk import clients

FAQ = (
    '{"question": "How do I return it?", "answer": "Print the label.", "tags": ["faq"]}\n'
    '{"question": "Where is my order?"}\n{"question": "When do you open?"}\n'
)


class Desk:
    """A provider, settings of a cache in a file, and the command line before them."""

    def __init__(self, sim: Simulator, folder: Path) -> None:
        self.sim = sim
        self.folder = folder
        self.state = folder / "state"
        self.faq = folder / "faq.jsonl"
        self.faq.write_text(FAQ)
        self.cache = f'[exact_cache]\nengine = "sqlite"\npath = "{folder / "cache.sqlite"}"\n'
        self.env: dict[str, str] = {"OPENAI_KEY": "sk-o", "ANTHROPIC_KEY": "sk-a"}
        self.configure()

    def configure(self, more: str = "") -> None:
        """Write the settings."""
        config = self.folder / "scrimp.toml"
        config.write_text(
            f'state_dir = "{self.state}"\n{self.cache}{more}\n'
            f'[providers.openai]\nbase_url = "{self.sim.url}/v1"\n'
            'dialects = ["openai.chat", "openai.responses"]\nkey_env = "OPENAI_KEY"\n'
            f'[providers.anthropic]\nbase_url = "{self.sim.url}/v1"\n'
            'dialects = ["anthropic.messages"]\nkey_env = "ANTHROPIC_KEY"\n'
        )
        self.env["SCRIMP_CONFIG"] = str(config)

    def warm(self, *args: str) -> Result:
        """What the command says."""
        return CliRunner().invoke(cli, ["cache", "warm", *args], env=self.env)

    def told(self, *args: str) -> dict[str, Any]:
        """The same for machines; it must have gone well."""
        result = self.warm(*args, "--json")
        assert result.exit_code == 0, result.output
        told: dict[str, Any] = json.loads(result.stdout)
        return told

    def entries(self) -> list[Entry]:
        """What the command booked."""
        return LedgerReader(self.state / "ledger.sqlite").recent(100)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """All of it."""
    with Simulator() as sim:
        yield Desk(sim, tmp_path)


def like(desk: Desk, fields: Mapping[str, Any]) -> str:
    """A template's file."""
    path = desk.folder / "body.json"
    path.write_text(json.dumps(fields))
    return str(path)


def test_the_plain_call_of_an_sdk_is_answered(desk: Desk) -> None:
    """Given and asked answers, as JSON and as a stream; nothing is paid for twice."""
    told = desk.told(str(desk.faq), "--model", "gpt-4o-mini", "--yes")
    assert (told["given"], told["asked"], told["failed"]) == (1, 2, 0)
    assert told["spent_nanousd"] == desk.sim.bill.total_nanousd > 0
    assert {(one.purpose, one.cost_basis) for one in desk.entries()} == {("warm", "usage")}
    assert sum(one.cost_nanousd or 0 for one in desk.entries()) == told["spent_nanousd"]
    with gateway(desk.sim.url, more=desk.cache) as running, clients(running.url) as both:
        client = both.openai
        for question in ("How do I return it?", "Where is my order?", "When do you open?"):
            messages: Any = [{"role": "user", "content": question}]
            reply = client.chat.completions.with_raw_response.create(
                model="gpt-4o-mini", messages=messages
            )
            assert reply.headers["x-scrimp-served-by"] == "exact_cache"
        said = "".join(
            piece.choices[0].delta.content or ""
            for piece in client.chat.completions.create(
                model="gpt-4o-mini",
                messages=[{"role": "user", "content": "How do I return it?"}],
                stream=True,
            )
            if piece.choices
        )
        assert said == "Print the label."
        assert [one.saved[0][1] > 0 for one in running.entries()] == [True] * 4
    assert len(desk.sim.requests) == 2


def test_the_shape_of_an_app_is_warmed(desk: Desk) -> None:
    """By a template: a Claude call with a system prompt and a temperature of its own."""
    shape = {
        "model": "claude-haiku-4-5",
        "max_tokens": 300,
        "temperature": 0.1,
        "system": "You answer for the shop.",
        "messages": [{"role": "user", "content": "<q>{question}</q>"}],
    }
    with anthropic.Anthropic(api_key="x") as sdk:
        version = f"anthropic-version: {sdk.default_headers['anthropic-version']}"
    args = (str(desk.faq), "--like", like(desk, shape), "--header", version, "--yes")
    assert desk.told(*args)["asked"] == 2
    with gateway(desk.sim.url, more=desk.cache) as running, clients(running.url) as both:

        def ask(temperature: float) -> tuple[str, str]:
            raw = both.anthropic.messages.with_raw_response.create(
                model="claude-haiku-4-5",
                max_tokens=300,
                extra_body={"temperature": temperature},
                system="You answer for the shop.",
                messages=[{"role": "user", "content": "<q>How do I return it?</q>"}],
            )
            message: anthropic.types.Message = raw.parse()
            block = message.content[0]
            assert isinstance(block, anthropic.types.TextBlock)
            return raw.headers["x-scrimp-served-by"], block.text

        assert ask(0.1) == ("exact_cache", "Print the label.")
        assert ask(0.2)[0] == "upstream"


def test_a_response_is_given_too(desk: Desk) -> None:
    """OpenAI's responses, where they are not kept by the provider."""
    shape = {"model": "gpt-4o-mini", "input": "x", "store": False}
    assert desk.told(str(desk.faq), "--like", like(desk, shape), "--yes")["given"] == 1
    with gateway(desk.sim.url, more=desk.cache) as running, clients(running.url) as both:
        reply = both.openai.responses.create(
            model="gpt-4o-mini", input="How do I return it?", store=False
        )
        assert reply.output_text == "Print the label."


def test_what_was_broken_off_goes_on(desk: Desk) -> None:
    """Nothing that is remembered is asked for again; a dry run spends nothing."""
    args = (str(desk.faq), "--model", "gpt-4o-mini")
    dry = desk.told(*args, "--dry-run")
    assert (dry["to_ask"], dry["to_give"], desk.sim.requests) == (2, 1, ())
    assert dry["upper_nanousd"] > dry["expected_nanousd"] > 0
    desk.told(*args, "--yes")
    again = desk.told(*args, "--yes")
    assert (again["already"], again["to_ask"], again["spent_nanousd"]) == (3, 0, 0)
    assert len(desk.sim.requests) == 2


def test_money_is_spent_when_somebody_says_so(desk: Desk) -> None:
    """Without a terminal and without --yes nothing is; with a budget no more than that."""
    args = (str(desk.faq), "--model", "gpt-4o-mini")
    result = desk.warm(*args)
    assert result.exit_code == 2
    assert "this spends money: say --yes" in result.stderr
    assert "at most $0.0" in result.stdout
    dry = desk.told(*args, "--dry-run")
    one_call = dry["upper_nanousd"] * 3 // 4
    told = desk.told(*args, "--yes", "--budget", f"0.{one_call:09d}", "--concurrency", "3")
    assert (told["asked"], told["over_budget"]) == (1, 1)
    assert desk.sim.bill.total_nanousd <= one_call
    assert len(desk.sim.requests) == 1


def test_a_provider_that_fails_is_told(desk: Desk) -> None:
    """The exit code says that not all went well, and the line which; a second run mends it."""
    desk.faq.write_text('{"question": "One?"}\n{"question": "Two?"}\n')
    desk.configure("[retry]\nattempts = 1\n")
    args = (str(desk.faq), "--model", "gpt-4o-mini", "--yes", "--concurrency", "1")
    desk.sim.fault("500", count=1)
    result = desk.warm(*args)
    assert result.exit_code == 1
    assert "faq.jsonl, line 1: the provider answered 500" in " ".join(result.stderr.split())
    assert desk.told(*args)["asked"] == 1


def test_a_gateways_memory_is_warmed_by_asking_it(desk: Desk) -> None:
    """With the key of whoever types; only that key's calls are answered."""
    keys = "".join(
        f'[[keys]]\nname = "{name}"\nsha256 = "{sha256_hex(f"sk-{name}")}"\n'
        for name in ("ana", "ben")
    )
    with gateway(desk.sim.url, more=keys) as running:
        desk.cache = ""
        desk.configure(f"[server]\nport = {running.url.rpartition(':')[2]}\n")
        desk.env["SCRIMP_KEY"] = "sk-ana"
        args = (str(desk.faq), "--model", "gpt-4o-mini", "--yes")
        assert desk.told(*args)["asked"] == 2
        assert desk.told(*args)["already"] == 3
        for key, served in (("ana", "exact_cache"), ("ben", "upstream")):
            with openai.OpenAI(base_url=running.openai_url, api_key=f"sk-{key}") as client:
                reply = client.chat.completions.with_raw_response.create(
                    model="gpt-4o-mini",
                    messages=[{"role": "user", "content": "When do you open?"}],
                )
            assert reply.headers["x-scrimp-served-by"] == served
        warm = [one for one in running.entries() if one.purpose == "warm"]
        assert {one.key for one in warm} == {"ana"}


def test_whose_answers_must_be_said_where_there_are_keys(desk: Desk) -> None:
    """Each key has answers of its own."""
    key = f'[[keys]]\nname = "ana"\nsha256 = "{sha256_hex("sk-ana")}"\n'
    desk.configure(key)
    args = (str(desk.faq), "--model", "gpt-4o-mini", "--yes")
    refused = desk.warm(*args)
    assert (refused.exit_code, "--tenant key:NAME" in refused.stderr) == (2, True)
    assert "there is no key 'eve'" in desk.warm(*args, "--tenant", "key:eve").stderr
    assert desk.told(*args, "--tenant", "key:ana")["asked"] == 2
    with (
        gateway(desk.sim.url, more=desk.cache + key) as running,
        openai.OpenAI(base_url=running.openai_url, api_key="sk-ana") as client,
    ):
        reply = client.chat.completions.with_raw_response.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "When do you open?"}]
        )
        assert reply.headers["x-scrimp-served-by"] == "exact_cache"


def test_the_ledgers_own_questions(desk: Desk) -> None:
    """What was asked most often comes first; without texts in the ledger it is refused."""
    refused = desk.warm("--from-ledger")
    assert refused.exit_code == 1
    keep = "[ledger]\nkeep_content = true\n"
    desk.configure(keep)
    state = f'path = "{desk.state / "ledger.sqlite"}"\n'
    with (
        gateway(desk.sim.url, more=f"{keep}{state}[exact_cache]\nenabled = false\n") as running,
        clients(running.url) as both,
    ):
        for question, times in (("Often?", 3), ("Seldom?", 1)):
            for _ in range(times):
                both.ask("openai", question, stream=False)
        running.settle()
    asked = len(desk.sim.requests)
    told = desk.told("--from-ledger", "--top", "1", "--tag", "top", "--yes")
    assert (told["calls"], told["asked"]) == (1, 1)
    assert "Often?" in str(desk.sim.requests[asked].body)
    assert desk.told("--from-ledger", "--yes")["already"] == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"question": "x", "task": "creative"}', "never answered from the exact cache"),
        ('{"question": "x", "task": "no such"}', "is not a task type"),
        ('{"question": "x", "model": "nobody-1"}', "line 1"),
    ],
)
def test_what_can_never_be_warm_is_refused_first(desk: Desk, line: str, words: str) -> None:
    """With its line, before anything is spent."""
    desk.faq.write_text(line + "\n")
    result = desk.warm(str(desk.faq), "--model", "gpt-4o-mini", "--yes")
    assert result.exit_code == 1
    assert words in result.stderr
    assert desk.sim.requests == ()
