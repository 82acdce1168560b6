"""The choice of a model by rules, as clients meet it: real SDKs, a real gateway, the real bill."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import openai
import pytest

from scrimp.money import decimal_usd
from tests.support.stage import Stage, staged

_RULES = """
[exact_cache]
enabled = false

[route]
enabled = true
depth = "rules"
models = ["gpt-4o-mini", "gpt-4o"]
reference = "gpt-4o"

[route.rungs]
simple = ["gpt-4o-mini"]
medium = ["gpt-4o-mini"]
complex = ["gpt-4o"]
expert = ["gpt-4o"]
"""


@contextmanager
def asked_through(stage: Stage) -> Iterator[openai.OpenAI]:
    """An OpenAI client that does not retry."""
    with openai.OpenAI(base_url=f"{stage.url}/v1", api_key="sk-x", max_retries=0) as client:
        yield client


def ask(client: openai.OpenAI, text: str, model: str = "scrimp/auto", **more: Any) -> Any:
    """The raw response with its headers."""
    return client.chat.completions.with_raw_response.create(
        model=model, messages=[{"role": "user", "content": text}], **more
    )


def test_an_easy_question_goes_to_the_cheap_model_and_the_ledger_says_what_it_saved() -> None:
    """Baseline minus cost is what `route` saved, to the nano-dollar; a proof goes to the dear."""
    with staged(more=_RULES) as stage:
        with asked_through(stage) as client:
            easy = ask(client, "What is the capital of France?")
            hard = ask(client, "Prove that there are infinitely many primes.")
        assert easy.headers["x-scrimp-route"] == "gpt-4o-mini; rung_simple"
        assert hard.headers["x-scrimp-route"] == "gpt-4o; rung_expert"
        cheap, dear = stage.gateway.entries()
        assert (cheap.model, cheap.model_requested) == ("gpt-4o-mini", "scrimp/auto")
        assert dear.model == "gpt-4o"
        assert cheap.cost_nanousd is not None
        assert cheap.baseline_nanousd is not None
        saved = dict(cheap.saved)["route"]
        assert saved == cheap.baseline_nanousd - cheap.cost_nanousd > 0
        assert easy.headers["x-scrimp-saved-usd"] == decimal_usd(saved)
        assert "route" not in dict(dear.saved)


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("scrimp/auto:budget=tight", "gpt-4o-mini"),
        ("scrimp/cheap", "gpt-4o-mini"),
        ("scrimp/auto:required=gpt-4o", "gpt-4o"),
        ("scrimp/auto:rung=simple", "gpt-4o-mini"),
        ("scrimp/auto:models=gpt-4.1-nano", "gpt-4.1-nano"),
    ],
)
def test_a_call_says_how_in_the_name_of_its_model(name: str, model: str) -> None:
    """Each wish as it is written, for a question that would go to the dear model."""
    with staged(more=_RULES) as stage, asked_through(stage) as client:
        reply = ask(client, "Prove that there are infinitely many primes.", name)
        assert reply.headers["x-scrimp-route"].startswith(f"{model};")
        assert stage.gateway.entries()[0].model == model


def test_the_same_by_header_and_for_streams() -> None:
    """A call that names a model is left alone, unless a header says otherwise."""
    with staged(more=_RULES) as stage:
        with asked_through(stage) as client:
            plain = ask(client, "What is 2 and 2?", "gpt-4o")
            assert "x-scrimp-route" not in plain.headers
            header = {"x-scrimp-route": "auto"}
            with client.chat.completions.with_streaming_response.create(
                model="gpt-4o",
                messages=[{"role": "user", "content": "What is 2 and 2?"}],
                stream=True,
                extra_headers=header,
            ) as stream:
                assert stream.headers["x-scrimp-route"] == "gpt-4o-mini; rung_simple"
                stream.read()
        assert [entry.model for entry in stage.gateway.entries()] == ["gpt-4o", "gpt-4o-mini"]


def test_what_cannot_be_is_refused_in_the_clients_own_dialect() -> None:
    """Unknown names, contradictions, nobody left: what is wrong, the way out, and no cost."""
    with staged(more=_RULES) as stage:
        with asked_through(stage) as client:
            for name, kind, said in (
                ("scrimp/best", openai.NotFoundError, "none of scrimp/auto, scrimp/cheap"),
                ("scrimp/auto:quality=2", openai.BadRequestError, "quality='2' is not a share"),
                ("scrimp/auto:quality=0.9,usd=1", openai.BadRequestError, "sets 2 dials"),
                ("scrimp/auto:region=mars", openai.BadRequestError, "'region' removed 'gpt-4o"),
                (
                    "scrimp/auto:usd=0.000001",
                    openai.BadRequestError,
                    "each would cost more than $0.000001",
                ),
            ):
                with pytest.raises(kind, match=re.escape(said)):
                    ask(client, "What is the capital of France?", name)
        with (
            anthropic.Anthropic(base_url=stage.url, api_key="sk-x", max_retries=0) as claude,
            pytest.raises(anthropic.NotFoundError, match="none of scrimp/auto"),
        ):
            claude.messages.create(
                model="scrimp/none", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
            )
        assert not stage.sim.requests


def test_a_cheap_model_that_fails_costs_no_answer() -> None:
    """The call goes where it was headed; what the first try cost is booked against the route."""
    with staged(more=_RULES + "[retry]\nattempts = 1\n") as stage, asked_through(stage) as client:
        stage.sim.fault("500", count=1)
        reply = ask(client, "What is the capital of France?")
        assert reply.headers["x-scrimp-route"] == "gpt-4o; gpt-4o-mini failed"
        entry = stage.gateway.entries()[0]
        assert entry.model == "gpt-4o"
        assert [line.verdict for line in entry.trace if line.lever == "route"] == [
            "rung_simple",
            "went_back",
        ]


def test_the_names_stand_in_the_list_of_models() -> None:
    """Where routing is switched on, and a call to one where it is off says how to switch it on."""
    with staged(more=_RULES) as stage, asked_through(stage) as client:
        assert "scrimp/auto" in {model.id for model in client.models.list()}
    with staged() as stage, asked_through(stage) as client:
        assert "scrimp/auto" not in {model.id for model in client.models.list()}
        with pytest.raises(openai.NotFoundError, match=r"\[route\] enabled = true"):
            ask(client, "Hi")
