"""Labelled questions, ready to train and to judge a router: features, qualities, costs.

From labelled files (prompts are read here, and not kept) or from lessons (they hold no text).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar

import numpy as np

from scrimp.choosing import Lesson, Place
from scrimp.routing.curve import Table
from scrimp.routing.kept_rows import Row as Taught
from scrimp.routing.rows import Row
from scrimp.routing.text_features import Floats, Reader, unpack
from scrimp.tasks import TTL_S, task_of
from scrimp.values import Value

_MOST_CHARS = 20_000


class Item(Value, frozen=True):
    """One question. `costs` are nano-dollars, of those models whose cost is known.

    `group` is what may not be torn apart by cross-validation (a subject), `chars` the length of the
    prompt, which is known before the call, 0 where it is not known any more.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"features"})

    features: Floats
    qualities: Mapping[str, float]
    costs: Mapping[str, int]
    place: Place
    group: str = ""
    chars: int = 0
    weight: float = 1.0

    @property
    def taught(self) -> Taught:
        """For a predictor."""
        return Taught(self.features, self.qualities, self.place, self.weight)


def items_of(
    rows: Iterable[Row], reader: Reader, tenant: str, tell: Callable[[int], None]
) -> list[Item]:
    """Rows as production would see them: read the same way, of the same task type."""
    found = []
    for number, row in enumerate(rows, 1):
        text = row.prompt[:_MOST_CHARS]
        task = row.task if row.task in TTL_S else task_of("", {}, "", text).name
        found.append(
            Item(
                features=reader.read(text),
                qualities={name: label.quality for name, label in row.labels.items()},
                costs={
                    name: label.cost_nanousd
                    for name, label in row.labels.items()
                    if label.cost_nanousd is not None
                },
                place=Place(tenant, task, ""),
                group=row.task,
                chars=len(row.prompt),
            )
        )
        tell(number)
    return found


def items_of_lessons(lessons: Iterable[Lesson], reader: Reader) -> tuple[list[Item], int]:
    """Lessons of these features, one item for a call; and how many were of other features."""
    calls: dict[tuple[str, Place], dict[str, Lesson]] = {}
    others = 0
    for lesson in lessons:
        if lesson.version != reader.version or lesson.source == "check":
            others += 1
            continue
        calls.setdefault((lesson.call, lesson.place), {})[lesson.model] = lesson
    found = []
    for (_, place), by_model in calls.items():
        one = next(iter(by_model.values()))
        try:
            features = unpack(one.features, reader.width)
        except ValueError:
            others += len(by_model)
            continue
        costs = {name: lesson.cost_nanousd for name, lesson in by_model.items()}
        found.append(
            Item(
                features=features,
                qualities={name: lesson.quality for name, lesson in by_model.items()},
                costs={name: cost for name, cost in costs.items() if cost is not None},
                place=place,
                weight=1.0 / one.propensity if one.propensity > 0 else 1.0,
            )
        )
    return found, others


def complete(items: Sequence[Item], models: Sequence[str]) -> list[Item]:
    """Those with quality and cost of every one of the models."""
    return [
        one for one in items if all(name in one.qualities and name in one.costs for name in models)
    ]


def table_of(items: Sequence[Item], models: Sequence[str]) -> Table:
    """Qualities, and costs in dollars."""
    quality = [[one.qualities[name] for name in models] for one in items]
    cost = [[one.costs[name] / 1e9 for name in models] for one in items]
    return Table(tuple(models), np.array(quality, np.float64), np.array(cost, np.float64))


def labels_of(items: Iterable[Item]) -> dict[str, int]:
    """How many verdicts each model has."""
    found: dict[str, int] = {}
    for item in items:
        for name in item.qualities:
            found[name] = found.get(name, 0) + 1
    return found


def digest_of(items: Sequence[Item], features: str) -> str:
    """A version: of what was learned from, and how it was read."""
    digest = hashlib.blake2b(features.encode(), digest_size=6)
    for item in items:
        digest.update(item.features.tobytes())
        digest.update(repr(sorted(item.qualities.items())).encode())
    return digest.hexdigest()
