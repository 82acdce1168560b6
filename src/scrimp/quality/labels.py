"""The newest verdicts and the newest traffic of a scope, in arrays of a fixed size."""

from __future__ import annotations

from typing import Final

import numpy as np

from scrimp.quality.logistic import Floats
from scrimp.quality.threshold import Lesson

MAX_LABELS: Final = 4_000
MAX_RECENT: Final = 1_500


class Ring:
    """The newest rows, oldest first when read."""

    def __init__(self, size: int, width: int) -> None:
        self._rows = np.zeros((size, width), np.float32)
        self.total = 0

    def __len__(self) -> int:
        """How many are kept."""
        return min(self.total, len(self._rows))

    def add(self, row: Floats) -> None:
        """One more; the oldest goes when there is no room."""
        self._rows[self.total % len(self._rows)] = row
        self.total += 1

    def read(self) -> Floats:
        """What is kept, oldest first."""
        if self.total <= len(self._rows):
            return self._rows[: self.total].astype(np.float64)
        return np.roll(self._rows, -(self.total % len(self._rows)), axis=0).astype(np.float64)

    def fill(self, rows: Floats) -> None:
        """Begin anew with these."""
        self.total = 0
        for row in rows[-len(self._rows) :]:
            self.add(row)


class Labels:
    """Labelled decisions, and features of recent ones that no gate forbade."""

    def __init__(self, width: int) -> None:
        self.rows = Ring(MAX_LABELS, width + 3)
        self.recent = Ring(MAX_RECENT, width)
        self.total = 0
        self.seen = 0
        self.open = 0

    def __len__(self) -> int:
        """How many labels are kept."""
        return len(self.rows)

    def passed(self, features: Floats, *, barred: bool) -> None:
        """A decision was asked for."""
        self.seen += 1
        if not barred:
            self.open += 1
            self.recent.add(features)

    def add(self, features: Floats, *, right: bool, propensity: float, barred: bool) -> None:
        """A verdict."""
        self.rows.add(np.array([*features, right, propensity, not barred]))
        self.total += 1

    def keep_newest(self, count: int) -> None:
        """Forget all but the newest."""
        self.rows.fill(self.rows.read()[-count:])
        self.recent.fill(self.recent.read()[-count:])
        self.total = len(self.rows)

    def lesson(self, bound: float, *, per_call: bool) -> Lesson:
        """Copies, so that learning may go on while they are studied."""
        rows = self.rows.read()
        return Lesson(
            rows[:, :-3],
            rows[:, -3],
            rows[:, -2],
            rows[:, -1],
            self.recent.read(),
            bound,
            per_call,
            self.open / max(1, self.seen),
        )
