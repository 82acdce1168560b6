"""`scrimp keys`: keys of callers and of administrators, made and ended while the gateway runs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import click

from scrimp.cli.control import Desks, at_desk, every, filled, later
from scrimp.cli.options import config_option, examples, json_option

if TYPE_CHECKING:
    from scrimp.identity import MemberKind
    from scrimp.shell.forms import KeyView, NewKey


class KeyOptions(TypedDict):
    """Whose calls the key makes, and what it may."""

    org: str
    team: str
    user: str
    task: str
    tags: tuple[str, ...]
    models: tuple[str, ...]
    trusted: bool
    admin: bool
    expires: str
    config: Path | None
    as_json: bool


@click.group(
    name="keys",
    short_help="Make, list, rotate and revoke keys.",
    epilog=examples(
        "scrimp keys create ci --team platform --tag env:ci",
        "scrimp keys list",
        "scrimp keys rotate ci --grace 24h",
        "scrimp keys revoke ci",
    ),
)
def keys_command() -> None:
    """Make, list, rotate and revoke keys.

    They are kept in the state folder as SHA-256 and shown once. Gateways that run see a change
    within a second. From the first key on every call needs one, also when the last is revoked.
    """


@keys_command.command(
    name="create",
    short_help="Make a key; it is shown this once.",
    epilog=examples(
        "scrimp keys create ci --team platform --model gpt-4o-mini --expires 90d",
        "scrimp keys create web --trusted",
        "scrimp keys create ops --admin",
    ),
)
@click.argument("name")
@click.option("--org", default="", help="Organisation of its calls, unless its team says it.")
@click.option("--team", default="", help="Team that its calls are booked on.")
@click.option("--user", default="", help="User that its calls are booked on.")
@click.option("--task", default="", help="Task type of its calls, unless they name their own.")
@click.option("--tag", "tags", multiple=True, help="Tag on each of its calls (may be repeated).")
@click.option("--model", "models", multiple=True, help="Allow only this model (may be repeated).")
@click.option("--trusted", is_flag=True, help="Its calls may name an end user, who has budgets.")
@click.option("--admin", is_flag=True, help="For the admin API; it makes no calls.")
@click.option("--expires", default="", metavar="TIME", help="90d, 12h, 2027-01-31, an ISO time.")
@config_option
@json_option
def create_command(name: str, **options: Unpack[KeyOptions]) -> None:
    """Make a key for a client of the gateway; it is shown this once.

    Organisations, teams and users that are not there yet are made. In a pipe, standard output is
    the key alone.
    """
    from scrimp.cli.console import dim, heading, note, out, print_json, say
    from scrimp.shell.forms import KeyForm

    expires = options["expires"]
    said = ("org", "team", "user", "task", "tags", "models", "trusted")
    given: dict[str, Any] = {**options}
    fields = {"name": name} | {field: given[field] for field in said}
    if expires:
        fields["expires_at"] = later(expires, datetime.now(UTC))
    form = filled(KeyForm, fields)

    async def create(desks: Desks) -> tuple[list[str], NewKey]:
        new = await _make_members(desks, form.org, form.team, form.user)
        admin = options["admin"]
        return new, await desks.people.create_key(form, by=desks.by, admin=admin)

    new, made = at_desk(options["config"], create)
    if options["as_json"]:
        print_json(made)
        return
    for line in new:
        note(line)
    if not out().is_terminal:
        note(f"key {name!r}, shown this once:")
        say(made.secret)
        return
    whom = "administrators send" if options["admin"] else "clients send"
    say(heading(f"The key (shown this once; {whom} it as their API key)"), "")
    say(f"  {made.secret}", "")
    say(dim(f"It holds from now on. Look at it with: scrimp keys show {name}"))


@keys_command.command(name="list", short_help="Show all keys, never themselves.")
@config_option
@json_option
def list_command(config: Path | None, *, as_json: bool) -> None:
    """Show all keys, those of scrimp.toml among them; of each only its last four characters."""
    from scrimp.cli.console import print_json
    from scrimp.cli.keys_view import show_keys

    async def look(desks: Desks) -> list[KeyView]:
        return await every(lambda after, limit: desks.people.keys(after=after, limit=limit))

    found = at_desk(config, look)
    if as_json:
        print_json(found)
    else:
        show_keys(found)


@keys_command.command(name="show", short_help="Show one key, never itself.")
@click.argument("name")
@config_option
@json_option
def show_command(name: str, config: Path | None, *, as_json: bool) -> None:
    """Show whose calls a key makes, what it may, and until when."""
    from scrimp.cli.console import print_json
    from scrimp.cli.keys_view import show_key

    found = at_desk(config, lambda desks: desks.people.key(name))
    if as_json:
        print_json(found)
    else:
        show_key(found)


@keys_command.command(
    name="rotate",
    short_help="Put a new key in the place of one.",
    epilog=examples("scrimp keys rotate ci", "scrimp keys rotate ci --grace 24h"),
)
@click.argument("name")
@click.option("--grace", default="0s", metavar="TIME", help="How long the old one still works.")
@config_option
@json_option
def rotate_command(name: str, grace: str, config: Path | None, *, as_json: bool) -> None:
    """Make a new secret for a key; name, rights and remembered answers stay.

    The old one ends at once, or with --grace after that time (30 days at most).
    """
    from scrimp.cli.console import note, print_json, say
    from scrimp.settings import ttl_seconds

    grace_s = ttl_seconds(grace)
    if grace_s > 30 * 86400:
        msg = f"--grace {grace} is too long (at most 30d)"
        raise click.UsageError(msg)
    made = at_desk(config, lambda desks: desks.people.rotate_key(name, grace_s, by=desks.by))
    if as_json:
        print_json(made)
        return
    until = made.key.old_key_works_until
    ends = f"works until {until:%Y-%m-%d %H:%M} UTC" if until else "has ended"
    note(f"new key {name!r}, shown this once; the old one {ends}:")
    say(made.secret)


@keys_command.command(name="revoke", short_help="End a key at once.")
@click.argument("name")
@config_option
@json_option
def revoke_command(name: str, config: Path | None, *, as_json: bool) -> None:
    """End a key: new calls are refused within a second, those in the air finish.

    Its name stays its own: another key never gets its remembered answers.
    """
    from scrimp.cli.console import print_json, say

    found = at_desk(config, lambda desks: desks.people.revoke_key(name, by=desks.by))
    if as_json:
        print_json(found)
    else:
        say(f"Key {name!r} is revoked: gateways refuse it within a second.")


async def _make_members(desks: Desks, org: str, team: str, user: str) -> list[str]:
    """Make what is not there yet; a line for each."""
    from scrimp.identity import Member

    people, made = desks.people, []
    wanted: tuple[tuple[MemberKind, str, str, str], ...] = (
        ("org", org, "", ""),
        ("team", team, org, ""),
        ("user", user, org, team),
    )
    for kind, name, of_org, of_team in wanted:
        if name and not await people.known(kind, name):
            await people.create_member(Member(kind, name, of_org, of_team), by=desks.by)
            made.append(f"{kind} {name!r} is new, and made")
    return made
