"""Learned ratios outlive the process, several processes learn together, nothing leaks."""

from __future__ import annotations

import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from scrimp.errors import StoreError
from scrimp.stores.sqlite_ratios import MOST_MODELS, SCHEMA, SqliteRatios
from scrimp.tokens.ratios import Learned, Observation, learn


def seen(model: str, *ratios: float) -> list[Observation]:
    """Observations of one model."""
    return [Observation(model, ratio) for ratio in ratios]


def test_nothing_is_known_before_anything_was_learned(tmp_path: Path) -> None:
    """Looking makes no file."""
    store = SqliteRatios(tmp_path / "state" / "ratios.sqlite")
    assert store.load() == {}
    assert list(tmp_path.iterdir()) == []


def test_what_was_learned_is_there_after_a_restart(tmp_path: Path) -> None:
    """To the last digit, and learning goes on from there."""
    path = tmp_path / "state" / "ratios.sqlite"
    SqliteRatios(path).add([*seen("a", 1.2, 1.3), *seen("b", 1.0)])
    again = SqliteRatios(path)
    expected = learn(learn(None, 1.2), 1.3)
    assert again.load() == {"a": expected, "b": learn(None, 1.0)}
    assert again.add(seen("a", 1.25))["a"] == learn(expected, 1.25)


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """0600 in a folder of 0700."""
    path = tmp_path / "state" / "ratios.sqlite"
    SqliteRatios(path).add(seen("a", 1.2))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_writers_lose_nothing_of_each_other(tmp_path: Path) -> None:
    """Every observation of every writer counts."""
    path = tmp_path / "ratios.sqlite"

    def work(number: int) -> None:
        store = SqliteRatios(path)
        for _ in range(10):
            store.add([*seen("shared", 1.2), *seen(f"own {number}", 1.1)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    known = SqliteRatios(path).load()
    assert known["shared"].count == 40
    assert [known[f"own {number}"].count for number in range(4)] == [10] * 4


def test_many_may_make_the_file_at_once(tmp_path: Path) -> None:
    """Who looks while another makes it sees all of it or none of it."""

    def begin(path: Path) -> None:
        for _ in range(10):
            connection = sqlite3.connect(path, isolation_level=None, timeout=30)
            with closing(connection):
                SCHEMA.migrate(connection, path)

    with ThreadPoolExecutor(8) as pool:
        for number in range(25):
            list(pool.map(begin, [tmp_path / f"{number}.sqlite"] * 8))


def test_the_file_is_bounded(tmp_path: Path) -> None:
    """The models that were heard of last stay."""
    store = SqliteRatios(tmp_path / "ratios.sqlite")
    store.add([one for number in range(MOST_MODELS) for one in seen(f"m{number}", 1.1)])
    store.add(seen("m0", 1.1))
    known = store.add(seen("new", 1.1))
    assert len(known) == MOST_MODELS
    assert {"m0", "new"} <= known.keys()
    assert "m1" not in known


def test_what_cannot_be_true_is_not_read(tmp_path: Path) -> None:
    """An edited row is as good as none."""
    path = tmp_path / "ratios.sqlite"
    SqliteRatios(path).add([*seen("good", 1.2), *seen("bad", 1.2)])
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE ratios SET centre = 40 WHERE model = 'bad'")
    connection.close()
    assert SqliteRatios(path).load() == {"good": Learned(1, learn(None, 1.2).centre)}


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be one" * 40])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    """With its name, and left as it is."""
    path = tmp_path / "ratios.sqlite"
    path.write_bytes(content)
    for work in (SqliteRatios(path).load, lambda: SqliteRatios(path).add(seen("a", 1.2))):
        with pytest.raises(StoreError, match=r"ratios\.sqlite"):
            work()
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """As a StoreError, like everything that a store cannot do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        SqliteRatios(tmp_path / "file" / "ratios.sqlite").add(seen("a", 1.2))
