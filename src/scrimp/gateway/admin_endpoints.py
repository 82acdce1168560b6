"""The endpoints of the admin API: each translates, calls a desk, and shows what came of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from msgspec import UNSET
from msgspec.structs import asdict

from scrimp.budgets.tables import BudgetTable, TierTable
from scrimp.budgets.words import plain_amount, scope_text, window_text
from scrimp.errors import InvalidRequest
from scrimp.gateway.admin_words import (
    AUDIT,
    PAGED,
    WHOSE,
    Asked,
    AuditEntry,
    AuditPage,
    BudgetPage,
    Endpoint,
    KeyPage,
    MemberPage,
    StandingPage,
    StandingView,
    TierPage,
    cut,
    document,
    number,
    page_size,
)
from scrimp.identity import ControlStore, Member, MemberKind
from scrimp.limits import Standing
from scrimp.shell.desk import Desk
from scrimp.shell.forms import (
    BudgetView,
    KeyChange,
    KeyForm,
    KeyView,
    MemberForm,
    MemberView,
    NewKey,
    OrgForm,
    Rotation,
    TeamChange,
    TierChoice,
    TierView,
    UserChange,
    UserForm,
)
from scrimp.shell.rules_desk import Counters, RulesDesk, scope_kind

_NEWEST = 2**62
_V = TypeVar("_V", BudgetView, TierView)


def endpoints(
    control: ControlStore, people: Desk, rules: RulesDesk, counters: Callable[[], Counters | None]
) -> tuple[Endpoint, ...]:
    """All of them, in the order of the document."""
    return (
        *_members(control, people),
        *_keys(people),
        *_budgets(rules),
        *_standing(rules, counters),
        *_tiers(rules),
        Endpoint(
            "GET",
            "/audit",
            "Every change, newest first.",
            partial(_audit, control),
            AuditPage,
            query=AUDIT,
        ),
    )


def _members(control: ControlStore, people: Desk) -> list[Endpoint]:
    forms: tuple[tuple[MemberKind, str, Any, Any], ...] = (
        ("org", "an organisation", OrgForm, None),
        ("team", "a team", MemberForm, TeamChange),
        ("user", "a user", UserForm, UserChange),
    )
    found: list[Endpoint] = []
    for kind, word, form, change in forms:
        path, one = f"/{kind}s", f"/{kind}s/{{name}}"
        handlers = _Members(control, people, kind)
        found += [
            Endpoint("GET", path, f"{kind}s by name.", handlers.page, MemberPage, query=PAGED),
            Endpoint("POST", path, f"Make {word}.", handlers.create, MemberView, form, 201),
            Endpoint("GET", one, f"Show {word}.", handlers.show, MemberView),
            Endpoint("DELETE", one, f"Delete {word} that nothing belongs to.", handlers.delete),
        ]
        if change is not None:
            found.append(
                Endpoint("PATCH", one, f"Move {word}.", handlers.change, MemberView, change)
            )
    return found


class _Members:
    """Organisations, teams or users."""

    def __init__(self, control: ControlStore, people: Desk, kind: MemberKind) -> None:
        self._control = control
        self._people = people
        self._kind = kind

    async def page(self, asked: Asked) -> MemberPage:
        size = page_size(asked.query)
        after = asked.query.get("after", "")
        found = cut(await self._control.members(self._kind, after=after, limit=size + 1), size)
        items = tuple(_member_view(one) for one in found.items)
        return MemberPage(items=items, next=items[-1].name if found.more else None)

    async def create(self, asked: Asked) -> MemberView:
        form = asked.form
        member = Member(self._kind, form.name, getattr(form, "org", ""), getattr(form, "team", ""))
        return _member_view(await self._people.create_member(member, by=asked.by))

    async def show(self, asked: Asked) -> MemberView:
        return _member_view(await self._people.member(self._kind, asked.names["name"]))

    async def change(self, asked: Asked) -> MemberView:
        there = await self._people.member(self._kind, asked.names["name"])
        given = {name: value for name, value in asdict(asked.form).items() if value is not UNSET}
        member = Member(**{**asdict(there), **given})
        return _member_view(await self._people.change_member(member, by=asked.by))

    async def delete(self, asked: Asked) -> None:
        await self._people.delete_member(self._kind, asked.names["name"], by=asked.by)


def _member_view(one: Member) -> MemberView:
    return MemberView(kind=one.kind, name=one.name, org=one.org, team=one.team)


def _keys(people: Desk) -> list[Endpoint]:
    async def page(asked: Asked) -> KeyPage:
        size = page_size(asked.query)
        found = cut(await people.keys(after=asked.query.get("after", ""), limit=size + 1), size)
        return KeyPage(items=found.items, next=found.items[-1].name if found.more else None)

    async def create(asked: Asked) -> NewKey:
        return await people.create_key(asked.form, by=asked.by)

    async def show(asked: Asked) -> KeyView:
        return await people.key(asked.names["name"])

    async def change(asked: Asked) -> KeyView:
        return await people.change_key(asked.names["name"], asked.form, by=asked.by)

    async def rotate(asked: Asked) -> NewKey:
        grace_s = asked.form.grace_s if asked.form is not None else 0
        return await people.rotate_key(asked.names["name"], grace_s, by=asked.by)

    async def revoke(asked: Asked) -> KeyView:
        return await people.revoke_key(asked.names["name"], by=asked.by)

    one = "/keys/{name}"
    return [
        Endpoint("GET", "/keys", "Keys by name, never themselves.", page, KeyPage, query=PAGED),
        Endpoint(
            "POST", "/keys", "Make a key; it is shown this once.", create, NewKey, KeyForm, 201
        ),
        Endpoint("GET", one, "Show a key.", show, KeyView),
        Endpoint("PATCH", one, "Change what a key may.", change, KeyView, KeyChange),
        Endpoint("DELETE", one, "Revoke a key; its name stays its own.", revoke, KeyView),
        Endpoint(
            "POST",
            f"{one}/rotate",
            "Put a new secret in the place of the old one.",
            rotate,
            NewKey,
            Rotation,
            form_optional=True,
        ),
    ]


def _budgets(rules: RulesDesk) -> list[Endpoint]:
    async def page(asked: Asked) -> BudgetPage:
        items, following = _named_page(await rules.budgets(), asked)
        return BudgetPage(items=items, next=following)

    async def show(asked: Asked) -> BudgetView:
        return await rules.budget(asked.names["name"])

    async def put(asked: Asked) -> BudgetView:
        return await rules.put_budget(asked.names["name"], asked.form, by=asked.by)

    async def delete(asked: Asked) -> None:
        await rules.delete_budget(asked.names["name"], by=asked.by)

    one = "/budgets/{name}"
    return [
        Endpoint("GET", "/budgets", "Budgets by name.", page, BudgetPage, query=PAGED),
        Endpoint("GET", one, "Show a budget.", show, BudgetView),
        Endpoint("PUT", one, "Make or replace a budget.", put, BudgetView, BudgetTable),
        Endpoint("DELETE", one, "Delete a budget.", delete),
    ]


def _standing(rules: RulesDesk, counters: Callable[[], Counters | None]) -> list[Endpoint]:
    def counting() -> Counters:
        found = counters()
        if found is None:
            raise InvalidRequest("no budget is counted by this gateway")
        return found

    async def standing(asked: Asked) -> StandingPage:
        name = asked.names["name"]
        limits = await rules.limits(name, asked.query.get("scope", ""))
        found = await counting().standing(limits) if limits else ()
        return StandingPage(budget=name, items=tuple(_standing_view(one) for one in found))

    async def reset(asked: Asked) -> StandingPage:
        limits = await rules.limits(asked.names["name"], asked.query.get("scope", ""))
        if limits:
            await counting().reset(limits)
            await rules.note_reset(asked.names["name"], by=asked.by)
        return await standing(asked)

    one = "/budgets/{name}"
    return [
        Endpoint(
            "GET",
            f"{one}/standing",
            "What a budget has used, holds and has left.",
            standing,
            StandingPage,
            query=WHOSE,
        ),
        Endpoint(
            "POST",
            f"{one}/reset",
            "Count a budget from 0 again in its windows.",
            reset,
            StandingPage,
            query=WHOSE,
        ),
    ]


def _tiers(rules: RulesDesk) -> list[Endpoint]:
    async def page(asked: Asked) -> TierPage:
        items, following = _named_page(await rules.tiers(), asked)
        return TierPage(items=items, next=following)

    async def show(asked: Asked) -> TierView:
        return await rules.tier(asked.names["name"])

    async def put(asked: Asked) -> TierView:
        return await rules.put_tier(asked.names["name"], asked.form, by=asked.by)

    async def delete(asked: Asked) -> None:
        await rules.delete_tier(asked.names["name"], by=asked.by)

    async def assign(asked: Asked) -> BudgetView:
        kind = scope_kind(asked.names["kind"])
        return await rules.assign(kind, asked.names["scope"], asked.form.tier, by=asked.by)

    async def unassign(asked: Asked) -> None:
        kind = scope_kind(asked.names["kind"])
        await rules.unassign(kind, asked.names["scope"], by=asked.by)

    one, whose = "/tiers/{name}", "/scopes/{kind}/{scope}/tier"
    return [
        Endpoint("GET", "/tiers", "Tiers by name.", page, TierPage, query=PAGED),
        Endpoint("GET", one, "Show a tier.", show, TierView),
        Endpoint("PUT", one, "Make or replace a tier.", put, TierView, TierTable),
        Endpoint("DELETE", one, "Delete a tier that nobody is in.", delete),
        Endpoint("PUT", whose, "Put a scope into a tier.", assign, BudgetView, TierChoice),
        Endpoint("DELETE", whose, "Take a scope out of its tier.", unassign),
    ]


async def _audit(control: ControlStore, asked: Asked) -> AuditPage:
    size = page_size(asked.query)
    before = number(asked.query, "before", 0, _NEWEST)
    found = cut(await control.audit(before=before, limit=size + 1), size)
    items = tuple(
        AuditEntry(
            id=line.id,
            at=line.at,
            by=line.by,
            action=line.action,
            kind=line.kind,
            name=line.name,
            before=document(line.before),
            after=document(line.after),
        )
        for line in found.items
    )
    return AuditPage(items=items, next=items[-1].id if found.more else None)


def _named_page(found: tuple[_V, ...], asked: Asked) -> tuple[tuple[_V, ...], str | None]:
    size, after = page_size(asked.query), asked.query.get("after", "")
    part = cut(tuple(one for one in found if one.name > after)[: size + 1], size)
    return part.items, part.items[-1].name if part.more else None


def _standing_view(one: Standing) -> StandingView:
    limit = one.limit
    return StandingView(
        scope=scope_text(limit.scope),
        unit=limit.unit,
        window=window_text(limit.window),
        limit=plain_amount(limit.unit, limit.amount),
        used=plain_amount(limit.unit, one.used),
        held=plain_amount(limit.unit, one.held),
        remaining=plain_amount(limit.unit, one.remaining),
        hard=limit.hard,
        resets_at=one.resets_at,
    )
