"""What SDKs collect of their own batches is booked at batch prices: line by line, once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from scrimp.ports import Entry
from scrimp.simulator import Settings, Simulator
from tests.support.canned import Canned, answer
from tests.support.gateway import RunningGateway, gateway
from tests.support.stage import Stage

MESSAGES: list[dict[str, Any]] = [{"role": "user", "content": "How do I reset my password?"}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": "gpt-4o-mini", "messages": MESSAGES},
    "/v1/responses": {"model": "gpt-4.1", "input": "How do I reset my password?"},
    "/v1/embeddings": {"model": "text-embedding-3-small", "input": "How do I reset it?"},
}
CLAUDE: dict[str, Any] = {"model": "claude-haiku-4-5", "max_tokens": 200, "messages": MESSAGES}


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A provider and a gateway."""
    with Simulator(settings=Settings()) as sim, gateway(sim.url) as scrimp:
        yield Stage(sim, scrimp)


def read(scrimp: RunningGateway) -> list[Entry]:
    """Entries of what was in batches."""
    return [one for one in scrimp.entries() if one.operation != "passthrough"]


def collected(scrimp: RunningGateway, url: Any, count: int, times: int = 1, **fields: str) -> None:
    """A batch by OpenAI's SDK, from its file to its results."""
    lines = [
        {"custom_id": f"c{n}", "method": "POST", "url": url, "body": {**BODIES[url], **fields}}
        for n in range(count)
    ]
    content = "\n".join(json.dumps(line) for line in lines).encode()
    with openai.OpenAI(base_url=scrimp.openai_url, api_key="k", max_retries=0) as client:
        file = client.files.create(file=("in.jsonl", content), purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint=url, completion_window="24h")
        while batch.status not in ("completed", "failed", "expired"):
            batch = client.batches.retrieve(batch.id)
        for _ in range(times):
            for name in (batch.output_file_id, batch.error_file_id):
                if name is not None:
                    client.files.content(name).read()


@pytest.mark.parametrize("url", ["/v1/chat/completions", "/v1/responses", "/v1/embeddings"])
def test_openais_results_are_booked_as_they_are_billed(stage: Stage, url: str) -> None:
    """Line by line to the nano-dollar, at the batch price, and nothing is called a saving."""
    collected(stage.gateway, url, 3)
    entries = read(stage.gateway)
    assert len(entries) == 3
    assert sum(one.cost_nanousd or 0 for one in entries) == stage.sim.bill.total_nanousd > 0
    for one in entries:
        assert (one.cost_basis, one.baseline_nanousd, one.saved) == ("usage", one.cost_nanousd, ())
        assert one.attempts[0].service_tier == "batch"


def test_what_has_no_batch_price_is_booked_as_unknown(stage: Stage) -> None:
    """The price list has none for an old model's embeddings in batches: never $0."""
    collected(stage.gateway, "/v1/embeddings", 1, model="text-embedding-ada-002")
    (entry,) = read(stage.gateway)
    assert (entry.operation, entry.cost_basis, entry.cost_nanousd) == (
        "embeddings",
        "unknown",
        None,
    )
    assert entry.usage.total_input_tokens > 0


def test_results_that_are_collected_twice_are_booked_once(stage: Stage) -> None:
    """An entry's id follows from its line."""
    collected(stage.gateway, "/v1/chat/completions", 2, times=3)
    assert len(read(stage.gateway)) == 2
    assert sum(one.cost_nanousd or 0 for one in read(stage.gateway)) == stage.sim.bill.total_nanousd


def test_lines_that_failed_are_not_booked(stage: Stage) -> None:
    """Nobody bills them."""
    stage.sim.fault("item-errors=2:path=/v1/batches:count=1")
    collected(stage.gateway, "/v1/chat/completions", 4)
    assert len(read(stage.gateway)) == 2
    assert sum(one.cost_nanousd or 0 for one in read(stage.gateway)) == stage.sim.bill.total_nanousd


def test_anthropics_results_are_booked_as_they_are_billed(stage: Stage) -> None:
    """The same by the other SDK, collected twice."""
    with anthropic.Anthropic(base_url=stage.url, api_key="k", max_retries=0) as client:
        requests: Any = [{"custom_id": f"c{n}", "params": CLAUDE} for n in range(3)]
        batch = client.messages.batches.create(requests=requests)
        while batch.processing_status != "ended":
            batch = client.messages.batches.retrieve(batch.id)
        for _ in range(2):
            assert len(list(client.messages.batches.results(batch.id))) == 3
    entries = read(stage.gateway)
    assert len(entries) == 3
    assert {one.dialect for one in entries} == {"anthropic.messages"}
    assert sum(one.cost_nanousd or 0 for one in entries) == stage.sim.bill.total_nanousd > 0


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\xff binary \n" * 9,
        b'{"custom_id": "c", "method": "POST", "url": "/v1/x", "body": {}}\n',
        b'{"custom_id": "c", "id": "batch_req_1", "response": {"status_code": 200, "body": 7}}\n',
        (
            b'{"custom_id": "scrimp-x", "id": "b", "response": {"status_code": 200, "body": '
            b'{"object": "chat.completion", "model": "gpt-4o", "choices": [], "usage": {}}}}'
        ),
        b'{"custom_id": ["c"], "id": 7}\n\n\n[[[[',
    ],
)
def test_other_files_pass_as_they_are(content: bytes) -> None:
    """Byte for byte, and nothing is booked of them."""
    with (
        Canned(answer(content, b"content-type: application/octet-stream")) as provider,
        gateway(provider.url) as scrimp,
        openai.OpenAI(base_url=scrimp.openai_url, api_key="k", max_retries=0) as client,
    ):
        assert client.files.content("file-1").content == content
        assert read(scrimp) == []
