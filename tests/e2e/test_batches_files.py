"""The SDKs' own methods for batches and files: handed on as they are, each with an entry."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import openai
import pytest

from scrimp.simulator import Simulator
from tests.support.canned import Canned, answer
from tests.support.gateway import RunningGateway, gateway

JSON = b"content-type: application/json"
JSONL = b"content-type: application/octet-stream"
FILE = {
    "id": "file-1",
    "object": "file",
    "bytes": 9,
    "created_at": 1,
    "filename": "in.jsonl",
    "purpose": "batch",
    "status": "processed",
}
BATCH = {
    "id": "batch_1",
    "object": "batch",
    "endpoint": "/v1/responses",
    "input_file_id": "file-1",
    "completion_window": "24h",
    "status": "completed",
    "output_file_id": "file-2",
    "created_at": 1,
    "usage": {"input_tokens": 900, "output_tokens": 80, "total_tokens": 980},
}
CLAUDE_BATCH = {
    "id": "msgbatch_1",
    "type": "message_batch",
    "processing_status": "ended",
    "request_counts": {
        "processing": 0,
        "succeeded": 1,
        "errored": 0,
        "canceled": 0,
        "expired": 0,
    },
    "created_at": "2026-11-22T12:00:00Z",
    "expires_at": "2026-11-23T12:00:00Z",
    "results_url": "https://api.anthropic.com/v1/messages/batches/msgbatch_1/results",
}
LINE = json.dumps(
    {
        "id": "batch_req_1",
        "custom_id": "one",
        "response": {
            "status_code": 200,
            "body": {"object": "response", "usage": {"input_tokens": 900, "output_tokens": 80}},
        },
    }
).encode()
Asked = Callable[[openai.OpenAI], Any]


def encoded(fields: dict[str, Any]) -> bytes:
    """An answer of these fields."""
    return answer(json.dumps(fields).encode(), JSON)


def openai_at(scrimp: RunningGateway) -> openai.OpenAI:
    """OpenAI's SDK."""
    return openai.OpenAI(base_url=scrimp.openai_url, api_key="k", max_retries=0, timeout=10)


