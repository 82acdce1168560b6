"""Batches through both SDKs: upload, create, poll, results, and half the price."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from anthropic.types.messages import MessageBatchIndividualResponse

from scrimp.simulator import Settings, Simulator
from scrimp.simulator.bill import EMBEDDING_MODELS, MODELS, Usage, billed_nanousd

MESSAGES: list[dict[str, Any]] = [{"role": "user", "content": "How do I reset my password?"}]
CHAT = {"model": "gpt-4o-mini", "messages": MESSAGES}
CLAUDE: dict[str, Any] = {"model": "claude-haiku-4-5", "max_tokens": 200, "messages": MESSAGES}


@pytest.fixture
def client(sim: Simulator) -> Iterator[openai.OpenAI]:
    """OpenAI's client."""
    with openai.OpenAI(base_url=sim.openai_url, api_key="sk-x", max_retries=0) as made:
        yield made


@pytest.fixture
def claude(sim: Simulator) -> Iterator[anthropic.Anthropic]:
    """Anthropic's client."""
    with anthropic.Anthropic(base_url=sim.url, api_key="sk-x", max_retries=0) as made:
        yield made


def lines(bodies: list[Any], url: str = "/v1/chat/completions") -> bytes:
    """A file of requests, the first one being `c1`."""
    given = [
        {"custom_id": f"c{number}", "method": "POST", "url": url, "body": body}
        for number, body in enumerate(bodies, 1)
    ]
    return "\n".join(json.dumps(one) for one in given).encode()


def begin(
    client: openai.OpenAI, content: bytes, url: Any = "/v1/chat/completions"
) -> openai.types.Batch:
    """Upload and create."""
    uploaded = client.files.create(file=("in.jsonl", content), purpose="batch")
    return client.batches.create(
        input_file_id=uploaded.id, endpoint=url, completion_window="24h", metadata={"a": "b"}
    )


def results(client: openai.OpenAI, file_id: str | None) -> list[dict[str, Any]]:
    """The lines of a file."""
    assert file_id is not None
    return [json.loads(line) for line in client.files.content(file_id).text.splitlines()]


def requests(bodies: list[Any]) -> list[Any]:
    """Anthropic's form of a batch."""
    return [{"custom_id": f"c{n}", "params": body} for n, body in enumerate(bodies, 1)]


def test_files_are_kept_as_they_were_sent(client: openai.OpenAI) -> None:
    """Byte for byte, with odd line ends and no end of line; gone when deleted."""
    content = b'{"a": "\xc3\xa9"}\r\n\r\n--not-a-boundary\n'
    uploaded = client.files.create(file=("in put.jsonl", content), purpose="batch")
    assert (uploaded.bytes, uploaded.filename) == (len(content), "in put.jsonl")
    assert client.files.content(uploaded.id).content == content
    assert [one.id for one in client.files.list()] == [uploaded.id]
    client.files.delete(uploaded.id)
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(uploaded.id)


def test_an_openai_batch_costs_half(sim: Simulator, client: openai.OpenAI) -> None:
    """Answers are those of single calls; each line is a row with its own id."""
    begun = begin(client, lines([CHAT, CHAT | {"model": "gpt-4.1"}]))
    assert (begun.status, begun.metadata) == ("validating", {"a": "b"})
    bill = sim.quiet()
    done = client.batches.retrieve(begun.id)
    assert done.status == "completed"
    assert done.request_counts is not None
    assert (done.request_counts.total, done.request_counts.completed) == (2, 2)
    assert done.error_file_id is None
    one, two = results(client, done.output_file_id)
    single = client.chat.completions.create(**CHAT)  # type: ignore[call-overload]  # plain JSON
    assert one["response"]["status_code"] == 200
    body = one["response"]["body"]
    assert body["choices"][0]["message"]["content"] == single.choices[0].message.content
    assert [row.client_id for row in bill.rows] == ["c1", "c2"]
    assert {row.batch for row in bill.rows} == {begun.id}
    assert bill.rows[0].request_id == one["response"]["request_id"]
    assert 2 * bill.rows[0].exact == sim.bill.rows[-1].exact
    owed = sum(
        billed_nanousd(
            Usage(line["usage"]["prompt_tokens"], output_tokens=line["usage"]["completion_tokens"]),
            MODELS[line["model"]].price.halved,
        )
        for line in (body, two["response"]["body"])
    )
    assert bill.total_nanousd == owed > 0
    assert done.usage is not None
    assert done.usage.total_tokens == sum(
        row.usage.total_input_tokens + row.usage.total_output_tokens for row in bill.rows
    )


