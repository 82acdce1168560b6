"""How `scrimp alerts` looks, for people and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.text import Text

from scrimp.cli.console import dim, out
from scrimp.notices import Alert, Delivery, Notifier, Sent, Told

_SEVERITY = {"info": "", "warning": "yellow", "critical": "bold red"}
_STATES = {"delivered": "green", "waiting": "yellow", "given_up": "bold red", "held_back": "dim"}
_MOST_SAID = 200


def show_test(results: Sequence[tuple[Notifier, Sent]]) -> None:
    """A line for each notifier."""
    console = out()
    for notifier, sent in results:
        status = ("sent  ", "green") if sent.ok else ("failed", "bold red")
        line = f"  {notifier.name:<9}  {sent.said}".rstrip()
        console.print(Text.assemble(status, line), soft_wrap=True)


def test_fields(alert: Alert, results: Sequence[tuple[Notifier, Sent]]) -> dict[str, Any]:
    """The same for machines."""
    return {
        "id": alert.id,
        "ok": all(sent.ok for _, sent in results),
        "notifiers": [
            {"notifier": notifier.name, "ok": sent.ok, "said": sent.said}
            for notifier, sent in results
        ],
    }


def show_list(found: Sequence[Told], *, on: bool) -> None:
    """Three lines for each: what, the numbers, and what became of it."""
    console = out()
    if not found:
        console.print(dim("No alert yet."))
        if not on:
            console.print(
                dim("Alerts are off: nobody would be told (see [alerts] in scrimp.toml).")
            )
        return
    for told in found:
        alert = told.alert
        console.print(
            Text.assemble(
                (f"{alert.at:%Y-%m-%d %H:%M:%S}Z  ", "dim"),
                (f"{alert.severity:<9}", _SEVERITY[alert.severity]),
                (alert.title, "bold"),
            ),
            soft_wrap=True,
        )
        console.print(Text(f"  {alert.text}"), soft_wrap=True)
        for one in told.deliveries:
            console.print(_delivery(one), soft_wrap=True)
        if not told.deliveries:
            console.print(dim("  nobody was set up to be told"))


def _delivery(one: Delivery) -> Text:
    state = one.state.replace("_", " ")
    tries = f", {one.tries} {'try' if one.tries == 1 else 'tries'}"
    when = "" if one.at is None else f" {one.at:%Y-%m-%d %H:%M:%S}Z"
    again = "" if one.next_at is None or not one.tries else f", again {one.next_at:%H:%M:%S}Z"
    why = f": {one.said[:_MOST_SAID]}" if one.said else ""
    if one.state == "held_back":
        why = ": too many of its kind within an hour"
    return Text.assemble(
        f"  → {one.notifier} ", (state, _STATES[one.state]), f"{when}{tries}{again}{why}"
    )


def list_fields(found: Sequence[Told]) -> list[dict[str, Any]]:
    """The same for machines."""
    return [
        {
            "id": told.alert.id,
            "kind": told.alert.kind,
            "severity": told.alert.severity,
            "at": told.alert.at,
            "title": told.alert.title,
            "text": told.alert.text,
            "facts": dict(told.alert.facts),
            "deliveries": told.deliveries,
        }
        for told in found
    ]
