"""The library in processes of its own: forks, exits without a word, children of a pool."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import scrimp
from tests.support.library import Library, entries_of, library, settings_for


@pytest.fixture
def slow() -> Iterator[Library]:
    """A provider that speaks slowly enough to be interrupted."""
    with library(per_token_ms=10) as both:
        yield both


def played(
    program: str, stage: Library, folder: Path, *, limit_s: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, with the provider's address and a state folder."""
    quiet = ("-W", "ignore::DeprecationWarning")  # it forks while it has threads, on purpose
    return subprocess.run(
        [sys.executable, *quiet, "-c", program, stage.sim.url, str(folder)],
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )


FORK = """
import json, os, sys
import openai
import scrimp
from functools import partial
from pathlib import Path
from tests.support.library import entries_of, settings_for

url, state = sys.argv[1], Path(sys.argv[2])
one = scrimp.Scrimp(settings_for(url, state))
client = one.wrap(openai.OpenAI(base_url=f"{url}/v1", api_key="sk-mine"))

def ask(text):
    messages = [{"role": "user", "content": text}]
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=messages)
    return raw.headers["x-scrimp-served-by"]

before = ask("before")
half = client.chat.completions.create(
    model="gpt-4o-mini", messages=[{"role": "user", "content": "half"}], stream=True
)
pieces = iter(half)
next(pieces)
reader, writer = os.pipe()
child = os.fork()
if not child:
    told = [ask("before"), ask("in the child"), len(entries_of(one)) >= 2]
    try:
        list(pieces)
    except Exception as error:
        told.append(str(error.__cause__))
    os.write(writer, json.dumps(told).encode())
    sys.exit(0)  # with all that an interpreter does at its end
os.close(writer)
_, status = os.waitpid(child, 0)
rest = len(list(pieces))
after = [ask("before"), ask("in the parent")]
print(json.dumps({
    "before": before, "child": json.loads(os.read(reader, 65536)), "status": status,
    "rest": rest, "after": after, "calls": one.report().total.calls,
}))
"""


def test_a_forked_child_gets_an_engine_of_its_own(slow: Library, tmp_path: Path) -> None:
    """The parent goes on with its own, connections and half-read stream included."""
    done = played(FORK, slow, tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["before"] == "upstream"
    assert said["child"][:3] == ["upstream", "upstream", True]  # its memory is not the parent's
    assert "fork" in said["child"][3]
    assert said["status"] == 0
    assert said["rest"] > 5
    assert said["after"] == ["exact_cache", "upstream"]
    assert said["calls"] == 6
    assert done.stderr == ""


EXIT = """
import sys, threading
import openai
import scrimp
from functools import partial
from pathlib import Path
from tests.support.library import settings_for

url, state = sys.argv[1], Path(sys.argv[2])
one = scrimp.Scrimp(settings_for(url, state))
client = one.wrap(openai.OpenAI(base_url=f"{url}/v1", api_key="sk-mine"))
ask = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}
client.chat.completions.create(**ask)
fresh = {"x-scrimp-cache": "no-store"}
stream = client.chat.completions.create(**ask, stream=True, extra_headers=fresh)
begun = threading.Event()

def read():
    try:
        for _ in stream:
            begun.set()
    except Exception:
        pass

threading.Thread(target=read, daemon=True).start()
begun.wait(20)
"""


def test_an_exit_without_close_books_everything(slow: Library, tmp_path: Path) -> None:
    """The finished call, and the stream that a daemon thread still reads, with bounds; at once."""
    started_s = time.monotonic()
    done = played(EXIT, slow, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - started_s < 30
    whole, cut = entries_of(scrimp.Scrimp(settings_for(slow.sim.url, tmp_path)))
    assert (whole.outcome, whole.cost_basis) == ("ok", "usage")
    assert (cut.outcome, cut.cost_basis) == ("cancelled", "estimate")


POOL = """
import multiprocessing, sys
import openai
import scrimp
from functools import partial
from pathlib import Path
from tests.support.library import settings_for

url, state = sys.argv[1], Path(sys.argv[2])
one = scrimp.Scrimp(settings_for(url, state))
client = one.wrap(openai.OpenAI(base_url=f"{url}/v1", api_key="sk-mine"))

def ask(number):
    messages = [{"role": "user", "content": f"question {number}"}]
    return bool(client.chat.completions.create(model="gpt-4o-mini", messages=messages).choices)

if __name__ == "__main__":
    assert ask(-1)
    forks = multiprocessing.get_context("fork")
    workers = [forks.Process(target=ask, args=(number,)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print([worker.exitcode for worker in workers], one.report().total.calls)
"""


def test_children_of_multiprocessing_book_what_they_asked(lib: Library, tmp_path: Path) -> None:
    """They end without running what others register for an exit; their entries are there."""
    done = played(POOL, lib, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == "[0, 0, 0] 4"


LOAD = """
import os, sys, threading
import openai
import scrimp
from pathlib import Path
from tests.support.library import settings_for

url, state = sys.argv[1], Path(sys.argv[2])
one = scrimp.Scrimp(settings_for(url, state, {"exact_cache": {"engine": "sqlite"}}))
client = one.wrap(openai.OpenAI(base_url=f"{url}/v1", api_key="sk-mine"))
done = threading.Event()
asked = [0]

def ask(text):
    messages = [{"role": "user", "content": text}]
    return bool(client.chat.completions.create(model="gpt-4o-mini", messages=messages).choices)

def keep_asking():
    while not done.is_set():
        ask(f"question {asked[0]}")
        asked[0] += 1

assert ask("first")
busy = threading.Thread(target=keep_asking)
busy.start()
codes = []
for number in range(8):
    child = os.fork()
    if not child:
        sys.exit(0 if ask(f"child {number}") and ask("first") else 3)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
done.set()
busy.join()
print(codes, one.report().total.calls == 1 + asked[0] + 16)
"""


def test_forks_in_the_middle_of_calls_lose_none(lib: Library, tmp_path: Path) -> None:
    """With ledger and cache in files that are written all the time: every call is booked."""
    done = played(LOAD, lib, tmp_path, limit_s=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == "[0, 0, 0, 0, 0, 0, 0, 0] True"
