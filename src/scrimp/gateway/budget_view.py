"""How the budgets and limits of the asker stand: what `GET /v1/scrimp/budget` shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrimp.app import App
from scrimp.budgets.resolve import is_rate
from scrimp.budgets.words import plain_amount, scope_text, window_text
from scrimp.limits import Allowance, BudgetStore, Limit, Standing
from scrimp.shell import wire
from scrimp.shell.intake import Identity

PATH = "/v1/scrimp/budget"


async def own_standing(
    app: App, identity: Identity, headers: Mapping[bytes, bytes]
) -> dict[str, Any]:
    """Every limit that calls of this asker may meet, the widest first. Raises StoreError."""
    who = wire.caller(headers, identity.key, "")
    limits = (await app.rules.book()).standing_limits(who)
    rates = tuple(limit for limit in limits if _is_rate(limit))
    spent = tuple(limit for limit in limits if not _is_rate(limit))
    return {
        "budgets": await _shown(app.budgets, spent),
        "limits": await _shown(app.rates, rates),
    }


def _is_rate(limit: Limit) -> bool:
    return is_rate(Allowance(limit.unit, limit.amount, limit.window))


async def _shown(store: BudgetStore | None, limits: tuple[Limit, ...]) -> list[dict[str, Any]]:
    if store is None or not limits:
        return []
    return [_one(standing) for standing in await store.standing(limits)]


def _one(standing: Standing) -> dict[str, Any]:
    """Amounts as decimal text: dollars are exact to the nano-dollar."""
    limit = standing.limit
    unit, resets_at = limit.unit, standing.resets_at
    return {
        "name": limit.name,
        "scope": scope_text(limit.scope),
        "window": window_text(limit.window),
        "unit": unit,
        "hard": limit.hard,
        "limit": plain_amount(unit, limit.amount),
        "used": plain_amount(unit, standing.used),
        "held": plain_amount(unit, standing.held),
        "remaining": plain_amount(unit, standing.remaining),
        "resets_at": None if resets_at is None else f"{resets_at:%Y-%m-%dT%H:%M:%SZ}",
    }
