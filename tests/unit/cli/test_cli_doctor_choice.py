"""What the doctor says of routes and cascades."""

from __future__ import annotations

import pytest

from scrimp.cli.doctor_choice import choices
from scrimp.cli.finding import Finding
from scrimp.prices.book import load_book
from scrimp.served import targets_of
from scrimp.settings import Loaded, parse

PROVIDERS = "[providers.openai]\n[providers.anthropic]\n"
ROUTE = '[route]\nenabled = true\ndepth = "rules"\nmodels = [{}]\n'


def found(toml: str) -> list[Finding]:
    """What is said where only `openai` has a key."""
    settings = parse((toml + PROVIDERS).encode(), source="x")
    targets = targets_of(settings, load_book())
    return list(choices(Loaded(settings, "x", {"openai": "k"}), targets))


@pytest.mark.parametrize(
    ("toml", "status", "name", "said", "way_out"),
    [
        (ROUTE.format('"gpt-4o-mini", "gpt-4o"'), "ok", "route", "each of its 2 models", ""),
        (
            ROUTE.format('"gpt-4o-minni", "gpt-4o"'),
            "fail",
            "route",
            "gpt-4o-minni is never asked: model",
            "mean 'gpt-4o-mini'?",
        ),
        (
            ROUTE.format('"claude-haiku-4-5", "gpt-4o"'),
            "fail",
            "route",
            "provider 'anthropic' has no key",
            "export ANTHROPIC_API_KEY=…",
        ),
        ('[cascade]\nmodels = ["gpt-4o-mini"]\n', "ok", "cascade", "its model is served", ""),
        ('[cascade.tasks.extraction]\nmodels = ["nobody"]\n', "fail", "cascade", "never", "name"),
    ],
    ids=["served", "mistyped", "no_key", "cascade", "task"],
)
def test_models_that_are_never_asked_are_named(
    toml: str, status: str, name: str, said: str, way_out: str
) -> None:
    """With the way out."""
    (one,) = found(toml)
    assert (one.status, one.name) == (status, name)
    assert said in one.said
    assert way_out in one.way_out


def test_nothing_is_said_of_what_is_switched_off() -> None:
    """Nobody is asked by it."""
    assert found("") == []
    assert found('[route]\nmodels = ["nobody"]\n') == []
    assert found('[cascade]\nenabled = false\nmodels = ["nobody"]\n') == []
