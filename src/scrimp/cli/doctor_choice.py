"""What `scrimp doctor` finds of routes and cascades: models that nobody serves, or has no key for.

A gateway passes over such a model, call by call, and says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from scrimp.cli.doctor_fallback import meant, served, why_not
from scrimp.cli.finding import Finding
from scrimp.settings import Loaded, Settings
from scrimp.targets import Targets


def choices(loaded: Loaded, targets: Targets) -> Iterator[Finding]:
    """Nothing where neither is switched on."""
    for name, models in _named(loaded.settings).items():
        if not models:
            continue
        found = [one for model in models for one in _of(loaded, targets, name, model)]
        yield from found
        if not found:
            count = "its model is" if len(models) == 1 else f"each of its {len(models)} models is"
            yield Finding("ok", name, f"{count} served and has a key")


def _named(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Models that are chosen from, or draft, by the table that names them."""
    route, cascade = settings.route, settings.cascade
    ladders = [cascade.models, *(table.models or () for table in cascade.tasks.values())]
    chosen = (*route.models, *filter(None, (route.reference,))) if route.enabled else ()
    drafting = [name for ladder in ladders for name in ladder] if cascade.enabled else []
    return {"route": tuple(dict.fromkeys(chosen)), "cascade": tuple(dict.fromkeys(drafting))}


def _of(loaded: Loaded, targets: Targets, table: str, model: str) -> Iterator[Finding]:
    target = served(targets, model)
    if target is None:
        said = f"{model} is never asked: {why_not(targets, model)}"
        way_out = meant(targets, model) or f"name another, or configure who serves '{model}'"
        yield Finding("fail", table, said, way_out)
        return
    provider = loaded.settings.providers[target.provider]
    brings = loaded.settings.auth.mode == "passthrough"
    if provider.key_env and target.provider not in loaded.secrets and not brings:
        said = f"{model}: provider '{target.provider}' has no key"
        yield Finding("fail", table, said, f"export {provider.key_env}=…")
