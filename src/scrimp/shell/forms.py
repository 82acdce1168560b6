"""What the admin API and the command line take and show, checked at the edge. Pure.

Budgets and tiers have the fields of their tables in `scrimp.toml`.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from scrimp.budgets.resolve import EVERYONE
from scrimp.budgets.tables import AllowanceTable, BudgetTable, TierTable
from scrimp.errors import InvalidRequest
from scrimp.identity import MemberKind
from scrimp.limits import SCOPE_KINDS, Allowance, Budget, Caps, ScopeKind, Tier
from scrimp.money import decimal_usd

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+:-]{0,127}")
_NAME_RULE = "1 to 64 letters, digits, dots, hyphens or underscores, the first a letter or digit"
_LABEL_RULE = "1 to 128 letters, digits or . _ - @ + :, the first a letter or digit"

KeyName = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", max_length=64)]
Label = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._@+:-]{0,127}$", max_length=128)]
MaybeLabel = Annotated[
    str, Meta(pattern="^([A-Za-z0-9][A-Za-z0-9._@+:-]{0,127})?$", max_length=128)
]
Text = Annotated[str, Meta(min_length=1, max_length=128, pattern="^[^\\x00-\\x1f\\x7f]+$")]
Model = Annotated[str, Meta(min_length=1, max_length=256, pattern="^[^\\x00-\\x1f\\x7f]+$")]
Tags = Annotated[tuple[Text, ...], Meta(max_length=16)]
Models = Annotated[tuple[Model, ...], Meta(max_length=256)]
Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339, with its offset")]
GraceS = Annotated[int, Meta(ge=0, le=30 * 86400)]
KeyStatus = Literal["active", "expired", "revoked"]
Source = Literal["store", "settings"]


def check_name(kind: str, name: str) -> None:
    """Raises InvalidRequest, also for a line break at the end, which `$` of a pattern lets by."""
    pattern, rule = (_NAME, _NAME_RULE) if kind == "key" else (_LABEL, _LABEL_RULE)
    if pattern.fullmatch(name) is None:
        raise InvalidRequest(f"{name[:80]!r} is no name for a {kind}: {rule}")


def in_words(error: msgspec.ValidationError) -> str:
    """The library's `Expected int, got str - at $.tokens`, with the place first."""
    what, _, place = str(error).partition(" - at ")
    where = place.strip("`").removeprefix("$").removeprefix(".")
    said = what[:1].lower() + what[1:]
    if "matching regex" in said:
        said = f"must be {_NAME_RULE if '{0,63}' in said else _LABEL_RULE}"
        if "x00" in what:
            said = "has control characters"
    return f"{where}: {said}" if where else said


