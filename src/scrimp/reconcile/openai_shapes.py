"""OpenAI's usage and costs, from its organization API and from the dashboard's CSV exports.

API: GET /v1/organization/usage/completions, .../usage/embeddings and /v1/organization/costs, fields
as in openai 3.54 (types/admin/organization/usage_completions_response.py, usage_costs_response.py),
read 2026-11-22. `input_tokens` includes what was read from and written to the cache; the older
API had no cache writes. `amount.value` is dollars, as a number or as decimal text. A line item is
`MODEL, input`, `MODEL, cached input`, `MODEL, output`, with `priority | ` before it or `, long
context` behind it, or the name of a tool (`web search tool calls`).

CSV: platform.openai.com/usage, Export, "Activity" and "Cost"; the columns are the API's fields with
start_time, end_time, start_time_iso, end_time_iso before them and amount_value, amount_currency in
place of the amount; counts are written like `59200.0` and days without usage have empty cells. As
exported 2025-10-12 and published by a user; read 2026-11-22.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrimp.errors import ConfigError
from scrimp.reconcile.numbers import atto_usd, count, instant, shown
from scrimp.reconcile.words import ALL_MODELS, FEES, BilledRow, Tokens

Fields = Mapping[str, Any]

USAGE_OBJECTS = (
    "organization.usage.completions.result",
    "organization.usage.embeddings.result",
)
COSTS_OBJECT = "organization.costs.result"

ACTIVITY_COLUMNS = ("start_time", "model", "input_tokens", "num_model_requests")
COST_COLUMNS = ("start_time", "amount_value", "amount_currency")

_DIRECTIONS = ("input", "output")
_TRUE = ("true", "1")


def usage_row(fields: Fields, bucket: Fields, where: str) -> BilledRow:
    """One result of a usage bucket, or one line of the activity export."""
    read = count(fields.get("input_cached_tokens"), f"{where}, input_cached_tokens")
    written = count(fields.get("input_cache_write_tokens"), f"{where}, input_cache_write_tokens")
    whole = count(fields.get("input_tokens"), f"{where}, input_tokens")
    output = count(fields.get("output_tokens"), f"{where}, output_tokens")
    batch = fields.get("batch")
    return BilledRow(
        instant(bucket.get("start_time"), f"{where}, start_time"),
        instant(bucket.get("end_time"), f"{where}, end_time"),
        text(fields.get("model")) or ALL_MODELS,
        tokens=Tokens(whole - read - written, read, written, 0, output),
        requests=count(fields.get("num_model_requests"), f"{where}, num_model_requests"),
        deferred=batch is True or str(batch).lower() in _TRUE,
    )


def costs_row(fields: Fields, bucket: Fields, where: str) -> BilledRow:
    """One result of a costs bucket."""
    amount = fields.get("amount")
    if not isinstance(amount, Mapping):
        raise ConfigError(f"{where}: 'amount' is {shown(amount)}, not a value and a currency")
    return _cost(fields, bucket, (amount.get("value"), amount.get("currency")), where)


def cost_line(fields: Fields, where: str) -> BilledRow:
    """One line of the cost export."""
    return _cost(fields, fields, (fields["amount_value"], fields["amount_currency"]), where)


def _cost(fields: Fields, bucket: Fields, amount: tuple[Any, Any], where: str) -> BilledRow:
    value, currency = amount
    check_currency(currency, where)
    item = text(fields.get("line_item"))
    return BilledRow(
        instant(bucket.get("start_time"), f"{where}, start_time"),
        instant(bucket.get("end_time"), f"{where}, end_time"),
        _model_of(item) if item else ALL_MODELS,
        atto_usd=0 if value is None else atto_usd(value, f"{where}, amount"),
        deferred=item.lower().startswith("batch"),
    )


def _model_of(item: str) -> str:
    """The model of a line item; FEES when it is for something beside tokens."""
    name = item.rpartition("|")[2].strip()
    model, comma, what = name.partition(",")
    if not comma or not any(word in what for word in _DIRECTIONS):
        return FEES if " " in name else name
    return model.strip().partition(" ")[0]  # `gpt-audio-mini audio, input` names a modality


def check_currency(currency: Any, where: str) -> None:
    """Raises ConfigError for another one than US dollars: nothing here knows exchange rates."""
    if str(currency or "usd").lower() != "usd":
        raise ConfigError(f"{where}: the amount is in {shown(currency)}, not in US dollars")


def text(value: Any) -> str:
    """A name in an export, safe to be shown; empty for null and for what is no text."""
    return shown(value).strip() if isinstance(value, str) else ""
