"""Two price books into one: the newer one's prices from now on, the older one's before.

Pure, over books as they stand in their files. History is dated and never overwritten: a price that
changed gets the day of the change, a model that vanished keeps its rates.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Any

Row = dict[str, Any]
Book = dict[str, Any]

_PRICE = ("minutes", "weekdays", "rates", "fees", "per_ms", "unpriced")
"""What makes two rows the same price; `since` and `until` are when, the rest is remarks."""
_EVER = ""
"""Before all dates, which are compared as ISO text."""


def merged(old: Book, new: Book, since: date) -> bytes:
    """The file of both books together. Changes without a date of their own hold from `since` on.

    Where the new book dates a change itself, its date counts, also one that is past. Where the old
    one had no price, the new one's holds at all times.
    """
    start = since.isoformat()
    old = _signed(old)
    providers = {
        name: _provider(old["providers"].get(name, {}), told, start, new["compiled_on"])
        for name, told in new["providers"].items()
    }
    providers |= {
        name: told for name, told in old["providers"].items() if name not in new["providers"]
    }
    head = {name: new[name] for name in ("source", "licence", "compiled_on")}
    head["aliases"] = dict(sorted({**old["aliases"], **new["aliases"]}.items()))
    head["notes"] = new.get("notes", [])
    versions = {
        _content(book["aliases"], book["providers"]): book["version"] for book in (new, old)
    }
    return rendered(head, providers, versions.get(_content(head["aliases"], providers), ""))


def _content(aliases: Mapping[str, str], providers: Mapping[str, Any]) -> str:
    """What two books share that say the same; a file leaves out what is empty."""
    return json.dumps([aliases, _filled(providers)], sort_keys=True)


def _filled(value: Any) -> Any:
    if isinstance(value, list):
        return [_filled(one) for one in value]
    if not isinstance(value, dict):
        return value
    told = {key: _filled(one) for key, one in value.items() if key != "source"}
    return {key: one for key, one in told.items() if one or one == 0 or key == "rates"}


def _signed(book: Book) -> Book:
    """The book with its source in each row: what is kept of it says where it is from."""
    source = f"{book['source']}, compiled {book['compiled_on']}"

    def rows(given: Sequence[Row]) -> list[Row]:
        return [{**row, "source": row.get("source") or source} for row in given]

    return book | {
        "providers": {
            name: told
            | {
                "models": [
                    model
                    | {"rows": rows(model["rows"])}
                    | {"tiers": {at: rows(tier) for at, tier in model.get("tiers", {}).items()}}
                    for model in told["models"]
                ]
            }
            for name, told in book["providers"].items()
        }
    }


def _provider(old: Mapping[str, Any], new: Book, start: str, compiled_on: str) -> Book:
    before = {model["id"]: model for model in old.get("models", ())}
    models = [
        _model(before[one["id"]], one, start, compiled_on) if one["id"] in before else one
        for one in new["models"]
    ]
    # Last, so that a rule of a vanished model takes nothing from those that are there.
    known = {one["id"] for one in new["models"]}
    models += [model for name, model in before.items() if name not in known]
    return {**old, **new, "models": models}


def _model(old: Book, new: Book, start: str, compiled_on: str) -> Book:
    tiers = {**old.get("tiers", {}), **new.get("tiers", {})}
    for name in old.get("tiers", {}).keys() & new.get("tiers", {}).keys():
        tiers[name] = rows_of(old["tiers"][name], new["tiers"][name], start, whole=False)
    rows = rows_of(old["rows"], new["rows"], start)
    tiers = {name: _in_force(tier, compiled_on) for name, tier in tiers.items()}
    return {**old, **new, "rows": _in_force(rows, compiled_on), "tiers": tiers}


def _in_force(rows: Iterable[Row], compiled_on: str) -> list[Row]:
    """Rows of which none is called scheduled that is in force when the book is made."""
    return [
        {key: value for key, value in row.items() if key != "scheduled"}
        if row.get("since", _EVER) <= compiled_on
        else row
        for row in rows
    ]


def rows_of(old: Sequence[Row], new: Sequence[Row], start: str, *, whole: bool = True) -> list[Row]:
    """Rows that price as `old` before a change and as `new` after it.

    With `whole`, a row for all hours hides those before it, as it does in a price.
    """
    edges = sorted({start, *_dates(old), *_dates(new)})
    own = {row["since"] for row in new if "since" in row}
    spans = list(pairwise([_EVER, *edges, None]))
    takes: list[bool | None] = []
    turned = False
    for since, _ in spans:
        was, now = _prices(old, since, whole=whole), _prices(new, since, whole=whole)
        if was == now:
            takes.append(None)
            continue
        unknown = not any("unpriced" not in json.loads(price) for price in was)
        turned = turned or (since or _EVER) >= start or (since in own and not unknown)
        takes.append(turned or unknown)
    if False not in takes:
        return [dict(row) for row in new]
    if True not in takes:
        return [dict(row) for row in old]
    return list(_assembled(spans, takes, old, new))


def _assembled(
    spans: Sequence[tuple[str | None, str | None]],
    takes: Sequence[bool | None],
    old: Sequence[Row],
    new: Sequence[Row],
) -> Iterable[Row]:
    """Rows of either book, each cut to the times for which it was chosen."""
    chosen = next(take for take in takes if take is not None)
    runs: list[tuple[str, str | None, bool]] = []
    for (since, until), take in zip(spans, takes, strict=True):
        chosen = chosen if take is None else take
        if runs and runs[-1][2] is chosen:
            runs[-1] = (runs[-1][0], until, chosen)
        else:
            runs.append((since or _EVER, until, chosen))
    for since, until, taken in runs:
        for row in new if taken else old:
            if (cut := _cut(row, since, until)) is not None:
                yield cut


def _cut(row: Row, since: str, until: str | None) -> Row | None:
    """A row within these dates; None when nothing of it is."""
    begins = max(row.get("since", _EVER), since)
    ends = min((end for end in (row.get("until"), until) if end), default=None)
    if ends is not None and begins >= ends:
        return None
    rest = {key: value for key, value in row.items() if key not in ("since", "until")}
    dates = {"since": begins} if begins else {}
    return dates | ({"until": ends} if ends else {}) | rest


def _dates(rows: Sequence[Row]) -> Iterable[str]:
    return (row[name] for row in rows for name in ("since", "until") if name in row)


def _prices(rows: Sequence[Row], day: str | None, *, whole: bool) -> list[str]:
    """What holds on a day, row by row, in a form that can be compared."""
    found: list[str] = []
    for row in rows:
        at = day or _EVER
        if row.get("since", _EVER) > at or ("until" in row and at >= row["until"]):
            continue
        if whole and "minutes" not in row and not row.get("weekdays"):
            found.clear()
        price = {key: row[key] for key in _PRICE if row.get(key) not in (None, {}, [], "")}
        found.append(json.dumps(price, sort_keys=True))
    return found


def rendered(
    head: Mapping[str, Any], providers: Mapping[str, Mapping[str, Any]], version: str = ""
) -> bytes:
    """The file: one model on a line, so that changes can be read; its version is its content's."""
    content = json.dumps([head["aliases"], providers], sort_keys=True).encode()
    digest = hashlib.sha256(content).hexdigest()[:12]
    version = version or f"{head['source'].replace(' ', '-')}-{digest}"

    def line(value: object) -> str:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    out = [
        f"{json.dumps(key)}:{line(value)}" for key, value in {"version": version, **head}.items()
    ]
    parts = []
    for name, data in providers.items():
        rest = {key: value for key, value in data.items() if key != "models" and value}
        models = ",\n".join(line({k: v for k, v in one.items() if v}) for one in data["models"])
        meta = "".join(f"{json.dumps(key)}:{line(value)},\n" for key, value in rest.items())
        parts.append(f'{json.dumps(name)}:{{\n{meta}"models":[\n{models}\n]}}')
    return ("{" + ",\n".join(out) + ',\n"providers":{\n' + ",\n".join(parts) + "\n}}\n").encode()
