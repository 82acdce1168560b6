"""Real SDKs over several upstreams of which some fail: who answers, what is told and booked."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import openai
import pytest

from scrimp.ledger.explain import explain
from scrimp.ports import Entry
from scrimp.simulator import Simulator
from tests.support.faults import ASK, check_money, is_right_class
from tests.support.gateway import RunningGateway, gateway
from tests.support.sdk import VENDORS, Clients, Said, Vendor, clients
from tests.support.stage import until

PROVIDERS = """
[providers.openai]
base_url = "{url}/v1"
dialects = ["openai.chat", "openai.responses"]
key_env = "OPENAI_KEY"
timeouts = {{ first_byte_s = 0.4, idle_s = 0.4 }}
[providers.azure]
base_url = "{url}/u2/v1"
dialects = ["openai.chat", "openai.responses"]
prices_as = "openai"
key_env = "AZURE_KEY"
[providers.anthropic]
base_url = "{url}/u3/v1"
dialects = ["anthropic.messages"]
key_env = "ANTHROPIC_KEY"
timeouts = {{ first_byte_s = 0.4, idle_s = 0.4 }}
[providers.claude-elsewhere]
base_url = "{url}/u2/v1"
dialects = ["anthropic.messages"]
prices_as = "anthropic"
key_env = "CLAUDE_KEY"
"""
CHAINS = """
[exact_cache]
enabled = false
[retry]
attempts = 2
base_s = 0.001
max_wait_s = 0.002
[fallback.models]
"gpt-4o-mini" = ["azure/gpt-4o-mini", "claude-haiku-4-5"]
"claude-haiku-4-5" = ["claude-elsewhere/claude-haiku-4-5", "gpt-4o-mini"]
"text-embedding-3-small" = ["openai/text-embedding-3-large", "azure/text-embedding-3-small"]
"""
PATIENT = "[fallback.circuit]\nleast_calls = 10000\n"
QUICK = "[fallback.circuit]\nleast_calls = 4\nopen_s = 3600\nlongest_open_s = 3600\n"
HEADER = "x-scrimp-fallback"


@dataclass(frozen=True, slots=True)
class Stage:
    """Three upstreams, a gateway in front of them, both SDKs in front of that."""

    sim: Simulator
    gateway: RunningGateway
    clients: Clients

    def call(self, vendor: Vendor, *, stream: bool) -> tuple[Said, Entry]:
        """One call; what was said, and its entry."""
        before = len(self.gateway.entries())
        said = self.clients.ask(vendor, ASK, stream=stream)
        entries = self.gateway.entries()
        assert len(entries) == before + 1
        return said, entries[-1]

    def reset(self) -> None:
        """All upstreams are well, and have seen nothing."""
        for one in self.sim.upstreams:
            one.reset()

    def billed(self) -> int:
        """What all upstreams bill, when they are quiet."""
        return sum(one.quiet().total_nanousd for one in self.sim.upstreams)

    def asked(self) -> list[int]:
        """How many requests each upstream got."""
        return [len(one.requests) for one in self.sim.upstreams]


@contextmanager
def staged(more: str = PATIENT) -> Iterator[Stage]:
    """On free ports."""
    with (
        Simulator(upstreams=3) as sim,
        gateway(sim.url, more=CHAINS + more, providers=PROVIDERS.format(url=sim.url)) as running,
        clients(running.url) as both,
    ):
        yield Stage(sim, running, both)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """One for all calls whose circuits stay closed."""
    with staged(f"{PATIENT}[fallback]\nleast_ms = 12000\n") as one:
        yield one


def verdicts(entry: Entry) -> list[str]:
    """What the lever said."""
    return [line.verdict for line in entry.trace if line.lever == "fallback"]


def home(vendor: Vendor) -> int:
    """The upstream that a vendor's calls go to."""
    return 2 if vendor == "anthropic" else 0


