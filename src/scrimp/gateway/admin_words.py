"""What the admin API's endpoints are made of: paths, forms, answers. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta

from scrimp.budgets.tables import BudgetTable, TierTable
from scrimp.errors import InvalidRequest
from scrimp.shell.forms import BudgetView, Form, KeyView, MemberView, TierView

T = TypeVar("T")

PREFIX = "/v1/scrimp/admin"
MAX_BODY_BYTES = 64 * 1024
MAX_PAGE = 200
_PAGE = 50


class Fault(Form, frozen=True):
    """What was wrong, and the way out."""

    type: str
    message: str


class Failure(Form, frozen=True):
    """Every answer that is an error."""

    error: Fault


class KeyPage(Form, frozen=True):
    """Keys by name. `next` is the `after` of the next page, null on the last one."""

    items: tuple[KeyView, ...]
    next: str | None


class MemberPage(Form, frozen=True):
    """Organisations, teams or users by name."""

    items: tuple[MemberView, ...]
    next: str | None


class BudgetPage(Form, frozen=True):
    """Budgets by name."""

    items: tuple[BudgetView, ...]
    next: str | None


class TierPage(Form, frozen=True):
    """Tiers by name."""

    items: tuple[TierView, ...]
    next: str | None


class AuditEntry(Form, frozen=True):
    """One change: who made it, when, to what. `before` and `after` hold no secrets."""

    id: int
    at: datetime
    by: str
    action: str
    kind: str
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class AuditPage(Form, frozen=True):
    """Changes, newest first. `next` is the `before` of the next page."""

    items: tuple[AuditEntry, ...]
    next: int | None


class StandingView(Form, frozen=True):
    """How one limit stands. Amounts are in `unit`; dollars are decimal text."""

    scope: str
    unit: str
    window: str
    limit: str
    used: str
    held: str
    remaining: str
    hard: bool
    resets_at: datetime | None


class StandingPage(Form, frozen=True):
    """How the limits of a budget stand."""

    budget: str
    items: tuple[StandingView, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of an administrator: who, the names in the path, the query, the form."""

    by: str
    names: Mapping[str, str]
    query: Mapping[str, str]
    form: Any = None


Handler = Callable[[Asked], Awaitable[Any]]
Form_ = type[Form] | type[BudgetTable] | type[TierTable]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path. `query` maps parameters to their types."""

    method: str
    path: str
    summary: str
    handler: Handler
    answer: type[Any] | None = None
    form: Form_ | None = None
    status: int = 200
    query: Mapping[str, Any] = field(default_factory=dict)
    form_optional: bool = False


Limit = Annotated[int, Meta(ge=1, le=MAX_PAGE)]
After = Annotated[str, Meta(max_length=256)]
Before = Annotated[int, Meta(ge=0, le=2**62)]
PAGED: Mapping[str, Any] = {"limit": Limit, "after": After}
AUDIT: Mapping[str, Any] = {"limit": Limit, "before": Before}
WHOSE: Mapping[str, Any] = {"scope": Annotated[str, Meta(max_length=128)]}


def number(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    """A whole number of the query. Raises InvalidRequest."""
    text = query.get(name)
    if text is None:
        return default
    low = 1 if name == "limit" else 0
    if not (text.isascii() and text.isdigit() and len(text) < 20 and low <= int(text) <= most):
        raise InvalidRequest(f"{name} {text[:40]!r} is no whole number from {low} to {most}")
    return int(text)


def page_size(query: Mapping[str, str]) -> int:
    """How many are asked for."""
    return number(query, "limit", _PAGE, MAX_PAGE)


@dataclass(frozen=True, slots=True)
class Cut(Generic[T]):
    """A page of what was found, and whether there is more."""

    items: tuple[T, ...]
    more: bool


def cut(found: tuple[T, ...], size: int) -> Cut[T]:
    """The first `size` of what was found; one more was asked for."""
    return Cut(found[:size], len(found) > size)


def document(text: str) -> dict[str, Any] | None:
    """A column of JSON as it was."""
    return msgspec.json.decode(text, type=dict[str, Any]) if text else None
