"""Makes the book that ships: `python tools/compile_prices.py [YYYY-MM-DD]`. Run by us alone.

A row of ours that meets nothing in the source stops it: somebody has to look at that row again.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path

from scrimp.prices.source import compiled

PRICES = Path(__file__).parent.parent / "src" / "scrimp" / "prices"


def main() -> None:
    """Write the book and say what was not exact."""
    today = date.fromisoformat(sys.argv[1]) if len(sys.argv) > 1 else datetime.now(tz=UTC).date()
    data = compiled(today)
    (PRICES / "book.json").write_bytes(data)
    head = json.loads(data)
    print(f"{head['version']}: {len(head['providers'])} providers, {len(data):,} bytes")
    for note in head["notes"]:
        print(" ", note)


if __name__ == "__main__":
    main()
