"""Exports of a provider in every shape that it has, made from what it says that it billed.

Shapes are those that the modules of scrimp.reconcile name; the amounts are the simulator's own.
"""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from scrimp.simulator.bill import MODELS, BillRow, Usage, billed_nanousd, line_items

NANO = 10**9
DAY = timedelta(days=1)
_DIRECTIONS = {
    "input_tokens": "input",
    "cache_read_tokens": "cached input",
    "output_tokens": "output",
    "reasoning_tokens": "output",
}
_CLAUDE_TYPES = {
    "input_tokens": "uncached_input_tokens",
    "cache_read_tokens": "cache_read_input_tokens",
    "cache_write_5m_tokens": "cache_creation.ephemeral_5m_input_tokens",
    "cache_write_1h_tokens": "cache_creation.ephemeral_1h_input_tokens",
    "output_tokens": "output_tokens",
}
_CONSOLE_TYPES = {
    "input_tokens": "input_no_cache",
    "cache_read_tokens": "input_cache_read",
    "cache_write_5m_tokens": "input_cache_write_5m",
    "cache_write_1h_tokens": "input_cache_write_1h",
    "output_tokens": "output",
}


@dataclass(frozen=True, slots=True)
class Used:
    """One billed call: when, by which snapshot, what."""

    at: datetime
    model: str
    usage: Usage

    @property
    def nanousd(self) -> int:
        """What it costs: each line item rounded up once."""
        return billed_nanousd(self.usage, MODELS[self.model].price)

    def kinds(self) -> dict[str, int]:
        """Nano-dollars by kind."""
        lines = line_items(self.usage, MODELS[self.model].price)
        return {kind: -(-(usd * NANO) // 1) for kind, _, usd in lines}


def used(rows: Iterable[BillRow], vendor: str) -> list[Used]:
    """What the simulator billed for one vendor's models."""
    return [
        Used(row.at, row.model, row.usage) for row in rows if MODELS[row.model].vendor == vendor
    ]


def usd(nanousd: int) -> str:
    """Decimal dollars."""
    sign = "-" if nanousd < 0 else ""
    whole, rest = divmod(abs(nanousd), NANO)
    return f"{sign}{whole}.{rest:09d}"


def _days(calls: Sequence[Used]) -> dict[datetime, list[Used]]:
    days: defaultdict[datetime, list[Used]] = defaultdict(list)
    for one in calls:
        days[one.at.replace(hour=0, minute=0, second=0, microsecond=0)].append(one)
    return dict(sorted(days.items()))


def _by_model(calls: Sequence[Used]) -> dict[str, list[Used]]:
    models: defaultdict[str, list[Used]] = defaultdict(list)
    for one in calls:
        models[one.model].append(one)
    return dict(sorted(models.items()))


def _sum(calls: Sequence[Used], *names: str) -> int:
    return sum(getattr(one.usage, name) for one in calls for name in names)


def _openai_bucket(day: datetime, results: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "object": "bucket",
        "start_time": int(day.timestamp()),
        "end_time": int((day + DAY).timestamp()),
        "results": results,
    }


def _page(buckets: list[dict[str, Any]]) -> str:
    return json.dumps(
        {"object": "page", "data": buckets, "has_more": False, "next_page": None}, indent=1
    )


def _openai_usage_fields(model: str, calls: Sequence[Used]) -> dict[str, Any]:
    read = _sum(calls, "cache_read_tokens")
    fresh = _sum(calls, "input_tokens")
    output = _sum(calls, "output_tokens", "reasoning_tokens")
    return {
        "object": "organization.usage.completions.result",
        "input_tokens": fresh + read,
        "output_tokens": output,
        "num_model_requests": len(calls),
        "project_id": None,
        "user_id": None,
        "api_key_id": None,
        "model": model,
        "batch": False,
        "service_tier": None,
        "input_cached_tokens": read,
        "input_uncached_tokens": fresh,
        "input_audio_tokens": 0,
        "output_audio_tokens": 0,
    }


def openai_usage(calls: Sequence[Used]) -> str:
    """GET /v1/organization/usage/completions, grouped by model."""
    return _page(
        [
            _openai_bucket(
                day,
                [_openai_usage_fields(model, some) for model, some in _by_model(on).items()],
            )
            for day, on in _days(calls).items()
        ]
    )


def openai_costs(calls: Sequence[Used], *, by_item: bool = True) -> str:
    """GET /v1/organization/costs, grouped by line item or not at all."""
    buckets = []
    for day, on in _days(calls).items():
        amounts: defaultdict[str | None, int] = defaultdict(int)
        for one in on:
            for kind, nanousd in one.kinds().items():
                amounts[f"{one.model}, {_DIRECTIONS[kind]}" if by_item else None] += nanousd
        results = [
            {
                "object": "organization.costs.result",
                "amount": {"value": f"@{usd(nanousd)}@", "currency": "usd"},
                "line_item": item,
                "project_id": None,
            }
            for item, nanousd in amounts.items()
        ]
        buckets.append(_openai_bucket(day, results))
    return _page(buckets).replace('"@', "").replace('@"', "")  # JSON numbers, written exactly


def openai_activity_csv(calls: Sequence[Used]) -> str:
    """The dashboard's activity export."""
    rows = []
    for day, on in _days(calls).items():
        for model, some in _by_model(on).items():
            fields = _openai_usage_fields(model, some)
            kept = {name: value for name, value in fields.items() if name != "object"}
            counts = {name: f"{value}.0" for name, value in kept.items() if _is_count(value)}
            rows.append(_times(day) | kept | counts | {"batch": "FALSE", "service_tier": "default"})
    return table(rows)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _times(day: datetime) -> dict[str, Any]:
    return {
        "start_time": int(day.timestamp()),
        "end_time": int((day + DAY).timestamp()),
        "start_time_iso": day.isoformat(),
        "end_time_iso": (day + DAY).isoformat(),
    }


def openai_cost_csv(calls: Sequence[Used]) -> str:
    """The dashboard's cost export, not split by model, with a day on which nothing was used."""
    rows = [
        _times(day)
        | {
            "amount_value": usd(sum(one.nanousd for one in on)) + "0000000",
            "amount_currency": "usd",
            "line_item": "",
            "project_id": "",
            "organization_id": "org-1",
            "organization_name": "Personal",
        }
        for day, on in _days(calls).items()
    ]
    empty = dict.fromkeys(rows[0], "") | _times(max(_days(calls)) + DAY)
    return table([*rows, empty])


def _claude_bucket(day: datetime, results: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "starting_at": _z(day),
        "ending_at": _z(day + DAY),
        "results": results,
    }


def _z(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def anthropic_usage(calls: Sequence[Used]) -> str:
    """GET /v1/organizations/usage_report/messages, grouped by model."""
    buckets = []
    for day, on in _days(calls).items():
        results = [
            {
                "uncached_input_tokens": _sum(some, "input_tokens"),
                "cache_creation": {
                    "ephemeral_1h_input_tokens": _sum(some, "cache_write_1h_tokens"),
                    "ephemeral_5m_input_tokens": _sum(some, "cache_write_5m_tokens"),
                },
                "cache_read_input_tokens": _sum(some, "cache_read_tokens"),
                "output_tokens": _sum(some, "output_tokens", "reasoning_tokens"),
                "server_tool_use": {"web_search_requests": 0},
                "api_key_id": None,
                "workspace_id": None,
                "model": model,
                "service_tier": None,
                "context_window": None,
            }
            for model, some in _by_model(on).items()
        ]
        buckets.append(_claude_bucket(day, results))
    return json.dumps({"data": buckets, "has_more": False, "next_page": None})


def anthropic_costs(calls: Sequence[Used]) -> str:
    """GET /v1/organizations/cost_report, grouped by description: cents as decimal text."""
    buckets = []
    for day, on in _days(calls).items():
        results = []
        for model, some in _by_model(on).items():
            for kind, nanousd in _kinds(some).items():
                whole, rest = divmod(nanousd, NANO // 100)
                results.append(
                    {
                        "currency": "USD",
                        "amount": f"{whole}.{rest:07d}",
                        "workspace_id": None,
                        "description": f"{model} Usage - {kind}",
                        "cost_type": "tokens",
                        "context_window": "0-200k",
                        "model": model,
                        "service_tier": "standard",
                        "token_type": _CLAUDE_TYPES[kind],
                    }
                )
        buckets.append(_claude_bucket(day, results))
    return json.dumps({"data": buckets, "has_more": False, "next_page": None})


def _kinds(calls: Sequence[Used]) -> dict[str, int]:
    sums: defaultdict[str, int] = defaultdict(int)
    for one in calls:
        for kind, nanousd in one.kinds().items():
            sums["output_tokens" if kind == "reasoning_tokens" else kind] += nanousd
    return dict(sums)


def claude_usage_csv(calls: Sequence[Used]) -> str:
    """The Console's usage export."""
    return table(
        [
            {
                "usage_date_utc": f"{day:%Y-%m-%d}",
                "model_version": model,
                "api_key": "ci",
                "workspace": "Default",
                "usage_type": "standard",
                "context_window": "≤ 200k",
                "usage_input_tokens_no_cache": _sum(some, "input_tokens"),
                "usage_input_tokens_cache_write_5m": _sum(some, "cache_write_5m_tokens"),
                "usage_input_tokens_cache_write_1h": _sum(some, "cache_write_1h_tokens"),
                "usage_input_tokens_cache_read": _sum(some, "cache_read_tokens"),
                "usage_output_tokens": _sum(some, "output_tokens", "reasoning_tokens"),
                "web_search_count": 0,
                "inference_geo": "global",
                "speed": "",
            }
            for day, on in _days(calls).items()
            for model, some in _by_model(on).items()
        ]
    )


def claude_cost_csv(calls: Sequence[Used]) -> str:
    """The Console's cost export: display names, and dollars with two decimals."""
    rows = []
    for day, on in _days(calls).items():
        for model, some in _by_model(on).items():
            for kind, nanousd in _kinds(some).items():
                cents = (nanousd + NANO // 200) // (NANO // 100)
                rows.append(
                    {
                        "usage_date_utc": f"{day:%Y-%m-%d}",
                        "model": MODELS[model].name,
                        "workspace": "Default",
                        "api_key": "ci",
                        "usage_type": "message",
                        "context_window": "≤ 200k",
                        "token_type": _CONSOLE_TYPES[kind],
                        "cost_usd": f"{cents // 100}.{cents % 100:02d}",
                        "list_price_usd": f"{cents // 100}.{cents % 100:02d}",
                        "cost_type": "token",
                        "inference_geo": "global",
                        "speed": "",
                    }
                )
    return table(rows)


def table(rows: Sequence[Mapping[str, Any]], delimiter: str = ",") -> str:
    """CSV as a spreadsheet takes it."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


Export = Callable[[Sequence[Used]], str]

OPENAI_EXPORTS: dict[str, Export] = {
    "usage.json": openai_usage,
    "costs.json": openai_costs,
    "costs_of_days.json": lambda calls: openai_costs(calls, by_item=False),
    "activity.csv": openai_activity_csv,
    "cost.csv": openai_cost_csv,
}
ANTHROPIC_EXPORTS: dict[str, Export] = {
    "usage.json": anthropic_usage,
    "costs.json": anthropic_costs,
    "usage.csv": claude_usage_csv,
    "cost.csv": claude_cost_csv,
}


def falsified(calls: Sequence[Used], tokens: int = 1000) -> list[Used]:
    """The first call with more output than it had."""
    first, *rest = calls
    more = replace(first.usage, output_tokens=first.usage.output_tokens + tokens)
    return [replace(first, usage=more), *rest]


def noon(day: int) -> datetime:
    """Of a day in November 2026."""
    return datetime(2026, 11, day, 12, tzinfo=UTC)