BEFORE_A_BYTE = ("429", "500", "502", "503", "529", "timeout", "cut=0", "reset=0", "hangup")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", BEFORE_A_BYTE)
@pytest.mark.parametrize("vendor", VENDORS)
def test_another_upstream_answers(stage: Stage, vendor: Vendor, fault: str, stream: bool) -> None:  # noqa: FBT001 (a table)
    """The same model elsewhere: a whole answer, the true name, all attempts booked."""
    stage.reset()
    stage.sim.upstreams[home(vendor)].fault(fault)
    said, entry = stage.call(vendor, stream=stream)
    assert said.error is None
    assert said.text
    assert entry.provider == ("claude-elsewhere" if vendor == "anthropic" else "azure")
    assert verdicts(entry) == ["failed", "instead"]
    assert [attempt.outcome == "ok" for attempt in entry.attempts] == [False, False, True]
    check_money(stage.billed(), [entry])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_a_model_of_the_other_vendor_answers(stage: Stage, vendor: Vendor, stream: bool) -> None:  # noqa: FBT001 (a table)
    """Two are down: OpenAI's client hears Claude and the other way round, in its own dialect."""
    stage.reset()
    up = 0 if vendor == "anthropic" else 2
    for number in {0, 1, 2} - {up}:
        stage.sim.upstreams[number].fault("503")
    said, entry = stage.call(vendor, stream=stream)
    assert said.error is None
    assert said.text
    assert (entry.provider, entry.status) == (("openai", "anthropic")[up == 2], 200)
    assert verdicts(entry) == ["failed", "instead", "failed", "instead"]
    assert entry.model_requested != entry.model
    assert dict(entry.saved)["fallback"] != 0
    check_money(stage.billed(), [entry])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_all_are_down(stage: Stage, vendor: Vendor, stream: bool) -> None:  # noqa: FBT001 (a table)
    """The SDK raises the class of the last error, with its status; nothing says it was answered."""
    stage.reset()
    for number, fault in enumerate(("500", "503", "529")):
        stage.sim.upstreams[number].fault(fault)
    said, entry = stage.call(vendor, stream=stream)
    last = "500" if vendor == "anthropic" else "529"
    assert is_right_class(vendor, said, last)
    assert HEADER not in said.error.response.headers  # type: ignore[union-attr]  # an SDK's
    assert verdicts(entry)[-1] == "gave_up"
    assert len(entry.attempts) == 6
    assert entry.status == int(last)
    check_money(stage.billed(), [entry])


AFTER_A_BYTE = ("stall=3", "cut=2500", "reset=2500", "error-event", "error-event=1")


@pytest.mark.parametrize("fault", AFTER_A_BYTE)
@pytest.mark.parametrize("vendor", VENDORS)
def test_a_stream_that_dies_after_its_first_chunk_is_told_in_the_stream(
    stage: Stage, vendor: Vendor, fault: str
) -> None:
    """The SDK raises, the half answer never looks whole, and nobody else is asked."""
    stage.reset()
    stage.sim.upstreams[home(vendor)].fault(fault)
    said, entry = stage.call(vendor, stream=True)
    assert said.error is not None
    assert said.status == 0 or vendor == "anthropic"
    assert not said.finish
    assert entry.outcome == "cut"
    assert verdicts(entry) == []
    assert sum(stage.asked()) == 1
    check_money(stage.billed(), [entry])


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_a_fallback_whose_stream_dies_is_told_in_the_stream(stage: Stage, vendor: Vendor) -> None:
    """The second one broke after the client had heard of it: that is the end."""
    stage.reset()
    stage.sim.upstreams[home(vendor)].fault("503")
    stage.sim.upstreams[1].fault("error-event")
    said, entry = stage.call(vendor, stream=True)
    assert said.error is not None
    assert not said.finish
    assert verdicts(entry) == ["failed", "instead"]
    assert (entry.outcome, entry.status) == ("cut", 200)


def test_a_translated_stream_that_dies_is_told_in_the_clients_dialect(stage: Stage) -> None:
    """OpenAI's SDK reads Claude's stream, which ends with an error event."""
    stage.reset()
    for number, fault in enumerate(("503", "503", "error-event")):
        stage.sim.upstreams[number].fault(fault)
    said, entry = stage.call("openai", stream=True)
    assert isinstance(said.error, openai.APIError)
    assert not said.finish
    assert (entry.provider, entry.outcome) == ("anthropic", "cut")


