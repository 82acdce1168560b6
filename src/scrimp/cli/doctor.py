"""`scrimp doctor`: is everything in order, and if not, what mends it."""

from __future__ import annotations

from pathlib import Path

import click

from scrimp.cli.options import config_option, examples, json_option


@click.command(
    name="doctor",
    short_help="Check that everything is in order.",
    epilog=examples(
        "scrimp doctor",
        "scrimp doctor --config prod.toml --json",
        "scrimp doctor --conformance http://127.0.0.1:4141 --listen 127.0.0.1:9999",
    ),
)
@config_option
@click.option(
    "--conformance",
    "url",
    metavar="URL",
    help="Play recorded shapes of every provider through the gateway at URL instead.",
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:9999",
    show_default=True,
    help="Where the replaying provider listens, to which the gateway sends its calls.",
)
@click.option(
    "--provider",
    "providers",
    metavar="NAME",
    multiple=True,
    help="Only cases of this provider, which must then be served; may be repeated.",
)
@json_option
def doctor_command(
    config: Path | None, url: str | None, listen: str, providers: tuple[str, ...], *, as_json: bool
) -> int:
    """Check settings, providers, ledger, cache, port, prices and vocabularies.

    Nothing is sent to a provider, and nothing is changed. Exit code 1 when something fails.

    With --conformance, a provider that replays known answers listens on this machine, and a client
    asks for them through any gateway whose providers point to it: what arrives, and what it is said
    to cost, must be right. A key that the gateway wants is taken from SCRIMP_KEY.
    """
    if url is not None:
        from scrimp.cli.doctor_conformance import Wanted, perform

        return perform(Wanted(config, url, listen, providers, as_json))
    return _checkup(config, as_json=as_json)


def _checkup(config: Path | None, *, as_json: bool) -> int:
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
                (f"{finding.name:<11} ", "dim"),
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
    return 1 if failed else 0
