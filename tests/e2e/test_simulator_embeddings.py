"""The simulator's embeddings seen through OpenAI's own SDK."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from scrimp.simulator import Simulator
from scrimp.simulator.bill import EMBEDDING_MODELS, Usage, billed_nanousd

SMALL = "text-embedding-3-small"


@pytest.fixture
def client(sim: Simulator) -> Iterator[openai.OpenAI]:
    """A client that does not retry by itself."""
    with openai.OpenAI(base_url=sim.openai_url, api_key="sk-x", max_retries=0) as made:
        yield made


def vectors(client: openai.OpenAI, given: Any, **more: Any) -> list[list[float]]:
    """The vectors of one call."""
    reply = client.embeddings.create(**({"model": SMALL, "input": given} | more))
    assert [item.index for item in reply.data] == list(range(len(reply.data)))
    return [item.embedding for item in reply.data]


def cosine(one: list[float], other: list[float]) -> float:
    """Of two unit vectors."""
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_vectors_are_a_function_of_the_text_at_unit_length(client: openai.OpenAI) -> None:
    """The same text, the same vector; base64 and floats say the same."""
    one, two, again = vectors(
        client, ["reset my password", "where is my parcel", "reset my password"]
    )
    assert len(one) == 1536
    assert one == again
    assert math.isclose(cosine(one, one), 1, abs_tol=1e-5)
    assert cosine(one, two) < 0.9
    floats = vectors(client, "reset my password", encoding_format="float")[0]
    assert all(math.isclose(a, b, abs_tol=1e-6) for a, b in zip(one, floats, strict=True))


def test_texts_that_share_words_are_near(client: openai.OpenAI) -> None:
    """So that something that looks for likeness has something to find."""
    near, also, far = vectors(
        client,
        ["how do I reset my password", "how can I reset my password", "two boxes of green tea"],
    )
    assert cosine(near, also) > 0.6
    assert abs(cosine(near, far)) < 0.2


def test_a_shorter_vector_is_the_beginning_of_the_longer(client: openai.OpenAI) -> None:
    """Rescaled to unit length; the large model has more dimensions."""
    long = vectors(client, "hello there", encoding_format="float")[0]
    short = vectors(client, "hello there", dimensions=256, encoding_format="float")[0]
    scale = short[0] / long[0]
    assert len(short) == 256
    assert all(math.isclose(a, b * scale, abs_tol=1e-9) for a, b in zip(short, long, strict=False))
    assert len(vectors(client, "hello", model="text-embedding-3-large")[0]) == 3072


def test_tokens_are_an_input_too(sim: Simulator, client: openai.OpenAI) -> None:
    """One list of numbers is one input, a list of lists is several; each number is a token."""
    assert len(vectors(client, [1, 2, 3])) == 1
    assert len(vectors(client, [[1, 2, 3], [4]])) == 2
    assert [row.usage.input_tokens for row in sim.bill.rows] == [3, 4]


@pytest.mark.parametrize("model", list(EMBEDDING_MODELS))
def test_the_bill_is_usage_times_the_table(
    sim: Simulator, client: openai.OpenAI, model: str
) -> None:
    """For each model."""
    reply = client.embeddings.create(model=model, input=["one text", "and another one"])
    usage = Usage(input_tokens=reply.usage.prompt_tokens)
    assert reply.usage.total_tokens == reply.usage.prompt_tokens
    assert sim.bill.rows[0].usage == usage
    assert sim.bill.total_nanousd == billed_nanousd(usage, EMBEDDING_MODELS[model].price)
    assert client.models.retrieve(model).id == model


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"input": ""}, openai.BadRequestError),
        ({"input": []}, openai.BadRequestError),
        ({"input": ["a", 1]}, openai.BadRequestError),
        ({"input": "word " * 8200}, openai.BadRequestError),
        ({"input": ["a"] * 2049}, openai.BadRequestError),
        ({"input": "a", "dimensions": 1537}, openai.BadRequestError),
        (
            {"input": "a", "model": "text-embedding-ada-002", "dimensions": 9},
            openai.BadRequestError,
        ),
        ({"input": "a", "model": "gpt-4o"}, openai.NotFoundError),
    ],
)
def test_bad_requests_are_refused(
    sim: Simulator, client: openai.OpenAI, body: dict[str, Any], error: type[openai.APIError]
) -> None:
    """With the SDK's own class; nothing is billed."""
    with pytest.raises(error):
        vectors(client, body["input"], **{k: v for k, v in body.items() if k != "input"})
    assert sim.bill.rows == ()


def test_faults_strike_embeddings_too(sim: Simulator, client: openai.OpenAI) -> None:
    """A refusal costs nothing; a reply that is cut costs what a whole one does."""
    sim.fault("503", count=1)
    with pytest.raises(openai.InternalServerError):
        vectors(client, "hello")
    assert sim.bill.rows == ()
    sim.no_faults()
    sim.fault("cut=100", count=1)
    with pytest.raises(openai.APIConnectionError):
        vectors(client, "hello")
    vectors(client, "hello")
    broken, whole = sim.quiet().rows
    assert (broken.delivered, whole.delivered) == ("broken", "complete")
    assert broken.billed_nanousd == whole.billed_nanousd > 0