def test_a_call_that_is_at_fault_itself_is_answered_by_its_own_model(stage: Stage) -> None:
    """A 400 is a 400; no other upstream sees the call."""
    stage.reset()
    with pytest.raises(openai.BadRequestError):
        stage.clients.openai.chat.completions.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": ASK}],
            stop=[1],  # type: ignore[list-item]  # that is what is wrong with it
        )
    assert stage.asked() == [1, 0, 0]
    assert verdicts(stage.gateway.entries()[-1]) == []


def test_the_header_names_who_answered_and_a_call_may_say_who(stage: Stage) -> None:
    """`x-scrimp-route: fallback=…` for one call, `fallback=off` for none."""
    stage.reset()
    stage.sim.fault("503")
    client = stage.clients.openai.chat.completions.with_raw_response
    messages: list[openai.types.chat.ChatCompletionMessageParam] = [
        {"role": "user", "content": ASK}
    ]
    heard = client.create(model="gpt-4o-mini", messages=messages)
    assert heard.headers[HEADER] == "azure/gpt-4o-mini"
    route = {"x-scrimp-route": "fallback=claude-haiku-4-5"}
    heard = client.create(model="gpt-4o-mini", messages=messages, extra_headers=route)
    assert heard.headers[HEADER] == "anthropic/claude-haiku-4-5"
    with pytest.raises(openai.InternalServerError) as caught:
        client.create(
            model="gpt-4o-mini", messages=messages, extra_headers={"x-scrimp-route": "fallback=off"}
        )
    assert caught.value.status_code == 503
    assert HEADER not in caught.value.response.headers


def test_a_deadline_leaves_time_for_another(stage: Stage) -> None:
    """The first one hangs: it is cut off while there is time, and what it may bill is booked."""
    stage.reset()
    stage.sim.fault("slow-first-byte=60000")
    route = {"x-scrimp-route": "deadline_ms=12350"}
    said = stage.clients.ask("openai", ASK, stream=False, headers=route)
    assert said.error is None
    entry = stage.gateway.entries()[-1]
    assert entry.provider == "azure"
    assert [attempt.outcome for attempt in entry.attempts] == ["cancelled", "ok"]
    assert entry.latency_ms < 12350
    assert verdicts(entry) == ["failed", "instead"]


def test_a_long_wait_for_a_retry_is_left_to_another(stage: Stage) -> None:
    """`Retry-After: 20`: nobody waits for it while another target stands ready."""
    stage.reset()
    stage.sim.fault("429:retry-after=20")
    said, entry = stage.call("openai", stream=True)
    assert said.error is None
    assert [attempt.status for attempt in entry.attempts] == [429, 200]
    assert entry.latency_ms < 5000


def test_a_client_that_leaves_during_a_fallback_stops_it(stage: Stage) -> None:
    """The second upstream hears of it at once, the third is never asked."""
    stage.reset()
    stage.sim.fault("503")
    second = stage.sim.upstreams[1]
    second.fault("slow-first-byte=9000")
    with pytest.raises(openai.APITimeoutError):
        stage.clients.openai.with_options(timeout=0.5).chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": ASK}]
        )
    second.quiet()
    until(lambda: stage.gateway.entries()[-1].outcome == "cancelled")
    assert stage.gateway.entries()[-1].provider == "azure"
    assert stage.asked()[2] == 0


def test_vectors_come_from_the_same_model_or_none(stage: Stage) -> None:
    """The chain names a larger model first: its numbers would mean something else."""
    stage.reset()
    stage.sim.fault("503")
    made = stage.clients.openai.embeddings.create(model="text-embedding-3-small", input="Hi")
    assert len(made.data[0].embedding) == 1536
    entry = stage.gateway.entries()[-1]
    assert (entry.provider, entry.model) == ("azure", "text-embedding-3-small")
    told = [dict(line.numbers) for line in entry.trace if line.verdict == "left_out"]
    assert told == [{"model": "openai/text-embedding-3-large", "why": "other_model"}]


