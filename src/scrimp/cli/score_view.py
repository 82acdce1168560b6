"""How `scrimp route train`, `eval` and `explain` tell of a cascade's score of drafts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from scrimp.cli.console import dim, heading, out, say, short_path
from scrimp.cli.picture import drawn
from scrimp.cli.route_view import lines_table

if TYPE_CHECKING:
    from scrimp.routing.picture_points import Picture


def show_score_train(told: dict[str, Any]) -> None:
    """Drafts, numbers on those that were held back, the gate, and whether it serves."""
    for model, one in told["models"].items():
        say(heading(f"Drafts of {model} before {one['reference']}"))
        say(_counts(one))
        if one["evaluation"] is not None:
            _show_evaluation(one["evaluation"])
        if one["served"]:
            say("")
            out().print(_served(one["served"]))
        if not one["same"]:
            say("", f"No-harm gate: {one['gate']['why']}.")
        if not one["live"] and not one["same"] and one["gate"]["missing"]:
            say(f"About {one['gate']['missing']:,} drafts more, if they are like these.")
        say(_end(one, dry_run=told["dry_run"]), "")


def show_score_eval(told: dict[str, Any], shown: dict[str, Picture], png: Path | None) -> None:
    """Quality against cost of each model's score."""
    for model, one in told["models"].items():
        say(heading(f"Drafts of {model} before {one['reference']}"), _counts(one))
        who = fit_line(model, one["fit"]) if told["saved"] else "Scored by fits of other drafts."
        say(f"{who}")
        if one["left_out"]:
            say(dim(f"{one['left_out']:,} that it has learned from are left out."))
        if one["evaluation"] is None:
            say(dim("Too few drafts were compared to say anything."))
            continue
        say("", *drawn(shown[model]), "")
        _show_evaluation(one["evaluation"])
    if png is not None:
        say(f"Drawn in {short_path(png)}.")


def show_scored(told: dict[str, Any]) -> None:
    """One draft."""
    fit = told["fit"]
    say(f"Drafted by {told['model']}.")
    if fit is None:
        say(heading("Nothing was learned of this model's drafts, so no score lets it pass."))
        return
    say(fit_line(told["model"], fit))
    if told["given"] is not None:
        passes = "it is served" if told["passes"] else "the next model is asked"
        say(heading(f"Score {told['score']:.3f}; {told['given']:g} is given as enough: {passes}."))
        return
    say(heading(f"Score {told['score']:.3f}"))
    for one in told["certificates"]:
        if one["least_score"] is None:
            say(f"  {one['route']}, before {one['reference']}: {one['said']}")
            continue
        verdict = "served" if told["score"] >= one["least_score"] else "not served"
        say(
            f"  {one['route']}, before {one['reference']}: proven from "
            f"{one['least_score']:.3f} on, so it is {verdict}"
        )
    if not told["certificates"]:
        say("No least score is proven of this fit, and none is given: it is not served.")


def fit_line(model: str, fit: dict[str, Any]) -> str:
    """Which fit scores a model's drafts."""
    if not fit["parts_drafts"]:
        return f"Score of {model}'s drafts: all that were compared were alike, so each has 1."
    made = f" on {fit['trained_at']}" if fit["trained_at"] else ""
    return (
        f"Score of {model}'s drafts: version {fit['version']}, from {fit['labels']:,} labels "
        f"({fit['source']}){made}"
    )


def _counts(one: dict[str, Any]) -> str:
    others = one["other_features"]
    left = f"; {others:,} of other features teach nothing" if others else ""
    compared = f"{one['compared']:,} compared with {one['reference']}"
    return f"{one['drafts']:,} drafts ({one['source'] or 'none'}), {compared}{left}."


def _show_evaluation(told: dict[str, Any]) -> None:
    out().print(lines_table(told))
    if told["told_apart"] is not None:
        say(
            dim(f"A draft that will do scores above one that will not in {told['told_apart']:.1%}.")
        )
    say(dim("Costs are shares of always asking the better model; drafts that fail are paid, too."))


def _served(ways: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in (
        "served",
        "from a score of",
        "quality",
        "over what is blind",
        "over the score of now",
    ):
        table.add_column(title, justify="right")
    for one in ways:
        table.add_row(
            f"{one['share']:.0%}",
            f"{one['least_score']:.3f}",
            f"{one['quality']:.3f}",
            _edge(one["edge_over_blind"]),
            _edge(one["edge_over_now"]),
        )
    return table


def _edge(told: dict[str, Any] | None) -> str:
    if told is None:
        return "-"
    return f"{told['value']:+.3f} ({told['low']:+.3f} to {told['high']:+.3f})"


def _end(one: dict[str, Any], *, dry_run: bool) -> str:
    version = f"version {one['version']}"
    before = one["before"]
    stays = "" if before is None else f" The one that is there stays ({before['version']})."
    if one["same"]:
        return f"It is the one that is there ({version}): nothing changes."
    if one["saved"]:
        anew = len(one["begun_anew"])
        begun = f" {anew} certificates begin anew." if anew else ""
        return f"Saved ({version}). A gateway that runs scores by it within seconds.{begun}"
    if one["live"] and dry_run:
        return f"Nothing was saved (--dry-run). It would serve ({version})."
    return f"Nothing was saved: it may not serve.{stays}"