def test_responses_and_embeddings_can_be_batched(sim: Simulator, client: openai.OpenAI) -> None:
    """Each at half of its own price."""
    begin(client, lines([{"model": "gpt-5", "input": "Hello"}], "/v1/responses"), "/v1/responses")
    model = "text-embedding-3-small"
    begin(client, lines([{"model": model, "input": "Hello"}], "/v1/embeddings"), "/v1/embeddings")
    one, other = sorted(sim.quiet().rows, key=lambda row: row.path, reverse=True)
    assert (one.path, other.path) == ("/v1/responses", "/v1/embeddings")
    assert one.billed_nanousd == billed_nanousd(one.usage, MODELS["gpt-5"].price.halved)
    half = EMBEDDING_MODELS[model].price.halved
    assert other.billed_nanousd == billed_nanousd(other.usage, half)


def test_lines_that_fail_are_in_a_file_of_their_own(sim: Simulator, client: openai.OpenAI) -> None:
    """A bad request and a fault; neither is billed."""
    sim.fault("item-errors=2:path=/v1/batches:count=1")
    begun = begin(client, lines([CHAT, CHAT, CHAT | {"model": "gpt-9"}]))
    assert len(sim.quiet().rows) == 1
    done = client.batches.retrieve(begun.id)
    assert done.request_counts is not None
    assert done.request_counts.failed == 2
    failed = results(client, done.error_file_id)
    assert [line["response"]["status_code"] for line in failed] == [500, 404]
    assert [line["custom_id"] for line in results(client, done.output_file_id)] == ["c1"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"nonsense", "invalid_json_line"),
        (b'{"custom_id": "a"}', "missing_required_parameter"),
        (lines([CHAT], "/v1/responses"), "mismatched_url"),
        (lines([CHAT]) + b"\n" + lines([CHAT]), "duplicate_custom_id"),
    ],
)
def test_a_bad_file_fails_the_batch(
    sim: Simulator, client: openai.OpenAI, content: bytes, code: str
) -> None:
    """With the reason and the line; nothing is billed."""
    begun = begin(client, content)
    failed = client.batches.retrieve(begun.id)
    assert failed.status == "failed"
    assert failed.errors is not None
    assert failed.errors.data is not None
    assert failed.errors.data[0].code == code
    assert sim.quiet().rows == ()


def test_an_openai_batch_can_be_cancelled_or_run_out_of_time(
    sim: Simulator, client: openai.OpenAI
) -> None:
    """What was done until then is there and billed."""
    sim.fault("stall=1:path=/v1/batches:count=1")
    begun = begin(client, lines([CHAT] * 3))
    assert client.batches.retrieve(begun.id).status == "in_progress"
    assert client.batches.cancel(begun.id).status == "cancelling"
    done = client.batches.retrieve(begun.id)
    assert done.status == "cancelled"
    assert len(results(client, done.output_file_id)) == 1
    sim.no_faults()
    sim.fault("expired:path=/v1/batches:count=1")
    begun = begin(client, lines([CHAT] * 4))
    assert len(sim.quiet().rows) == 1 + 2
    done = client.batches.retrieve(begun.id)
    assert done.status == "expired"
    late = results(client, done.error_file_id)
    assert [line["error"]["code"] for line in late] == ["batch_expired"] * 2
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(begun.id)


def test_batches_and_files_are_their_owners(sim: Simulator, client: openai.OpenAI) -> None:
    """Another key does not see them."""
    begun = begin(client, lines([CHAT]))
    sim.quiet()
    assert [one.id for one in client.batches.list()] == [begun.id]
    with openai.OpenAI(base_url=sim.openai_url, api_key="sk-y", max_retries=0) as other:
        assert list(other.batches.list()) == []
        for ask in (other.batches.retrieve, other.batches.cancel):
            with pytest.raises(openai.NotFoundError):
                ask(begun.id)
        with pytest.raises(openai.NotFoundError):
            other.files.content(begun.input_file_id)


def test_a_batch_takes_its_time() -> None:
    """`batch_item_ms` for each line."""
    with (
        Simulator(settings=Settings(batch_item_ms=60_000)) as sim,
        openai.OpenAI(base_url=sim.openai_url, api_key="k", max_retries=0) as client,
    ):
        begun = begin(client, lines([CHAT]))
        assert client.batches.retrieve(begun.id).status == "in_progress"
        assert sim.in_flight == 1
        client.batches.cancel(begun.id)
        assert sim.quiet().rows == ()


