"""A program's budgets in processes of their own: shared by a file, after restarts, over forks."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import scrimp
from tests.support.library import library

SPENDER = """
import sys, json, threading
import scrimp
from scrimp.errors import BudgetExceeded

budget = scrimp.budget(usd="0.50", per="lifetime", name="ci", store=sys.argv[1], cost="0.01")
ran = []

@budget
def work():
    ran.append(1)

def until_refused():
    try:
        while True:
            work()
    except BudgetExceeded:
        pass

threads = [threading.Thread(target=until_refused) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps(len(ran)))
"""

FORKER = """
import os, sys
import scrimp

path = sys.argv[1]
kept = scrimp.budget(usd=1, name="kept", store=path)
here = scrimp.budget(usd=1, name="here", cost="0.25")
work = here(lambda: None)
kept.spend(usd="0.1")
work()
child = os.fork()
if not child:
    with here, kept:
        kept.spend(usd="0.2")
    assert str(here.remaining()[0].used) == "0.45", here.remaining()
    assert str(kept.remaining()[0].used) == "0.3", kept.remaining()
    sys.exit(0)
_, status = os.waitpid(child, 0)
assert status == 0, status
assert str(here.remaining()[0].used) == "0.25", here.remaining()
assert str(kept.remaining()[0].used) == "0.3", kept.remaining()
"""

ENDER = """
import sys
from pathlib import Path
import scrimp
from tests.support.library import settings_for

url, path, state = sys.argv[1:]
one = scrimp.Scrimp(settings_for(url, Path(state)))
with scrimp.budget(usd=1, name="ci", store=path):
    print(one.ask("Say something long.", model="gpt-4o-mini", max_tokens=20).cost)
"""


def python(program: str, *arguments: str) -> subprocess.Popen[str]:
    """A program in a process of its own."""
    quiet = ("-W", "ignore::DeprecationWarning")  # it forks while it has threads, on purpose
    return subprocess.Popen(
        [sys.executable, *quiet, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> str:
    """What it wrote, once it has ended well."""
    out, wrong = process.communicate(timeout=60)
    assert (process.returncode, wrong) == (0, "")
    return out


def test_processes_that_name_one_file_share_a_budget(tmp_path: Path) -> None:
    """Three with four threads each: together they run exactly as often as the budget allows."""
    path = str(tmp_path / "budgets.sqlite")
    spenders = [python(SPENDER, path) for _ in range(3)]
    assert sum(json.loads(said(one)) for one in spenders) == 50
    (left,) = scrimp.budget(usd="0.50", name="ci", store=path).remaining()
    assert (left.used, left.held, left.rest) == (Decimal("0.5"), Decimal(0), Decimal(0))
    assert (tmp_path / "budgets.sqlite").stat().st_mode & 0o077 == 0


def test_a_fork_counts_for_itself_in_memory_and_together_in_a_file(tmp_path: Path) -> None:
    """Neither side hangs, and neither counts what the other holds."""
    said(python(FORKER, str(tmp_path / "budgets.sqlite")))


def test_what_a_program_spent_is_in_the_file_when_it_has_ended(tmp_path: Path) -> None:
    """Without a word of closing; the next process goes on from it."""
    path = str(tmp_path / "budgets.sqlite")
    with library() as lib:
        spent = [
            Decimal(said(python(ENDER, lib.sim.url, path, str(tmp_path / f"state{number}"))))
            for number in range(2)
        ]
    (left,) = scrimp.budget(usd=1, name="ci", store=path).remaining()
    assert (left.used, left.held) == (sum(spent), Decimal(0))
