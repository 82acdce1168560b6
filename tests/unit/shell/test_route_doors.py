"""Where a choice of a model is headed, which names and which demands are refused."""

from __future__ import annotations

import pytest

from scrimp.calls import Target
from scrimp.choosing import Wish
from scrimp.errors import InvalidRequest, UnknownModel
from scrimp.routing.tables import RouteSection
from scrimp.shell.choice import headed_for
from scrimp.targets import ModelEntry, Provider, Targets

_C = "openai.chat"
_CHAT = frozenset({"openai.chat", "openai.responses", "openai.embeddings"})
SECTION = RouteSection(enabled=True, models=("small", "large"), reference="large")


def targets() -> Targets:
    """One provider that serves three models of the settings."""
    entries = {name: ModelEntry("openai", name) for name in ("small", "middle", "large")}
    return Targets([Provider("openai", _CHAT, lambda _: False)], entries, {})


def names(wish: Wish, section: RouteSection = SECTION, model: str = "scrimp/auto") -> list[str]:
    """By which names a call may go, best first."""
    return [name for name, _ in headed_for(model, wish, section, targets(), "openai.chat")]


def test_a_list_of_a_calls_own_is_all_there_is_and_its_reference_is_the_best() -> None:
    """The settings' reference where it stands in it, else the last, as in the settings."""
    assert names(Wish("auto")) == ["large", "small"]
    assert names(Wish("auto", models=("small", "large"))) == ["large", "small"]
    assert names(Wish("auto", models=("small", "middle"))) == ["middle", "small"]


@pytest.mark.parametrize("model", ["scrimp/auto", "large"])
def test_a_name_in_a_list_that_nobody_knows_is_refused_by_name(model: str) -> None:
    """A typing error is no candidate that happens to be missing."""
    with pytest.raises(UnknownModel, match="'smal' is not known"):
        names(Wish("auto", models=("smal", "large")), model=model)


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (Wish(region="eu"), "region"),
        (Wish(budget_nanousd=10), "usd"),
        (Wish(models=("small",)), "models"),
    ],
)
def test_a_demand_that_nobody_would_keep_is_refused(wish: Wish, said: str) -> None:
    """Where routing is off, and for what is not routed; a model that is required is kept."""
    off = RouteSection()
    with pytest.raises(InvalidRequest, match=f"'{said}', which nothing keeps"):
        names(wish, off, "large")
    with pytest.raises(InvalidRequest, match=r"openai\.embeddings is not routed"):
        headed_for("large", wish, SECTION, targets(), "openai.embeddings")
    assert names(wish, SECTION, "large") == ["large"]
    kept = headed_for("large", Wish(required="small", models=("small",)), off, targets(), _C)
    assert kept == (("small", Target("openai", "small", _C)),)
