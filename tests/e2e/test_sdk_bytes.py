"""What leaves the gateway: the client's own bytes, and no change that was not asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from scrimp.simulator import Simulator
from tests.support.gateway import RunningGateway, gateway

ODD = (
    b'{ "model" : "gpt-4o-mini",\n\t"messages":[{"content":"caf\\u00e9 \xf0\x9f\x8d\x8b",'
    b'"role":"user"}], "temperature":1e0, "x_unheard_of":{"b":2,"a":[1.50]}, "seed":7 }\n'
)
SETTINGS = """
[exact_cache]
enabled = false
[aliases]
cheap = "gpt-4o-mini"
[models."house-model"]
provider = "openai"
model = "gpt-4.1-nano"
[models."house-claude"]
provider = "anthropic"
model = "claude-haiku-4-5"
"""
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A running simulator."""
    with Simulator() as running:
        yield running


@pytest.fixture
def sim(simulator: Simulator) -> Simulator:
    """The same, with nothing in its memory."""
    simulator.reset()
    return simulator


@pytest.fixture(scope="module")
def scrimp(simulator: Simulator) -> Iterator[RunningGateway]:
    """A gateway with an alias and two models of its own."""
    with gateway(simulator.url, more=SETTINGS) as running:
        yield running


def _post(scrimp: RunningGateway, path: str, body: bytes) -> httpx2.Response:
    return httpx2.post(f"{scrimp.url}{path}", content=body, headers=JSON)


def test_an_unchanged_call_arrives_byte_for_byte(sim: Simulator, scrimp: RunningGateway) -> None:
    """White space, field order, escapes, numbers and unknown fields, as the client wrote them."""
    assert _post(scrimp, "/v1/chat/completions", ODD).status_code == 200
    asked = ODD.replace(
        b'"seed":7', b'"seed":7,"stream":true, "stream_options":{"include_usage":true}'
    )
    assert _post(scrimp, "/v1/chat/completions", asked).status_code == 200
    claude = ODD.replace(b"gpt-4o-mini", b"claude-haiku-4-5").replace(b'"seed"', b'"max_tokens"')
    version = {**JSON, "anthropic-version": "2023-06-01"}
    for body in (claude, claude.replace(b'"max_tokens"', b'"stream":true,"max_tokens"')):
        reply = httpx2.post(f"{scrimp.url}/v1/messages", content=body, headers=version)
        assert reply.status_code == 200
        assert sim.requests[-1].body == body
    assert [one.body for one in sim.requests[:2]] == [ODD, asked]


def test_what_the_sdks_send_is_what_arrives(sim: Simulator, scrimp: RunningGateway) -> None:
    """The bodies of both SDKs, recorded on their way out."""
    sent: list[bytes] = []

    def record(request: Any) -> None:
        sent.append(request.read())

    hooks: dict[str, list[Any]] = {"request": [record]}
    with (
        openai.OpenAI(
            base_url=scrimp.openai_url,
            api_key="k",
            http_client=openai.DefaultHttpxClient(event_hooks=hooks),
        ) as for_openai,
        anthropic.Anthropic(
            base_url=scrimp.url,
            api_key="k",
            http_client=anthropic.DefaultHttpxClient(event_hooks=hooks),
        ) as for_anthropic,
    ):
        for_openai.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "Grüß Gott"}], temperature=0.3
        )
        for_anthropic.messages.create(
            model="claude-haiku-4-5",
            max_tokens=20,
            messages=[{"role": "user", "content": "Grüß Gott"}],
        )
    assert [one.body for one in sim.requests] == sent
    assert len(sent) == 2


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize(
    ("name", "arrives"), [("cheap", "gpt-4o-mini"), ("house-model", "gpt-4.1-nano")]
)
def test_another_name_changes_the_model_and_nothing_else(
    sim: Simulator, scrimp: RunningGateway, name: str, arrives: str, *, stream: bool
) -> None:
    """Every other field keeps its value and its place; the ledger has both names."""
    body = json.loads(ODD) | {"model": name}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    assert _post(scrimp, "/v1/chat/completions", json.dumps(body).encode()).status_code == 200
    received = json.loads(sim.requests[0].body)
    assert received == body | {"model": arrives}
    assert list(received) == list(body)
    entry = scrimp.entries()[-1]
    assert (entry.model_requested, entry.model) == (name, arrives)
    assert entry.cost_nanousd == sim.bill.total_nanousd


def test_an_anthropic_client_may_use_a_name_of_the_house(
    sim: Simulator, scrimp: RunningGateway
) -> None:
    """Messages and counting."""
    with anthropic.Anthropic(base_url=scrimp.url, api_key="k", max_retries=0) as client:
        client.messages.create(
            model="house-claude", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
        )
        client.messages.count_tokens(
            model="house-claude", messages=[{"role": "user", "content": "Hi"}]
        )
    models = [json.loads(one.body)["model"] for one in sim.requests]
    assert models == ["claude-haiku-4-5", "claude-haiku-4-5"]


