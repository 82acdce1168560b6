"""A process that books entries and says which are acknowledged, until it is killed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from scrimp.stores.sqlite_ledger import SqliteLedger
from tests.support.ledger_entries import call_id, entry


async def main(path: Path, number: int) -> None:
    """Append in small groups for ever; a line on stdout is an acknowledgement."""
    ledger = SqliteLedger.open(path)
    while True:
        group = range(number, number + 40)
        for one in group:
            ledger.append(entry(one))
        await ledger.flush()
        sys.stdout.write("".join(f"{call_id(one)}\n" for one in group))
        sys.stdout.flush()
        number += 40


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
