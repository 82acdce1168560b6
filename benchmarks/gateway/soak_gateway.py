"""`scrimp` with a witness: on SIGUSR1 it prints how many tasks run and how many objects live.

Usage: soak_gateway.py WORDS, as the command takes them. Nothing else of it differs.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys

from scrimp.cli.main import main


def tell(*_: object) -> None:
    """One line for the soak. Garbage is not collected first: it would hide what calls leave."""
    tasks = len(asyncio.all_tasks(asyncio.get_running_loop()))
    sys.stdout.write(f"WITNESS {tasks} {len(gc.get_objects())}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, tell)
    main()
