"""Compiles the price data of genai-prices (MIT) and our overrides into the form of our book.

For whoever makes or updates a book: nothing that prices a call imports this, and genai-prices need
not be there otherwise. The output depends on the two inputs and the date alone.
"""

from __future__ import annotations

import json
import pkgutil
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import ROUND_CEILING, Decimal
from importlib.metadata import version
from typing import Any

from genai_prices import types as source_types
from genai_prices.data import providers as source_providers

from scrimp.errors import ConfigError
from scrimp.money import PICO_PER_USD
from scrimp.prices.merge import rendered
from scrimp.prices.rates import pico_per_unit

BUCKET_OF = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write_5m",
    "cache_write_5m_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "input_audio",
    "cache_audio_read_mtok": "cache_read_audio",
    "output_audio_mtok": "output_audio",
    "input_image_mtok": "input_image",
    "output_image_mtok": "output_image",
    "web_searches_kcount": "web_search",
}
OPERATOR_OF = {
    source_types.ClauseEquals: ("equals", "="),
    source_types.ClauseStartsWith: ("starts_with", "^"),
    source_types.ClauseEndsWith: ("ends_with", "$"),
    source_types.ClauseContains: ("contains", "*"),
    source_types.ClauseRegex: ("regex", "~"),
}
_DATA = "genai-prices data"
FEE_OF = {"storage_searches_kcount": "file_search"}
"""Calls of hosted tools, by the tool's name in usage."""

TIER_OF = {
    ("service_tier", "flex"): "flex",
    ("service_tier", "priority"): "priority",
    ("service_tier", "fast"): "fast",
    ("speed", "fast"): "fast",
    ("processing", "batch"): "batch",
}


@dataclass
class Compiled:
    """One run: what was compiled, and remarks on what could not be taken over exactly.

    `strict`: a row of ours that meets nothing in the source is an error, and no remark.
    """

    today: date
    notes: list[str] = field(default_factory=list)
    strict: bool = True

    def lost(self, what: str) -> None:
        """A row of ours meets nothing. Raises LookupError."""
        if self.strict:
            raise LookupError(what)
        self.notes.append(what)


def pico(key: str, price: Decimal, where: str, run: Compiled) -> int:
    """Pico-dollars per unit: exact, or with a note.

    Dust of binary floats is swept; a rate that is still not whole is rounded up.
    """
    per = 1000 if key.endswith("_kcount") else 1_000_000
    exact = price * PICO_PER_USD / per
    if exact == exact.to_integral_value():
        return int(exact)
    nearest = exact.to_integral_value()
    if abs(exact - nearest) < Decimal("1e-6"):
        run.notes.append(f"{where} {key}: {price} read as {nearest} pico-USD (float dust)")
        return int(nearest)
    up = exact.to_integral_value(rounding=ROUND_CEILING)
    run.notes.append(f"{where} {key}: {price} rounded up to {up} pico-USD")
    return int(up)


def rate(key: str, value: object, where: str, run: Compiled) -> int | list[int]:
    """A flat rate, or base and steps."""
    if isinstance(value, source_types.TieredPrices):
        steps = [pico(key, value.base, where, run)]
        for tier in value.tiers:
            steps += [tier.start, pico(key, tier.price, where, run)]
        return steps
    if not isinstance(value, Decimal):
        msg = f"{where} {key}: not a price: {value!r}"
        raise TypeError(msg)
    return pico(key, value, where, run)


def rates(prices: source_types.ModelPrice, where: str, run: Compiled) -> dict[str, Any]:
    """`rates` of a row and, when some unit is billed that usage does not count, `unpriced`."""
    given = {key: value for key, value in prices.__dict__.items() if value is not None}
    found = {
        BUCKET_OF[key]: rate(key, value, where, run)
        for key, value in given.items()
        if key in BUCKET_OF
    }
    cached_image = given.pop("cache_image_read_mtok", None)
    if cached_image is not None and cached_image != given.get("cache_read_mtok"):
        # Usage cannot tell cached images from cached text: better unknown than wrong.
        found.pop("cache_read", None)
    strange = sorted(given.keys() - BUCKET_OF.keys() - FEE_OF.keys())
    row: dict[str, Any] = {"rates": dict(sorted(found.items()))}
    fees = {FEE_OF[key]: rate(key, given[key], where, run) for key in FEE_OF if key in given}
    if fees:
        row["fees"] = fees
    if strange:
        row["unpriced"] = f"it is also billed by {', '.join(strange)}, which is not counted yet"
    elif not found and where.endswith(":free"):
        row["rates"] = {"input": 0, "output": 0, "cache_read": 0}
    elif "input" not in found:
        row["unpriced"] = "its price per token is not listed"
    return row


def minute(value: time) -> int:
    """Minute of the UTC day."""
    moment = datetime.combine(date(2000, 1, 1), value)
    moment = moment.astimezone(UTC) if moment.tzinfo else moment
    return moment.hour * 60 + moment.minute


