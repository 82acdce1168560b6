"""The corpus that ships: every case is read right, in any pieces, and wherever it breaks off."""

from __future__ import annotations

import json
import re
from collections import Counter
from decimal import ROUND_CEILING, Decimal
from functools import cache
from typing import Any

import pytest
from anthropic.types import Message, RawMessageStreamEvent
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from scrimp.calls import COUNTERS, Usage
from scrimp.conformance.corpus import Case, load_cases
from scrimp.conformance.readers import facts_of, verify
from scrimp.dialects.usage_readers import SHAPES, read_reply, read_stream, usage_reader
from scrimp.prices import load_book

CASES = load_cases()
STREAMS = [case for case in CASES if case.framing != "json"]
DOCUMENTS = [case for case in CASES if case.framing == "json"]
SHORT_BYTES = 1500
BUCKET_OF = {"web_search": "web_search_requests"}


def named(case: Case) -> str:
    """For the test's name."""
    return case.id


@pytest.mark.parametrize("case", CASES, ids=named)
def test_every_case_is_read_and_priced_right(case: Case) -> None:
    """Usage by bucket, end, error, doubt, tier, and the cost at the case's own date."""
    verdict = verify(case, load_book())
    assert not verdict.wrong
    assert verdict.status == "pass"


@pytest.mark.parametrize("case", CASES, ids=named)
def test_every_bill_is_the_sum_of_its_lines(case: Case) -> None:
    """Each line rounded up once to a nano-dollar; the lines are the usage, nothing else."""
    right = case.expected
    if right.bill is None:
        assert right.basis != "usage"
        return
    amounts = [Decimal(usd) * count * 10**9 / per for _, count, usd, per in right.bill]
    rounded = [int(amount.to_integral_value(rounding=ROUND_CEILING)) for amount in amounts]
    assert sum(rounded) == right.cost_nanousd
    lines = {BUCKET_OF.get(what, f"{what}_tokens"): count for what, count, _, _ in right.bill}
    assert lines == right.usage


@pytest.mark.parametrize("case", CASES, ids=named)
def test_every_case_says_where_its_shape_is_told(case: Case) -> None:
    """A page and a day, a sentence, and a request whose words can carry a mark."""
    assert case.source.startswith("https://")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", case.written)
    assert case.about.endswith(".")
    assert json.dumps(case.request).count("{call}") == 1
    assert case.at.tzinfo is not None


def test_the_corpus_covers_every_provider_and_trouble() -> None:
    """Whole and streamed, cut, failed and refused, for each; no file is left out."""
    assert len(CASES) >= 160
    assert {case.shape for case in CASES} == set(SHAPES)
    for provider in {case.provider for case in CASES} - {"azure", "openrouter", "mistral"}:
        mine = [case for case in CASES if case.provider == provider]
        assert {case.framing == "json" for case in mine} == {True, False}, provider
        assert any(case.reply.cut for case in mine), provider
        assert any(case.expected.finish == "tool_calls" for case in mine), provider
        assert any("cached" in case.id or case.provider == "x-ai" for case in mine), provider
    bases = Counter(case.expected.basis for case in CASES)
    assert min(bases[basis] for basis in ("usage", "reported", "estimate", "free")) >= 5
    assert sum(bool(case.expected.suspect) for case in CASES) >= 6


def no_more_than(found: Usage | None, right: dict[str, int] | None) -> bool:
    """True for no usage, a marked one, or one with at most what is right in every bucket."""
    if found is None or found.suspect:
        return True
    return all(getattr(found, name) <= (right or {}).get(name, 0) for name in COUNTERS)


@pytest.mark.parametrize("case", STREAMS, ids=named)
def test_a_stream_byte_by_byte_cut_at_every_byte(case: Case) -> None:
    """Whatever has arrived is never more than the truth, and at the end it is the truth."""
    reader = usage_reader(case.shape)
    body, out = case.body(), b""
    for place in range(len(body)):
        out += reader.feed(body[place : place + 1])
        assert no_more_than(reader.facts.usage, case.expected.usage), body[: place + 1][-80:]
    whole = facts_of(case)
    assert reader.facts == whole
    assert out + reader.close() == body
    assert reader.facts == whole


@pytest.mark.parametrize("case", STREAMS, ids=named)
def test_a_stream_in_two_pieces(case: Case) -> None:
    """A short stream that is split at any byte is the same stream."""
    body = case.body()
    step = 1 if len(body) <= SHORT_BYTES else 1 + len(body) // 400
    expected = facts_of(case)
    for place in range(0, len(body), step):
        reader = usage_reader(case.shape)
        reader.feed(body[:place])
        reader.feed(body[place:])
        assert reader.facts == expected, place


@pytest.mark.parametrize("case", DOCUMENTS, ids=named)
def test_a_document_cut_at_every_byte(case: Case) -> None:
    """Half a document has no usage: nothing is guessed from what is there."""
    body = b"".join(case.pieces())
    for place in range(len(body)):
        facts = read_reply(case.shape, body[:place])
        assert (facts.usage, facts.complete) == (None, False)


@pytest.mark.parametrize("case", CASES, ids=named)
def test_no_reader_breaks_on_the_bytes_of_another(case: Case) -> None:
    """A wrong address answers in another API: no error, and no usage that was not told."""
    for shape in SHAPES:
        for facts in (read_stream(shape, case.body()), read_reply(shape, case.body())):
            assert facts.usage is None or case.expected.usage is not None


SDK: dict[str, tuple[Any, Any]] = {
    "openai.chat": (ChatCompletion, ChatCompletionChunk),
    "openai.responses": (Response, ResponseStreamEvent),
    "openai.embeddings": (CreateEmbeddingResponse, None),
    "anthropic.messages": (Message, RawMessageStreamEvent),
}
VENDORS = ("openai", "anthropic")


@cache
def typed(kind: Any) -> TypeAdapter[Any]:
    """What checks values of a type; making one takes a second."""
    return TypeAdapter(kind)


NO_USAGE = ("no-usage", "unreadable")  # their SDKs want one
NOT_TYPED = ("error", "ping")


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in CASES
        if case.provider in VENDORS and case.reply.status == 200 and not case.id.endswith(NO_USAGE)
    ],
    ids=named,
)
def test_the_vendors_own_types_take_every_shape(case: Case) -> None:
    """The SDKs' types, checked strictly, have no complaint about what we wrote."""
    whole, event = SDK[case.shape]
    if case.reply.events is None:
        typed(whole).validate_python(case.reply.body)
        return
    for one in case.reply.events:
        if isinstance(one, dict) and "error" not in one and one.get("type") not in NOT_TYPED:
            typed(event).validate_python(one)