def test_explain_tells_every_step(stage: Stage) -> None:
    """Who failed with what, who answered, what it cost more or less."""
    stage.reset()
    stage.sim.fault("503")
    _, entry = stage.call("openai", stream=False)
    text = "\n".join(map(str, explain(entry)))
    assert "fallback" in text
    assert "503" in text
    assert "azure" in text


def test_an_open_circuit_spares_the_upstream() -> None:
    """After four failed attempts the next calls go straight on, for every SDK."""
    with staged(QUICK) as stage:
        stage.sim.fault("502")
        for _ in range(2):
            said, _ = stage.call("openai", stream=False)
            assert said.error is None
        assert stage.asked() == [4, 2, 0]
        for vendor in ("openai", "responses"):
            said, entry = stage.call(vendor, stream=True)
            assert said.error is None
            assert verdicts(entry) == ["left_out", "instead"]
        assert stage.asked() == [4, 4, 0]


def test_all_circuits_open_and_the_asked_one_is_tried() -> None:
    """Its own error is the answer, as it was; and it is the answer again when it is well."""
    with staged(QUICK) as stage:
        for one in stage.sim.upstreams:
            one.fault("502")
        for _ in range(3):
            said, _ = stage.call("openai", stream=False)
            assert said.status == 502
        before = stage.asked()
        stage.sim.no_faults()
        said, entry = stage.call("openai", stream=False)
        assert said.error is None
        assert stage.asked() == [before[0] + 1, *before[1:]]
        assert verdicts(entry)[-1] == "after_all"
        assert entry.provider == "openai"


def test_a_budget_that_does_not_bear_the_fallback_leaves_the_first_error() -> None:
    """gpt-4o would cost more than the key has left: the client hears of the outage."""
    more = (
        '[fallback]\ndefault = ["gpt-4o"]\n[budgets.small]\nusd = "0.0005"\nper = "day"\n'
        f'[fallback.models]\n"gpt-4o-mini" = ["azure/gpt-4o"]\n{PATIENT}'
    )
    chains = CHAINS.partition("[fallback.models]")[0]
    with (
        Simulator(upstreams=3) as sim,
        gateway(sim.url, more=chains + more, providers=PROVIDERS.format(url=sim.url)) as running,
        clients(running.url) as both,
    ):
        stage = Stage(sim, running, both)
        sim.fault("503")
        said, entry = stage.call("openai", stream=False)
        assert said.status == 503
        assert verdicts(entry) == ["failed", "instead", "over_budget", "gave_up"]
        assert stage.asked() == [2, 0, 0]


@pytest.mark.parametrize("broken", ["another kind", "a folder"])
def test_a_broken_file_of_health_breaks_no_call(broken: str) -> None:
    """Workers then go by what each sees itself; the circuit opens all the same."""
    with staged(f"[server]\nworkers = 2\n{QUICK}") as stage:
        path = stage.gateway.loaded.settings.state_path / "health.sqlite"
        if broken == "a folder":
            path.mkdir()
        else:
            path.write_bytes(b"no database at all, but long enough to be one" * 40)
        stage.sim.fault("502")
        for _ in range(20):
            said, _ = stage.call("openai", stream=False)
            assert said.error is None
        assert stage.asked() == [4, 20, 0]


def test_several_workers_write_what_they_see() -> None:
    """The file is there as soon as something failed, and for its owner only."""
    with staged(f"[server]\nworkers = 2\n{QUICK}") as stage:
        path = stage.gateway.loaded.settings.state_path / "health.sqlite"
        stage.call("openai", stream=False)
        assert not path.exists()
        stage.sim.fault("502")
        for _ in range(2):
            stage.call("openai", stream=False)
        stage.gateway.stop()
        assert path.stat().st_mode & 0o777 == 0o600
        with closing(sqlite3.connect(path)) as connection:
            rows = dict(connection.execute("SELECT upstream, health FROM upstreams"))
        assert '"circuit":"open"' in rows["openai"]
