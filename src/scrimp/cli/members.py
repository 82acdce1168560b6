"""`scrimp orgs`, `scrimp teams`, `scrimp users`: whom keys and budgets belong to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scrimp.cli.control import Desks, at_desk, every
from scrimp.cli.options import config_option, examples, json_option

if TYPE_CHECKING:
    from scrimp.identity import Member, MemberKind

_WORDS: dict[MemberKind, str] = {"org": "organisation", "team": "team", "user": "user"}


def _group(kind: MemberKind) -> click.Group:
    """`create`, `list` and `delete` for one kind."""
    word = _WORDS[kind]

    @click.group(
        name=f"{kind}s",
        short_help=f"Make, list and delete {word}s.",
        epilog=examples(f"scrimp {kind}s create NAME", f"scrimp {kind}s list --json"),
        help=f"Make, list and delete {word}s. Budgets and reports go by them.",
    )
    def group() -> None:
        pass

    @group.command(name="list", short_help=f"Show all {word}s.", help=f"Show all {word}s by name.")
    @config_option
    @json_option
    def listing(config: Path | None, *, as_json: bool) -> None:
        _list(kind, config, as_json=as_json)

    @group.command(
        name="delete",
        short_help=f"Delete a {word} that nothing belongs to.",
        help=f"Delete a {word} that no key, budget or member belongs to.",
    )
    @click.argument("name")
    @config_option
    def delete(name: str, config: Path | None) -> None:
        from scrimp.cli.console import say

        at_desk(config, lambda desks: desks.people.delete_member(kind, name, by=desks.by))
        say(f"Deleted {kind} {name!r}.")

    group.add_command(_create(kind))
    return group


def _create(kind: MemberKind) -> click.Command:
    @click.argument("name")
    @config_option
    @json_option
    def create(name: str, config: Path | None, *, as_json: bool, **where: Any) -> None:
        from scrimp.cli.console import print_json, say
        from scrimp.identity import Member

        member = Member(kind, name, where.get("org", ""), where.get("team", ""))
        made = at_desk(config, lambda desks: desks.people.create_member(member, by=desks.by))
        if as_json:
            print_json(made)
        else:
            say(f"Made {kind} {name!r}.")

    if kind == "user":
        create = click.option("--team", default="", help="Team of the user.")(create)
    if kind != "org":
        create = click.option("--org", default="", help="Organisation that it belongs to.")(create)
    said = f"Make {'an' if kind == 'org' else 'a'} {_WORDS[kind]}."
    return click.command(name="create", short_help=said, help=said)(create)


def _list(kind: MemberKind, config: Path | None, *, as_json: bool) -> None:
    from scrimp.cli.console import print_json
    from scrimp.cli.keys_view import show_members

    async def look(desks: Desks) -> list[Member]:
        return await every(
            lambda after, limit: desks.control.members(kind, after=after, limit=limit)
        )

    found = at_desk(config, look)
    if as_json:
        print_json(found)
    else:
        show_members(kind, found)


orgs_command = _group("org")
teams_command = _group("team")
users_command = _group("user")
