"""How `scrimp route train` looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrimp.cli.console import dim, heading, say
from scrimp.cli.route_view import show_tables

if TYPE_CHECKING:
    from scrimp.settings import Settings

_FEW = 200


def show_train(told: dict[str, Any], settings: Settings, *, saved: bool, stays: bool) -> None:
    """Labels, numbers on questions that were held back, the gate, and whether it serves."""
    labels = ", ".join(f"{model} {count:,}" for model, count in told["labels"].items())
    say(heading(f"{told['questions']:,} questions; labels: {labels}"))
    say(f"Reference: {told['reference']}. Features: {told['features']}.")
    if told["evaluation"] is not None:
        say("", f"On questions held back ({told['evaluation']['questions']:,}):")
        show_tables(told["evaluation"])
    say("", f"No-harm gate: {told['gate']['why']}.")
    missing = told["gate"]["missing"]
    if not told["live"] and missing:
        say(f"About {missing:,} questions more would show it, if they are like these.")
    elif not told["live"] and told["gate"]["winner"] is not None:
        say("More labels of this kind will hardly change that: other models, or features, may.")
    if few := [model for model, count in told["labels"].items() if count < _FEW]:
        say(dim(f"Few labels of {', '.join(few)}: under {_FEW} a chance is rough."))
    say(_end(told, settings, saved=saved, stays=stays))


def _end(told: dict[str, Any], settings: Settings, *, saved: bool, stays: bool) -> str:
    version = f"version {told['version']}, {told['size_bytes'] / 2**20:.1f} MiB"
    if not saved and stays:
        return (
            f"The router that was trained before stays, since this one may not serve ({version})."
        )
    if not saved:
        return f"Nothing was saved ({version})."
    if not told["live"]:
        return f"Saved, but it serves nothing ({version})."
    section = settings.route
    if not section.enabled:
        return f"Saved ({version}). It serves once [route] is enabled in scrimp.toml."
    if section.depth == "rules":
        return f"Saved ({version}). It serves once [route] depth is learned or certified."
    return f"Saved ({version}). It goes live when the gateway is started anew."