def check_texts(what: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    """Tags or models without doubles. Raises InvalidRequest."""
    for one in texts:
        if not one.isprintable() or one != one.strip() or "," in one:
            raise InvalidRequest(f"{what} {one[:80]!r} has commas, outer spaces or control signs")
    return tuple(dict.fromkeys(texts))


class Form(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A field that Scrimp does not know is an error."""


class MemberForm(Form, frozen=True):
    """A new team or user, and where it belongs."""

    name: Label
    org: MaybeLabel = ""


class UserForm(MemberForm, frozen=True):
    """A new user."""

    team: MaybeLabel = ""


class OrgForm(Form, frozen=True):
    """A new organisation."""

    name: Label


class TeamChange(Form, frozen=True):
    """Where a team belongs from now on."""

    org: MaybeLabel | UnsetType = UNSET


class UserChange(TeamChange, frozen=True):
    """Where a user belongs from now on."""

    team: MaybeLabel | UnsetType = UNSET


class KeyForm(Form, frozen=True):
    """A new key: whose calls it makes, and what it may."""

    name: KeyName
    org: MaybeLabel = ""
    team: MaybeLabel = ""
    user: MaybeLabel = ""
    task: str = ""
    tags: Tags = ()
    models: Models = ()
    trusted: bool = False
    expires_at: Moment | None = None


class KeyChange(Form, frozen=True):
    """What is different about a key from now on; what is left out stays."""

    org: MaybeLabel | UnsetType = UNSET
    team: MaybeLabel | UnsetType = UNSET
    user: MaybeLabel | UnsetType = UNSET
    task: str | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    models: Models | UnsetType = UNSET
    trusted: bool | UnsetType = UNSET
    expires_at: Moment | UnsetType | None = UNSET


class Rotation(Form, frozen=True):
    """How long the old key still works beside the new one, in seconds."""

    grace_s: GraceS = 0


class TierChoice(Form, frozen=True):
    """The tier that a scope is put into."""

    tier: Label


class MemberView(Form, frozen=True):
    """An organisation, a team or a user."""

    kind: MemberKind
    name: str
    org: str = ""
    team: str = ""


class KeyView(Form, frozen=True):
    """A key as it may be shown: its last four characters, never itself."""

    name: str
    key: str
    status: KeyStatus
    source: Source
    org: str
    team: str
    user: str
    task: str
    tags: tuple[str, ...]
    models: tuple[str, ...]
    trusted: bool
    admin: bool
    created_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    old_key_works_until: datetime | None


class NewKey(Form, frozen=True):
    """A key that was just made. `secret` is shown this once."""

    secret: str
    key: KeyView


class AllowanceView(AllowanceTable, frozen=True, omit_defaults=True):
    """Amounts over one window."""


class TierView(TierTable, frozen=True, kw_only=True, omit_defaults=True):
    """A tier with its name and where it stands."""

    name: str
    source: Source
    also: tuple[AllowanceView, ...] = ()


class BudgetView(BudgetTable, frozen=True, kw_only=True, omit_defaults=True):
    """A budget with its name and where it stands; without a scope it is for all calls."""

    name: str
    source: Source
    also: tuple[AllowanceView, ...] = ()


def tier_view(one: Tier, source: Source) -> TierView:
    """A tier as its table."""
    fields = {"name": one.name, "source": source, **_fields(one.allowances, one.caps)}
    return msgspec.convert(fields, TierView)


def budget_view(one: Budget, source: Source) -> BudgetView:
    """A budget as its table."""
    everyone = (one.kind, one.scope) == (EVERYONE.kind, EVERYONE.name)
    fields: dict[str, Any] = {"name": one.name, "source": source, "tier": one.tier}
    fields |= {} if everyone else {one.kind: one.scope}
    fields |= _fields(one.allowances, one.caps)
    return msgspec.convert(fields, BudgetView)


def of_scope(kind: ScopeKind, name: str) -> BudgetTable:
    """A table that says no more than whose it is."""
    return msgspec.convert({kind: name}, BudgetTable)


def scope_of(table: BudgetTable) -> tuple[ScopeKind, str] | None:
    """The one scope that a table names; None for everyone."""
    return next(((kind, name) for kind in SCOPE_KINDS if (name := getattr(table, kind))), None)


def _fields(allowances: tuple[Allowance, ...], caps: Caps) -> dict[str, Any]:
    """Parallel calls have a field of their own; of other windows the first is the table's own."""
    fields: dict[str, Any] = {}
    parallel = next((one for one in allowances if one.window.kind == "open"), None)
    others = [_allowance(one) for one in allowances if one.window.kind != "open"]
    if parallel is not None:
        fields = {"parallel": parallel.amount, "model": parallel.model}
        fields |= {"provider": parallel.provider, "also": others}
    elif others:
        fields = {**others[0], "also": others[1:]}
    if caps.usd_nanousd is not None:
        fields["call_usd"] = decimal_usd(caps.usd_nanousd)
    if caps.input_tokens is not None:
        fields["call_input_tokens"] = caps.input_tokens
    return fields


def _allowance(one: Allowance) -> dict[str, Any]:
    window = one.window
    fields: dict[str, Any] = {
        one.unit: decimal_usd(one.amount) if one.unit == "usd" else one.amount,
        "per": duration(window.seconds) if window.kind == "rolling" else window.kind,
        "hard": one.hard,
    }
    more = {"zone": window.zone, "model": one.model, "provider": one.provider}
    fields |= {name: text for name, text in more.items() if text not in ("", "UTC")}
    if one.burst:
        fields |= {"burst": one.burst, "burst_window": duration(one.burst_seconds)}
    return fields


def duration(seconds: int) -> str:
    """`24h`, `90s`: as it would be written."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if (seconds % size == 0 and seconds > size) or seconds == size != 86400:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