CALLS: dict[str, tuple[str, bytes, Asked]] = {
    "upload": (
        "POST /v1/files ",
        encoded(FILE),
        lambda c: c.files.create(file=("in.jsonl", LINE), purpose="batch").id == "file-1",
    ),
    "create": (
        "POST /v1/batches ",
        encoded(BATCH),
        lambda c: (
            c.batches.create(
                input_file_id="file-1", endpoint="/v1/responses", completion_window="24h"
            ).id
            == "batch_1"
        ),
    ),
    "retrieve": (
        "GET /v1/batches/batch_1 ",
        encoded(BATCH),
        lambda c: c.batches.retrieve("batch_1").status == "completed",
    ),
    "results": (
        "GET /v1/files/file-2/content ",
        answer(LINE + b"\n" + LINE, JSONL),
        lambda c: c.files.content("file-2").content == LINE + b"\n" + LINE,
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_openais_batches_and_files_are_handed_on(name: str) -> None:
    """The provider's answer, whatever usage it may tell of; the cost is unknown, and says so."""
    start, body, ask = CALLS[name]
    with Canned(body) as provider, gateway(provider.url) as scrimp, openai_at(scrimp) as client:
        assert ask(client)
        assert provider.requests[0].startswith(start.encode())
        assert b"Bearer sk-provider-openai" in provider.requests[0]
        (entry,) = [one for one in scrimp.entries() if one.operation == "passthrough"]
        assert (entry.provider, entry.status) == ("openai", 200)
        assert (entry.cost_basis, entry.cost_nanousd) == ("unknown", None)
        assert entry.usage.total_input_tokens == 0


def test_the_header_of_what_is_handed_on_calls_its_cost_unknown() -> None:
    """So that nobody reads it as nothing."""
    with (
        Canned(encoded(BATCH)) as provider,
        gateway(provider.url) as scrimp,
        openai_at(scrimp) as client,
    ):
        raw = client.batches.with_raw_response.retrieve("batch_1")
    assert raw.headers["x-scrimp-cost-usd"] == "unknown"
    assert raw.headers["x-scrimp-served-by"] == "upstream"


@pytest.fixture
def claude() -> Iterator[tuple[Canned, RunningGateway, anthropic.Anthropic]]:
    """Anthropic's SDK before a provider that has one batch."""
    with (
        Canned(encoded(CLAUDE_BATCH)) as provider,
        gateway(provider.url) as scrimp,
        anthropic.Anthropic(base_url=scrimp.url, api_key="k", max_retries=0) as client,
    ):
        yield provider, scrimp, client


def test_anthropics_batches_are_handed_on(
    claude: tuple[Canned, RunningGateway, anthropic.Anthropic],
) -> None:
    """To the provider that speaks its dialect, with that provider's key."""
    provider, scrimp, client = claude
    made = client.messages.batches.create(
        requests=[
            {
                "custom_id": "one",
                "params": {
                    "model": "claude-haiku-4-5",
                    "max_tokens": 9,
                    "messages": [{"role": "user", "content": "hi"}],
                },
            }
        ]
    )
    assert client.messages.batches.retrieve(made.id).processing_status == "ended"
    assert provider.requests[0].startswith(b"POST /v1/messages/batches ")
    assert provider.requests[1].startswith(b"GET /v1/messages/batches/msgbatch_1 ")
    assert b"x-api-key: sk-provider-anthropic" in provider.requests[0]
    for entry in scrimp.entries():
        assert (entry.operation, entry.provider) == ("passthrough", "anthropic")
        assert (entry.cost_basis, entry.cost_nanousd) == ("unknown", None)


def test_a_batch_from_upload_to_results_by_openais_sdk() -> None:
    """Each step works as without Scrimp; the ledger does not guess what the provider bills."""
    body = {"model": "gpt-4o-mini", "input": "How do I reset my password?"}
    line = {"custom_id": "one", "method": "POST", "url": "/v1/responses", "body": body}
    with Simulator() as sim, gateway(sim.url) as scrimp, openai_at(scrimp) as client:
        file = client.files.create(file=("in.jsonl", json.dumps(line).encode()), purpose="batch")
        batch = client.batches.create(
            input_file_id=file.id, endpoint="/v1/responses", completion_window="24h"
        )
        while batch.status not in ("completed", "failed", "expired"):
            batch = client.batches.retrieve(batch.id)
        assert batch.output_file_id is not None
        got = json.loads(client.files.content(batch.output_file_id).text)
        assert got["response"]["body"]["usage"]["input_tokens"] > 0
        assert sim.bill.total_nanousd > 0
        passed = [one for one in scrimp.entries() if one.operation == "passthrough"]
        assert len(passed) == len(sim.requests) >= 3
        assert {(one.cost_basis, one.cost_nanousd) for one in passed} == {("unknown", None)}


def test_a_batch_from_requests_to_results_by_anthropics_sdk() -> None:
    """The SDK follows the address of the results that the provider gave, by the gateway."""
    params: Any = {
        "model": "claude-haiku-4-5",
        "max_tokens": 200,
        "messages": [{"role": "user", "content": "How do I reset my password?"}],
    }
    with (
        Simulator() as sim,
        gateway(sim.url) as scrimp,
        anthropic.Anthropic(base_url=scrimp.url, api_key="k", max_retries=0) as client,
    ):
        batch = client.messages.batches.create(requests=[{"custom_id": "one", "params": params}])
        while batch.processing_status != "ended":
            batch = client.messages.batches.retrieve(batch.id)
        (got,) = client.messages.batches.results(batch.id)
        assert got.result.type == "succeeded"
        assert {entry.provider for entry in scrimp.entries()} == {"anthropic"}
