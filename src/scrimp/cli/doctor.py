"""`scrimp doctor`: is everything in order, and if not, what mends it."""

from __future__ import annotations

from pathlib import Path

import click

from scrimp.cli.options import config_option, examples, json_option


@click.command(
    name="doctor",
    short_help="Check that everything is in order.",
    epilog=examples("scrimp doctor", "scrimp doctor --config prod.toml --json"),
)
@config_option
@json_option
def doctor_command(config: Path | None, *, as_json: bool) -> None:
    """Check settings, providers, ledger, cache, port, prices and vocabularies.

    Nothing is sent to a provider, and nothing is changed. Exit code 1 when something fails.
    """
    from dataclasses import asdict

    from rich.text import Text

    from scrimp.cli.console import out, print_json
    from scrimp.cli.doctor_checks import Finding, all_findings

    console, findings = out(), list[Finding]()
    colours = {"ok": "green", "warn": "yellow", "fail": "bold red"}
    for finding in all_findings(config):
        findings.append(finding)
        if as_json:
            continue
        console.print(
            Text.assemble(
                (f"{finding.status:<5}", colours[finding.status]),
                (f"{finding.name:<12}", "dim"),
                finding.said,
            ),
            soft_wrap=True,
        )
        if finding.way_out:
            console.print(Text(f"{'':<17}→ {finding.way_out}"), soft_wrap=True)
    failed = sum(finding.status == "fail" for finding in findings)
    warned = sum(finding.status == "warn" for finding in findings)
    if as_json:
        print_json({"ok": not failed, "findings": [asdict(one) for one in findings]})
    elif failed or warned:
        console.print(f"\n{failed} failed, {warned} to look at.")
    else:
        console.print("\nEverything is in order.")
    if failed:
        raise click.exceptions.Exit(1)
