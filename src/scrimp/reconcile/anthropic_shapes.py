"""Anthropic's usage and costs, from its Admin API and from the Console's CSV exports.

API: GET /v1/organizations/usage_report/messages and GET /v1/organizations/cost_report, as in
https://platform.claude.com/docs/en/api/admin/usage_report/retrieve_messages and
https://platform.claude.com/docs/en/api/admin/cost_report, read 2026-11-22. `amount` is in the
lowest unit of the currency: "123.45" is $1.2345. `model` and `cost_type` are null where the
report is not grouped by them, or where the cost is not for tokens.

CSV: platform.claude.com, Usage and Cost, Export. Usage: usage_date_utc, model_version, api_key,
workspace, usage_type, context_window, usage_input_tokens_no_cache, .._cache_write_5m,
.._cache_write_1h, .._cache_read, usage_output_tokens, web_search_count, inference_geo, speed. Cost:
usage_date_utc, model (its display name), workspace, api_key, usage_type, context_window,
token_type, cost_usd, list_price_usd, cost_type, inference_geo, speed; dollars with two decimals.
As exported between 2025-06 and 2026-09 and published by users; read 2026-11-22.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from scrimp.reconcile.numbers import atto_usd, count, instant
from scrimp.reconcile.openai_shapes import Fields, check_currency, text
from scrimp.reconcile.words import ALL_MODELS, FEES, BilledRow, Tokens

USAGE_COLUMNS = (
    "usage_date_utc",
    "model_version",
    "usage_input_tokens_no_cache",
    "usage_input_tokens_cache_read",
    "usage_output_tokens",
)
COST_COLUMNS = ("usage_date_utc", "model", "cost_usd")

_DAY = timedelta(days=1)
_BATCH = "batch"
_FOR_TOKENS = ("", "token", "tokens")


def usage_row(fields: Fields, bucket: Fields, where: str) -> BilledRow:
    """One result of a usage report's bucket."""
    creation = fields.get("cache_creation")
    if not isinstance(creation, Mapping):
        creation = {}
    names = {
        "input": fields.get("uncached_input_tokens"),
        "cache_read": fields.get("cache_read_input_tokens"),
        "cache_write_5m": creation.get("ephemeral_5m_input_tokens"),
        "cache_write_1h": creation.get("ephemeral_1h_input_tokens"),
        "output": fields.get("output_tokens"),
    }
    return BilledRow(
        *_span(bucket, where),
        text(fields.get("model")) or ALL_MODELS,
        tokens=_tokens(names, where),
        deferred=fields.get("service_tier") == _BATCH,
    )


def cost_row(fields: Fields, bucket: Fields, where: str) -> BilledRow:
    """One result of a cost report's bucket."""
    check_currency(fields.get("currency"), where)
    model, kind = text(fields.get("model")), text(fields.get("cost_type"))
    split = bool(model or kind or fields.get("description"))
    name = ALL_MODELS if not split else FEES if kind not in _FOR_TOKENS or not model else model
    return BilledRow(
        *_span(bucket, where),
        name,
        atto_usd=atto_usd(fields.get("amount"), f"{where}, amount", cents=True),
        deferred=fields.get("service_tier") == _BATCH,
    )


def usage_line(fields: Fields, where: str) -> BilledRow:
    """One line of the Console's usage export."""
    day = instant(fields["usage_date_utc"], f"{where}, usage_date_utc")
    older = fields.get("usage_input_tokens_cache_write")  # before writes were told apart
    names = {
        "input": fields["usage_input_tokens_no_cache"],
        "cache_read": fields["usage_input_tokens_cache_read"],
        "cache_write_5m": fields.get("usage_input_tokens_cache_write_5m", older),
        "cache_write_1h": fields.get("usage_input_tokens_cache_write_1h"),
        "output": fields["usage_output_tokens"],
    }
    return BilledRow(
        day,
        day + _DAY,
        text(fields["model_version"]) or ALL_MODELS,
        tokens=_tokens(names, where),
        deferred=fields.get("usage_type") == _BATCH,
    )


def cost_line(fields: Fields, where: str) -> BilledRow:
    """One line of the Console's cost export."""
    day = instant(fields["usage_date_utc"], f"{where}, usage_date_utc")
    model, kind = text(fields["model"]), text(fields.get("cost_type"))
    return BilledRow(
        day,
        day + _DAY,
        FEES if kind not in _FOR_TOKENS or not model else model,
        atto_usd=atto_usd(fields["cost_usd"], f"{where}, cost_usd"),
        deferred=fields.get("usage_type") == _BATCH,
    )


def _span(bucket: Fields, where: str) -> tuple[Any, Any]:
    return (
        instant(bucket.get("starting_at"), f"{where}, starting_at"),
        instant(bucket.get("ending_at"), f"{where}, ending_at"),
    )


def _tokens(names: Mapping[str, Any], where: str) -> Tokens:
    return Tokens(*(count(value, f"{where}, {name} tokens") for name, value in names.items()))
