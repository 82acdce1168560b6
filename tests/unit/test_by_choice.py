"""What is opened for the choice of a model, and what is left alone."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from scrimp.by_choice import open_by_choice
from scrimp.errors import ConfigError
from scrimp.routing.cascade_tables import CascadeSection
from scrimp.routing.tables import RouteSection
from scrimp.settings import Settings
from scrimp.targets import judging_target
from tests.support.core import FakeClock
from tests.support.routing import Served

CASCADE = CascadeSection(models=("gpt-4o-mini",), checks=("min_length=1",))
ROUTE = RouteSection(enabled=True, models=("gpt-4o-mini", "gpt-4o"))


def settings(folder: Path, **sections: object) -> Settings:
    """With a state of its own."""
    path = str(folder / "routes.sqlite")
    made = {"route": msgspec.structs.replace(ROUTE, enabled=False, path=path), **sections}
    return msgspec.structs.replace(Settings(), **made)


async def test_a_cascade_alone_loads_no_ranking_and_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps lessons, and reads no question by features."""

    def loaded() -> None:
        raise AssertionError("the table of the static embedding was loaded")

    monkeypatch.setattr("scrimp.embedders.static_words.load", loaded)
    opened = await open_by_choice(settings(tmp_path, cascade=CASCADE), FakeClock())
    assert opened is not None
    assert (opened.ranking, opened.feedback, opened.scores.models) == (None, None, {})
    assert await open_by_choice(settings(tmp_path), FakeClock()) is None


async def test_routes_that_learn_have_a_ranking(tmp_path: Path) -> None:
    """And take feedback."""
    path = str(tmp_path / "routes.sqlite")
    section = msgspec.structs.replace(ROUTE, path=path)
    opened = await open_by_choice(settings(tmp_path, route=section), FakeClock())
    assert opened is not None
    assert opened.ranking is not None
    assert opened.feedback is not None


def test_a_judge_is_asked_where_it_is_served_natively_else_the_setting_is_named() -> None:
    """One way for all who judge."""
    assert judging_target("gpt-4o", Served(), "[route]").model == "gpt-4o"
    with pytest.raises(ConfigError, match=r"^\[route\]: nobody's"):
        judging_target("nobody's", Served(), "[route]")
