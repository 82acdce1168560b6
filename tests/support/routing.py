"""Routers over the real price book and one provider, for tests of the choice of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scrimp.billing import pricer
from scrimp.calls import Target
from scrimp.dialects import DIALECTS
from scrimp.errors import UnknownModel
from scrimp.pipeline.router import Router, RouterMeans
from scrimp.routing.tables import RouteSection
from tests.support.budgets import book

MODELS = ("gpt-4o-mini", "gpt-4o")
SECTION = RouteSection(enabled=True, models=MODELS, reference="gpt-4o", depth="rules")


@dataclass(frozen=True)
class Served:
    """Two providers that serve what they are told, under these names."""

    models: tuple[str, ...] = (*MODELS, "gpt-4.1", "claude-haiku-4-5")

    def resolve(self, model: str, dialect: str, *, native_only: bool = False) -> Target:
        """By name."""
        del native_only
        if model not in self.models:
            raise UnknownModel(model)
        return Target("anthropic" if "claude" in model else "openai", model, dialect)

    def spoken(self, provider: str, dialect: str) -> str:
        """Models with `claude` in their names are Anthropic's."""
        return "anthropic.messages" if provider == "anthropic" else dialect

    def default_provider(self, dialect: str) -> str:
        """The one there is."""
        del dialect
        return "openai"


def router(
    section: RouteSection = SECTION,
    *,
    more: tuple[str, ...] = (),
    refuses_unpriced: bool = False,
    residency: Mapping[str, str] | None = None,
) -> Router:
    """Over the real price book; `more` are models that are served, too."""
    made = book()
    names = {"openai": "openai", "anthropic": "anthropic"}
    served = Served((*Served().models, *more))
    means = (section, served, made, names, pricer(made, names, {}), DIALECTS)
    return Router(RouterMeans(*means, refuses_unpriced=refuses_unpriced, residency=residency or {}))