def condition(constraint: object, run: Compiled) -> dict[str, Any]:
    """When a row holds."""
    if isinstance(constraint, source_types.StartDateConstraint):
        since: dict[str, Any] = {"since": constraint.start_date.isoformat()}
        return since | ({"scheduled": True} if constraint.start_date > run.today else {})
    if isinstance(constraint, source_types.TimeOfDateConstraint):
        return {"minutes": [minute(constraint.start_time), minute(constraint.end_time)]}
    if constraint is not None:
        msg = f"unknown constraint {constraint!r}"
        raise TypeError(msg)
    return {}


def rule(clause: Any) -> list[str | list[str]]:
    """Match logic as alternatives of clauses (disjunctive normal form)."""
    if isinstance(clause, source_types.ClauseOr):
        return [one for part in clause.or_ for one in rule(part)]
    if isinstance(clause, source_types.ClauseAnd):
        joined: list[list[str]] = [[]]
        for part in clause.and_:
            parts = [[one] if isinstance(one, str) else one for one in rule(part)]
            joined = [left + right for left in joined for right in parts]
        return list(joined)
    attribute, operator = OPERATOR_OF[type(clause)]
    text = getattr(clause, attribute)
    return [operator + (text if operator == "~" else text.lower())]


def tiers(model: source_types.ModelInfo, where: str, run: Compiled) -> dict[str, list[Any]]:
    """Overlays by service tier; a context that we cannot see makes the model unpriced."""
    found: dict[str, list[Any]] = {}
    for variant in model.price_variants or ():
        if variant.when == {"service_tier": "default"}:
            continue
        context = tuple(variant.when.items())
        name = TIER_OF.get(context[0]) if len(context) == 1 else None
        if name is None:
            found.setdefault("?", [])
            run.notes.append(f"{where}: unpriced, its price depends on {dict(context)}")
            continue
        row = condition(variant.constraint, run) | rates(variant.prices, where, run)
        row.pop("unpriced", None)
        row.pop("fees", None)  # of the standard row
        found.setdefault(name, []).append(row)
    return found


def compile_model(provider: str, model: source_types.ModelInfo, run: Compiled) -> dict[str, Any]:
    """One model of the book."""
    where = f"{provider}/{model.id}"
    given = model.prices
    if isinstance(given, source_types.ModelPrice):
        rows = [rates(given, where, run)]
    else:
        rows = [condition(one.constraint, run) | rates(one.prices, where, run) for one in given]
    overlays = tiers(model, where, run)
    if overlays.pop("?", None) is not None:
        for row in rows:
            row["unpriced"] = "its price depends on the request in a way that is not read yet"
    found: dict[str, Any] = {
        "id": model.id,
        "match": rule(model.match),
        "rows": rows,
        "tiers": overlays,
    }
    if model.context_window:
        found["context_window"] = model.context_window
    return found


def replacement(row: Mapping[str, Any], source: str, run: Compiled) -> Iterable[dict[str, Any]]:
    """Rows of one override in the form of the book; one for each window."""
    when = {key: row[key] for key in ("weekdays",) if key in row}
    when |= {key: row[key].isoformat() for key in ("since", "until") if key in row}
    when |= {"scheduled": True} if row.get("since", run.today) > run.today else {}
    conditions = {"windows", "weekdays", "since", "until", "unpriced"}
    when |= {"unpriced": row["unpriced"]} if "unpriced" in row else {}
    table = {key: pico_per_unit(key, text) for key, text in row.items() if key not in conditions}
    for window in row.get("windows", [None]):
        minutes = {"minutes": window} if window else {}
        yield when | minutes | {"rates": dict(sorted(table.items())), "source": source}


def apply_overrides(
    book: dict[str, dict[str, Any]], overrides: Mapping[str, Any], run: Compiled
) -> None:
    """Change the compiled providers in place. Raises LookupError for a row that meets nothing."""
    for one in overrides.get("same_price", ()):
        if one["provider"] in book:
            book[one["provider"]]["same_price_tiers"] = one["tiers"]
    for one in overrides.get("one_hour_write", ()):
        for model in (m for name in one["providers"] for m in _models(book, name)):
            if one["contains"] in model["id"]:
                _one_hour(model, one["times_input"])
    _add_tiers(book, overrides.get("tier", ()), run)
    stand = [_name(one) for one in overrides.get("replace", ()) if _replace(book, one, run)]
    if stand and not run.strict:
        run.notes.append(f"rows of our own stand in place of the source's: {', '.join(stand)}")
    for one in overrides.get("residency", ()):
        _reside(_models(book, one["provider"]), one, run)
    for one in overrides.get("unpriced", ()):
        _carve_out(book, one, run)


def _replace(book: Mapping[str, dict[str, Any]], one: Mapping[str, Any], run: Compiled) -> bool:
    """Whether there was something to replace."""
    said = f"{one['source']} (checked {one['checked']})"
    rows = [made for row in one["row"] for made in replacement(row, said, run)]
    if (model := _model(book, one, run)) is None:
        return False
    model["rows"] = rows
    return True