def test_a_message_batch_costs_half(sim: Simulator, claude: anthropic.Anthropic) -> None:
    """Results are messages as single calls bring them."""
    begun = claude.messages.batches.create(requests=requests([CLAUDE, CLAUDE | {"model": "no"}]))
    assert begun.processing_status == "in_progress"
    bill = sim.quiet()
    done = claude.messages.batches.retrieve(begun.id)
    assert done.processing_status == "ended"
    assert (done.request_counts.succeeded, done.request_counts.errored) == (1, 1)
    good, bad = claude.messages.batches.results(begun.id)
    assert isinstance(good, MessageBatchIndividualResponse)
    assert good.result.type == "succeeded"
    single = claude.messages.create(**CLAUDE)
    assert good.result.message.content == single.content
    assert good.result.message.usage.service_tier == "batch"
    assert bad.result.type == "errored"
    assert bad.result.error.error.type == "not_found_error"
    row = bill.rows[0]
    assert (row.client_id, row.batch) == ("c1", begun.id)
    assert 2 * row.exact == sim.bill.rows[1].exact
    assert [one.id for one in claude.messages.batches.list()] == [begun.id]
    claude.messages.batches.delete(begun.id)
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.batches.retrieve(begun.id)


def test_a_message_batch_can_be_cancelled(sim: Simulator, claude: anthropic.Anthropic) -> None:
    """One of three was done; the others say so and cost nothing."""
    sim.fault("stall=1", count=1)
    begun = claude.messages.batches.create(requests=requests([CLAUDE] * 3))
    with pytest.raises(anthropic.BadRequestError):
        claude.messages.batches.delete(begun.id)
    ended = claude.messages.batches.cancel(begun.id)
    assert ended.request_counts.canceled == 2
    kinds = [one.result.type for one in claude.messages.batches.results(begun.id)]
    assert kinds == ["succeeded", "canceled", "canceled"]
    assert len(sim.bill.rows) == 1


def test_batches_stack_with_prompt_caching() -> None:
    """A marked prompt is written and read at half of those rates too; under any base path."""
    system = [
        {
            "type": "text",
            "text": "Parcels leave on weekdays. " * 400,
            "cache_control": {"type": "ephemeral"},
        }
    ]
    body = CLAUDE | {"model": "claude-sonnet-4-6", "system": system}
    with Simulator(upstreams=2, prefix_cache=True) as sim:
        second = sim.upstreams[1]
        with anthropic.Anthropic(base_url=second.url, api_key="k", max_retries=0) as claude:
            begun = claude.messages.batches.create(requests=requests([body, body]))
            one, two = second.quiet().rows
            assert len(list(claude.messages.batches.results(begun.id))) == 2
    assert one.usage.cache_write_5m_tokens == two.usage.cache_read_tokens > 1024
    half = MODELS["claude-sonnet-4-6"].price.halved
    assert two.billed_nanousd == billed_nanousd(two.usage, half)


@pytest.mark.parametrize("given", [[], [{"custom_id": "a"}], requests([CLAUDE]) * 2])
def test_bad_message_batches_are_refused(claude: anthropic.Anthropic, given: list[Any]) -> None:
    """Empty, incomplete, or with an id twice."""
    with pytest.raises(anthropic.BadRequestError):
        claude.messages.batches.create(requests=given)


def test_a_batch_that_vanished_is_known_to_nobody(sim: Simulator, client: openai.OpenAI) -> None:
    """It was taken, and then it is not there, not listed, not done and not billed."""
    sim.fault("vanished:path=/v1/batches:count=1")
    batch = begin(client, lines([CHAT, CHAT]))
    assert batch.status == "validating"
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve(batch.id)
    assert [one.id for one in client.batches.list()] == []
    assert sim.bill.rows == ()


def test_anthropics_batch_that_vanished_is_known_to_nobody(
    sim: Simulator, claude: anthropic.Anthropic
) -> None:
    """The same for the other vendor."""
    sim.fault("vanished:path=/v1/messages/batches:count=1")
    batch = claude.messages.batches.create(requests=requests([CLAUDE]))
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.batches.retrieve(batch.id)
    assert sim.bill.rows == ()
