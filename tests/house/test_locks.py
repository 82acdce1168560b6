"""Lock files are whole: pinned, with hashes, for every platform, and of no index in particular."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest

from tests.house.tree import ROOT

LOCKS = ("build", "demo", "dev", "lock", "run", "weights")
ONE_FILE = {"flatbuffers"}  # published as one wheel for every platform, and no source
PIN = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[^\s;]+)( ; (?P<marker>[^\\]+))?( \\)?")
HASH = re.compile(r" {4}--hash=sha256:[0-9a-f]{64}( \\)?")


def pyproject() -> dict[str, Any]:
    """The project's own description."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def pins(lock: str) -> dict[str, tuple[str, int]]:
    """Version and number of hashes of each package in a lock; fails on any other kind of line."""
    found: dict[str, tuple[str, int]] = {}
    name = ""
    for line in (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8").splitlines():
        if HASH.fullmatch(line):
            version, hashes = found[name]
            found[name] = (version, hashes + 1)
        else:
            match = PIN.fullmatch(line)
            assert match, f"requirements/{lock}.txt holds a line that is no pin and no hash: {line}"
            name = match["name"]
            found[name] = (match["version"], 0)
    return found


def normal(requirement: str) -> str:
    """The normalised name that a requirement asks for."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def wanted(lock: str) -> set[str]:
    """Direct dependencies that pyproject.toml declares for a lock."""
    project = pyproject()
    groups = project["dependency-groups"]
    run = project["project"]["dependencies"]
    extras = project["project"]["optional-dependencies"]
    demo = extras["demo"]
    dev = [item for item in groups["dev"] if isinstance(item, str)]
    lists: dict[str, list[str]] = {
        "build": groups["build"],
        "lock": groups["lock"],
        "weights": groups["weights"],
        "run": run,
        "demo": [*run, *demo],
        "dev": [
            *run,
            *demo,
            *extras["redis"],
            *extras["pictures"],
            *extras["langchain"],
            *extras["semantic"],
            *dev,
            *groups["build"],
        ],
    }
    return {normal(requirement) for requirement in lists[lock]}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes(lock: str) -> None:
    """Each package is pinned, and each pin has a hash for a wheel and one for a source at least.

    One hash alone would be that of one machine's wheel, unless that wheel is all there is.
    """
    found = pins(lock)
    assert found
    assert {name for name, (_, hashes) in found.items() if hashes < 2} <= ONE_FILE


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_agree_with_the_project(lock: str) -> None:
    """Each direct dependency of pyproject.toml stands in its lock (else: make lock)."""
    assert wanted(lock) <= set(pins(lock))


def test_locks_agree_with_each_other() -> None:
    """A package has one version in all locks, and dev holds run, demo and build."""
    dev = pins("dev")
    for lock in ("run", "demo", "build"):
        assert pins(lock).items() <= dev.items(), f"requirements/{lock}.txt is not part of dev.txt"


def test_the_weights_come_alone() -> None:
    """The package with the weights is locked without what it declares to need, which is torch."""
    assert set(pins("weights")) == wanted("weights")
    assert "torch" not in pins("dev")


def test_the_build_backend_is_locked() -> None:
    """What builds the project comes with hashes too, as nothing is fetched at build time."""
    assert {normal(r) for r in pyproject()["build-system"]["requires"]} <= set(pins("build"))


def test_there_is_no_other_lock() -> None:
    """One kind of lock file only; others would write an index address into the tree."""
    assert [
        name for name in ("uv.lock", "poetry.lock", "Pipfile.lock") if (ROOT / name).exists()
    ] == []
    assert {path.stem for path in (ROOT / "requirements").glob("*.txt")} == set(LOCKS)