def _add_tiers(
    book: Mapping[str, dict[str, Any]], ours: Iterable[Mapping[str, Any]], run: Compiled
) -> None:
    """Service tiers that the source does not know of a model; once it does, its own hold."""
    about = {"provider", "model", "tier", "source", "checked"}
    for one in ours:
        if (model := _model(book, one, run)) is None:
            continue
        if one["tier"] in model["tiers"]:
            run.lost(f"tier {one['tier']} of {_name(one)}: the source has it by now")
            continue
        row = {key: value for key, value in one.items() if key not in about}
        said = f"{one['source']} (checked {one['checked']})"
        model["tiers"][one["tier"]] = list(replacement(row, said, run))


def _models(book: Mapping[str, dict[str, Any]], provider: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = book[provider]["models"] if provider in book else []
    return found


def _name(one: Mapping[str, Any]) -> str:
    return f"{one['provider']}/{one['model']}"


def _reside(models: list[dict[str, Any]], one: Mapping[str, Any], run: Compiled) -> None:
    """Multipliers by place for the models that are named, or for all that have none yet."""
    places = {place: fraction(text) for place, text in one["places"].items()}
    known = {model["id"] for model in models}
    if lost := set(one.get("models", ())) - known:
        run.lost(f"residency at {one['provider']}: no such models in the source: {sorted(lost)}")
    for model in models:
        if "residency" not in model and model["id"] in one.get("models", known):
            model["residency"] = places


def fraction(text: str) -> list[int]:
    """A multiplier such as 1.1, exact."""
    return list(Decimal(text).as_integer_ratio())


def apply_limits(book: dict[str, dict[str, Any]], limits: Mapping[str, Any], run: Compiled) -> None:
    """The most that a model writes. Raises LookupError for a model that the source lacks."""
    for provider, table in limits.items():
        models = {model["id"]: model for model in _models(book, provider)}
        for name, tokens in table.items():
            if name in models:
                models[name]["max_output_tokens"] = tokens
            else:
                run.lost(f"limit of {provider}/{name}: no such model in the source")


def _model(
    book: Mapping[str, dict[str, Any]], one: Mapping[str, Any], run: Compiled
) -> dict[str, Any] | None:
    for model in _models(book, one["provider"]):
        if model["id"] == one["model"]:
            return model
    run.lost(f"override for {_name(one)}: no such model in the source")
    return None


def _carve_out(book: dict[str, dict[str, Any]], one: Mapping[str, Any], run: Compiled) -> None:
    """Put an unpriced model before all others, so that it takes the id from whoever had it."""
    models = _models(book, one["provider"])
    clause = f"={one['model']}"
    if not any(clause in model["match"] for model in models):
        run.lost(f"override for {_name(one)}: no model of the source claims it")
        return
    if any(model["id"] == one["model"] for model in models):
        run.lost(f"override for {_name(one)}: a model of that name is there (replace its rows)")
        return
    row = {"rates": {}, "unpriced": one["why"]}
    models.insert(0, {"id": one["model"], "match": [clause], "rows": [row], "tiers": {}})


def _one_hour(model: dict[str, Any], times: int) -> None:
    for row in model["rows"]:
        table = row["rates"]
        if "cache_write_5m" not in table or "cache_write_1h" in table:
            continue
        base = table["input"]
        if isinstance(base, int):
            table["cache_write_1h"] = base * times
        else:  # base, threshold, rate, ...: thresholds stay
            table["cache_write_1h"] = [
                step if index % 2 else step * times for index, step in enumerate(base)
            ]


def compiled(today: date, given: Sequence[Any] | None = None, *, strict: bool = True) -> bytes:
    """The whole file, from the installed package or from `providers_of` other data of it."""
    run = Compiled(today, strict=strict)
    overrides = _ours("overrides.toml")
    book: dict[str, dict[str, Any]] = {}
    for provider in source_providers if given is None else given:
        book[provider.id] = {
            "model_match": rule(provider.model_match) if provider.model_match else [],
            "fallback": provider.fallback_model_providers or [],
            "pages": provider.pricing_urls or [],
            "models": [compile_model(provider.id, one, run) for one in provider.models],
        }
    apply_overrides(book, overrides, run)
    apply_limits(book, _ours("limits.toml")["max_output_tokens"], run)
    head = {
        "source": f"genai-prices {version('genai-prices')}" if given is None else _DATA,
        "licence": "compiled from genai-prices, MIT, Copyright (c) Pydantic Services Inc.",
        "compiled_on": today.isoformat(),
        "aliases": dict(sorted(overrides["aliases"].items())),
        "notes": sorted(run.notes),
    }
    return rendered(head, book)


def providers_of(data: bytes, source: str) -> Sequence[Any]:
    """The providers in a data file of genai-prices. Raises ConfigError for what is none."""
    try:
        # the package has no public reader of a file; it reads its own downloads by this one
        found: Sequence[Any] = source_types._providers_from_raw(json.loads(data))  # noqa: SLF001
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        said = str(error).splitlines()[0][:200]
        raise ConfigError(f"{source}: no data of genai-prices: {said}") from error
    return found


def _ours(name: str) -> dict[str, Any]:
    data = pkgutil.get_data("scrimp.prices", name)
    assert data is not None  # noqa: S101 - a part of the package
    return tomllib.loads(data.decode())
