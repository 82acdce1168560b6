"""A process that books so many entries as fast as they are acknowledged, and ends in order."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from scrimp.stores.sqlite_ledger import SqliteLedger
from tests.support.ledger_entries import entry


async def main(path: Path, number: int, count: int) -> None:
    """Append in small groups; a line on stdout is what the ledger had to tell."""
    ledger = SqliteLedger.open(path, tell=print)
    for first in range(number, number + count, 40):
        for one in range(first, min(first + 40, number + count)):
            ledger.append(entry(one))
        await ledger.flush()
    await ledger.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