def test_what_scrimp_does_not_read_goes_through_and_says_so(
    sim: Simulator, scrimp: RunningGateway
) -> None:
    """Moderations by the SDK: the answer is theirs, the cost is not known."""
    with openai.OpenAI(base_url=scrimp.openai_url, api_key="k", max_retries=0) as client:
        raw = client.moderations.with_raw_response.create(
            model="omni-moderation-latest", input=["one", "two"]
        )
        assert [one.flagged for one in raw.parse().results] == [False, False]
        verdict = client.moderations.create(input="a kind word")
        assert verdict.results[0].flagged is False
        with pytest.raises(openai.NotFoundError):
            client.fine_tuning.jobs.list()
    assert raw.headers["x-request-id"] == sim.requests[0].request_id
    assert raw.headers["x-scrimp-id"]
    assert raw.headers["x-scrimp-cost-usd"] == "unknown"
    entries = scrimp.entries()[-3:]
    assert [entry.operation for entry in entries] == ["passthrough"] * 3
    assert [entry.status for entry in entries] == [200, 200, 404]
    assert (entries[0].cost_basis, entries[0].cost_nanousd) == ("unknown", None)
    assert entries[0].model == "omni-moderation-latest"


def test_an_unread_call_arrives_byte_for_byte(sim: Simulator, scrimp: RunningGateway) -> None:
    """Method, path, query and body."""
    body = b'{"model":"omni-moderation-latest",  "input":"x"}'
    _post(scrimp, "/v1/moderations?a=1&b=%2Fc", body)
    sent = sim.requests[0]
    assert (sent.method, sent.path, sent.body) == ("POST", "/v1/moderations?a=1&b=%2Fc", body)
    httpx2.delete(f"{scrimp.url}/v1/files/file-1")
    assert (sim.requests[1].method, sim.requests[1].path) == ("DELETE", "/v1/files/file-1")


def test_an_unread_call_that_breaks_does_not_look_whole(
    sim: Simulator, scrimp: RunningGateway
) -> None:
    """Half a verdict is a broken connection to the client too, and booked as cut."""
    sim.fault("cut=200")
    with (
        openai.OpenAI(base_url=scrimp.openai_url, api_key="k", max_retries=0) as client,
        pytest.raises(openai.APIConnectionError),
    ):
        client.moderations.create(input="one")
    entry = scrimp.entries()[-1]
    assert (entry.outcome, entry.cost_nanousd) == ("cut", None)


def test_a_clients_own_credential_goes_on_where_settings_say_so(simulator: Simulator) -> None:
    """The provider sees the client's key and not ours; two keys share nothing, none is kept."""
    simulator.reset()
    with gateway(simulator.url, more='[auth]\nmode = "passthrough"\n') as scrimp:
        for key in ("sk-of-ada", "sk-of-bob", "sk-of-ada"):
            with openai.OpenAI(base_url=scrimp.openai_url, api_key=key, max_retries=0) as client:
                client.chat.completions.create(
                    model="gpt-4o", messages=[{"role": "user", "content": "What is a lamp?"}]
                )
            with anthropic.Anthropic(base_url=scrimp.url, api_key=key, max_retries=0) as claude:
                claude.messages.create(
                    model="claude-haiku-4-5",
                    max_tokens=200,
                    messages=[{"role": "user", "content": "What is a lamp?"}],
                )
        entries = scrimp.entries()
        assert [entry.served_by for entry in entries] == ["upstream"] * 4 + ["exact_cache"] * 2
        kept = b"".join(path.read_bytes() for path in _files(scrimp))
        assert b"sk-of-" not in kept
    sent = [
        (one.header("authorization") or one.header("x-api-key") or "").removeprefix("Bearer ")
        for one in simulator.requests
    ]
    assert sent == ["sk-of-ada", "sk-of-ada", "sk-of-bob", "sk-of-bob"]
    assert "sk-provider" not in repr([one.headers for one in simulator.requests])


def test_headers_of_the_settings_go_with_every_credential(simulator: Simulator) -> None:
    """A fixed header of a provider is no credential: it is sent beside ours and the client's."""
    providers = (
        f'[providers.openai]\nbase_url = "{simulator.url}/v1"\ndialects = ["openai.chat"]\n'
        'key_env = "OPENAI_KEY"\nheaders = { "X-Region" = "eu", "openai-project" = "house" }\n'
    )
    for mode, key in (("keys", "sk-provider-openai"), ("passthrough", "sk-x")):
        simulator.reset()
        more = f'[auth]\nmode = "{mode}"\n'
        with (
            gateway(simulator.url, more=more, providers=providers) as scrimp,
            openai.OpenAI(base_url=scrimp.openai_url, api_key="sk-x", project="mine") as client,
        ):
            client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "What is a lamp?"}]
            )
        sent = simulator.requests[0]
        assert sent.header("authorization") == f"Bearer {key}"
        assert sent.header("x-region") == "eu"
        projects = [value for name, value in sent.headers if name == "openai-project"]
        assert projects == ["house"]


def _files(scrimp: RunningGateway) -> list[Path]:
    state = scrimp.loaded.settings.state_path
    return [path for path in state.rglob("*") if path.is_file()]
