"""A fork waits for who is inside SQLite, finds nothing open, and lets everybody in again."""

from __future__ import annotations

import threading

from scrimp.stores import sqlite_rest
from scrimp.stores.sqlite_rest import Gate


def test_a_fork_waits_and_closes_what_is_open() -> None:
    """Who is inside finishes first; who comes meanwhile waits until it is over."""
    said: list[str] = []
    gate = Gate(lambda: said.append("closed"))
    inside, leave = threading.Event(), threading.Event()

    def work() -> None:
        with gate:
            inside.set()
            leave.wait(5)
            said.append("worked")

    def late() -> None:
        with gate:
            said.append("late")

    worker = threading.Thread(target=work)
    worker.start()
    assert inside.wait(5)
    forking = threading.Thread(target=sqlite_rest.rest)
    forking.start()
    leave.set()
    forking.join(5)
    assert said == ["worked", "closed"]
    comer = threading.Thread(target=late)
    comer.start()
    sqlite_rest.wake()
    comer.join(5)
    worker.join(5)
    assert said == ["worked", "closed", "late"]
