"""A long document read by a cheap model: what is asked of whom, what it costs, when it is not."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import scrimp
from scrimp.client import shared
from scrimp.client.summarising import PIECE_CHARACTERS, pieces_of
from scrimp.errors import InvalidRequest
from scrimp.money import decimal_usd
from tests.support.library import Library, entries_of

DOCUMENT = "\n\n".join(f"Paragraph {n} tells of ships and harbours. " * 12 for n in range(120))
QUESTION = "How many ships are there?"


def asked(lib: Library) -> list[dict[str, Any]]:
    """What the provider got."""
    return [json.loads(one.body) for one in lib.sim.requests]


def test_a_cheap_model_reads_and_another_answers(lib: Library) -> None:
    """In pieces, within their limits; the cost is the bill, and the second time it is nothing."""
    found = lib.scrimp.summarise_then_ask(
        DOCUMENT, QUESTION, model="gpt-4o", summary_model="gpt-4o-mini"
    )
    pieces = pieces_of(DOCUMENT)
    *summaries, last = asked(lib)
    assert [one["messages"][-1]["content"] for one in summaries] == pieces
    assert {one["model"] for one in summaries} == {"gpt-4o-mini"}
    assert {one.get("max_tokens", one.get("max_completion_tokens")) for one in summaries} == {300}
    assert all("200 words" in json.dumps(one) and QUESTION in json.dumps(one) for one in summaries)
    assert last["model"] == "gpt-4o"
    assert last["messages"][-1]["content"] == QUESTION
    assert len(json.dumps(last)) < len(DOCUMENT) / 4
    assert str(found) == found.answer.answer
    assert len(found.summaries) == len(pieces) == 3
    assert found.cost == Decimal(decimal_usd(lib.sim.bill.total_nanousd))
    again = lib.scrimp.summarise_then_ask(
        DOCUMENT, QUESTION, model="gpt-4o", summary_model="gpt-4o-mini"
    )
    assert (str(again), again.cost) == (str(found), Decimal(0))


@pytest.mark.parametrize(
    ("document", "options"),
    [
        (DOCUMENT, {"model": "gpt-4o-mini"}),
        (DOCUMENT, {"model": "gpt-4o-mini", "summary_model": "gpt-4o"}),
        ("A short text about ships.", {"model": "gpt-4o", "summary_model": "gpt-4o-mini"}),
    ],
)
def test_what_would_cost_more_is_not_done(
    lib: Library, document: str, options: dict[str, Any]
) -> None:
    """The same model twice, a dearer one for the summaries, a document that is short."""
    found = lib.scrimp.summarise_then_ask(document, QUESTION, **options)
    (only,) = asked(lib)
    assert found.summaries == ()
    assert document in only["messages"][0]["content"]
    assert only["model"] == options["model"]


async def test_awaited_it_is_the_same(lib: Library) -> None:
    """On an event loop."""
    found = await lib.scrimp.asummarise_then_ask(
        DOCUMENT, QUESTION, model="gpt-4o", summary_model="gpt-4o-mini", words=50, user="anna"
    )
    assert len(found.summaries) == 3
    assert "50 words" in json.dumps(asked(lib)[0])
    assert {entry.user for entry in lib.entries()} == {"anna"}


@pytest.mark.parametrize("options", [{"words": 0}, {"max_tokens": 0}])
def test_a_summary_has_words(lib: Library, options: dict[str, Any]) -> None:
    """Nothing is asked for what makes no sense."""
    with pytest.raises(InvalidRequest, match="a whole number is needed, 1 or more"):
        lib.scrimp.summarise_then_ask(DOCUMENT, QUESTION, model="gpt-4o", **options)
    assert asked(lib) == []


def test_pieces_are_the_document() -> None:
    """All of it, in order, none too long, also where nothing parts it."""
    for document in (DOCUMENT, "x" * 60_001, "a\n" * 20_000, "word. " * 9_000):
        pieces = pieces_of(document)
        assert "".join(pieces).strip() == document.strip()
        assert max(map(len, pieces)) <= PIECE_CHARACTERS
    assert pieces_of("") == []


def test_without_an_engine_of_ones_own(
    lib: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`scrimp.summarise_then_ask` opens one, with the settings that the gateway would find."""
    config = tmp_path / "scrimp.toml"
    config.write_text(
        f'state_dir = "{tmp_path}/state"\n'
        f'[providers.openai]\nbase_url = "{lib.sim.url}/v1"\nkey_env = "OPENAI_KEY"\n'
    )
    monkeypatch.setenv("SCRIMP_CONFIG", str(config))
    monkeypatch.setenv("OPENAI_KEY", "sk-x")
    monkeypatch.setattr(shared, "_engines", [])
    try:
        for times in (1, 2):
            found = scrimp.summarise_then_ask(
                DOCUMENT, QUESTION, model="gpt-4o", summary_model="gpt-4o-mini"
            )
            assert len(found.summaries) == 3
            assert (found.cost == 0) == (times == 2)
        assert shared.shared_engine() is shared.shared_engine()
        assert len(entries_of(shared.shared_engine())) == 8
    finally:
        shared.shared_engine().close()
