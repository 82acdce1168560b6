"""Which models read and answer a long document, where the caller names none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import scrimp
from scrimp.client import shared
from scrimp.client.reading_models import USUAL
from scrimp.errors import InvalidRequest
from scrimp.simulator import Simulator
from tests.support.library import Library, library

DOCUMENT = "\n\n".join(f"Paragraph {n} tells of ships and harbours. " * 12 for n in range(120))
QUESTION = "How many ships are there?"


def models(sim: Simulator) -> tuple[str, ...]:
    """What was asked, in order."""
    return tuple(json.loads(one.body)["model"] for one in sim.requests)


def read_by(lib: Library, **options: Any) -> tuple[str, ...]:
    """The models that were asked, and whether the summaries were three."""
    found = lib.scrimp.summarise_then_ask(DOCUMENT, QUESTION, **options)
    assert len(found.summaries) in (0, 3)
    return models(lib.sim)


def test_two_arguments_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`scrimp.summarise_then_ask(document, question)` takes the first provider's usual models."""
    with Simulator() as sim:
        config = tmp_path / "scrimp.toml"
        config.write_text(
            f'state_dir = "{tmp_path}/state"\n'
            f'[providers.openai]\nbase_url = "{sim.url}/v1"\nkey_env = "OPENAI_KEY"\n'
        )
        monkeypatch.setenv("SCRIMP_CONFIG", str(config))
        monkeypatch.setenv("OPENAI_KEY", "sk-x")
        monkeypatch.setattr(shared, "_engines", [])
        try:
            found = scrimp.summarise_then_ask(DOCUMENT, QUESTION)
        finally:
            shared.shared_engine().close()
        assert len(found.summaries) == 3
        assert models(sim) == (*["gpt-4o-mini"] * 3, "gpt-4o")


def test_the_reader_is_cheap_and_of_the_same_company(lib: Library) -> None:
    """A document is sent to no other provider by a choice that nobody made."""
    assert read_by(lib, model="claude-sonnet-4-5") == (
        *["claude-haiku-4-5"] * 3,
        "claude-sonnet-4-5",
    )


def test_a_dear_model_of_the_engine_has_a_cheap_reader(tmp_path: Path) -> None:
    """The engine's own model answers; one that cannot be had cheaper reads for itself."""
    with Simulator() as sim:
        provider = {"base_url": f"{sim.url}/v1", "key_env": "PATH"}
        tables = {"state_dir": str(tmp_path), "providers": {"openai": provider}}
        for model, reads in (("gpt-4o", 3), ("gpt-4o-mini", 0)):
            with scrimp.Scrimp(tables, model=model) as one:
                assert len(one.summarise_then_ask(DOCUMENT, QUESTION).summaries) == reads
        assert models(sim) == (*["gpt-4o-mini"] * 3, "gpt-4o", "gpt-4o-mini")


@pytest.mark.parametrize(
    ("more", "asked"),
    [
        ({"route": {"models": ["gpt-4.1-nano", "gpt-4o"]}}, ("gpt-4.1-nano", "gpt-4o")),
        ({"route": {"reference": "gpt-4.1"}}, ("gpt-4o-mini", "gpt-4.1")),
        (
            {"trim": {"summary_model": "claude-haiku-4-5"}},
            ("claude-haiku-4-5", "gpt-4o"),
        ),
        (
            {"models": {"small": {"provider": "openai", "model": "gpt-4.1-nano"}}},
            ("gpt-4.1-nano", "gpt-4o"),
        ),
        ({"degrade": {"models": ["gpt-5-nano"]}}, ("gpt-4o-mini", "gpt-4o")),
    ],
    ids=["route", "reference", "trim", "models", "thinks"],
)
def test_the_settings_come_first(more: dict[str, Any], asked: tuple[str, str]) -> None:
    """The route's reference answers, the cheapest that is named reads, none that thinks."""
    with library(more=more) as lib:
        assert read_by(lib) == (*[asked[0]] * 3, asked[1])


def test_where_nothing_says_the_error_does(tmp_path: Path) -> None:
    """A provider that nobody knows has no usual model: the way out is named, nothing is sent."""
    with Simulator() as sim:
        house = {"base_url": f"{sim.url}/v1", "dialects": ["openai.chat"], "any_model": True}
        tables = {"state_dir": str(tmp_path), "providers": {"house": house}}
        with (
            scrimp.Scrimp(tables) as one,
            pytest.raises(InvalidRequest, match=r"\(house\).*model=… in this call") as caught,
        ):
            one.summarise_then_ask(DOCUMENT, QUESTION)
        assert "openai, anthropic, google, mistral" in str(caught.value)
        assert not sim.requests


@pytest.mark.parametrize("provider", USUAL)
def test_usual_models_have_prices(provider: str) -> None:
    """Of what is chosen unasked the cost is known, and the reader is the cheaper one."""
    answers, reads = USUAL[provider]
    used = {"input_tokens": 6_000, "output_tokens": 300}
    assert (
        scrimp.price(used, reads, provider).nanousd < scrimp.price(used, answers, provider).nanousd
    )
