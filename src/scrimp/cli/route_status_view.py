"""How `scrimp route status` looks."""

from __future__ import annotations

from typing import Any

from scrimp.cli.console import dim, heading, say
from scrimp.money import format_usd


def show_status(told: dict[str, Any]) -> None:
    """Settings, the router, routes, savings."""
    say(_settings_line(told["settings"]))
    say(_router_line(told["router"]))
    for model, fit in told["scores"].items():
        say(_score_line(model, fit))
    if told["models"]:
        known = ", ".join(f"{name} is {version}" for name, version in told["models"].items())
        say(f"By their providers' last word: {known}.")
    for route in told["routes"]:
        say("", heading(_named(route)))
        labels = ", ".join(f"{model} {count:,}" for model, count in route["labels"].items())
        say(f"  lessons: {labels or 'none kept'}")
        for one in route["certificates"]:
            say(*_certificate_lines(one))
    if not told["routes"]:
        say(dim("No route has learned anything yet."))
    if told["savings"] is not None:
        say("", _savings_line(told["savings"]))


def _settings_line(section: dict[str, Any]) -> str:
    if not section["enabled"]:
        return "Routing is off ([route] enabled = true in scrimp.toml switches it on)."
    models = ", ".join(section["models"])
    which = f"{models}; reference {section['reference']}; {_dial(section)}"
    return f"Routing is on, depth {section['depth']}: {which}."


def _dial(section: dict[str, Any]) -> str:
    if section["budget_nanousd"] is not None:
        return f"at most {format_usd(section['budget_nanousd'])} for a call"
    if section["floor"] is not None:
        return f"a chance of {section['floor']:g} at least"
    sure = f"{section['confidence']:.0%}"
    return f"at most {section['max_loss'] or 0:g} of quality lost, with {sure} confidence"


def _router_line(router: dict[str, Any] | None) -> str:
    if router is None:
        return "No router was trained (scrimp route train)."
    made = f"Router of {router['trained_at']}, from {router['labels']:,} labels"
    if not router["usable"]:
        return f"{made}: it serves nothing, its features are {router['features']} (train it anew)."
    if not router["live"]:
        return f"{made}: it serves nothing: {router['gate']}."
    return f"{made}: live{': ' + router['gate'] if router['gate'] else ''}."


def _score_line(model: str, fit: dict[str, Any]) -> str:
    from scrimp.cli.score_view import fit_line

    if not fit["certificates"]:
        return f"{fit_line(model, fit)}; nothing is being proven of it."
    served = f"{fit['served_by']} of its {fit['certificates']} certificates serve"
    return f"{fit_line(model, fit)}; {served}."


def _named(route: dict[str, Any]) -> str:
    prompt = f", system prompt {route['prompt']}" if route["prompt"] else ""
    return f"{route['task'] or 'any task'} of {route['tenant'] or 'anybody'}{prompt}"


def _certificate_lines(one: dict[str, Any]) -> list[str]:
    others = ", ".join(one["others"])
    if one["of"] == "cascade":
        who = f"drafts of {others} before {one['reference']}, by score"
        if not one["of_now"]:
            return [dim(f"  {who} of another version, which scores nothing any more").plain]
    else:
        who = f"{one['reference']} to {others}"
    lines = [f"  {who}: {one['said']}."]
    if one.get("least_score") is not None:
        lines.append(f"    drafts are served from a score of {one['least_score']:.3f} on")
    if one.get("requests"):
        share = one["served_cheap"] / one["requests"]
        lines.append(
            f"    {one['requests']:,} calls, {share:.0%} served cheap; {one['labels']:,} labels"
        )
    if one.get("last_restart"):
        lines.append(f"    begun anew {one['restarts']} times, last since {one['last_restart']}")
    return lines


def _savings_line(told: dict[str, Any]) -> str:
    saved, shadows, judges, net = (
        format_usd(told[name], places=4)
        for name in ("saved_nanousd", "shadows_nanousd", "judges_nanousd", "net_nanousd")
    )
    spent = f"{shadows} spent on shadows and {judges} on judges"
    moved = f"In {told['days']} days {told['calls_moved']:,} calls were moved"
    return f"{moved}: {saved} saved, {spent}, {net} net."
