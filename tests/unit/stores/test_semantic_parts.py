"""Parts of the stores of answers by meaning: vectors, the index of a scope, who makes room."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from scrimp.errors import ConfigError, InvalidRequest, StoreError
from scrimp.meanings import Chosen
from scrimp.remembered import check_chosen, matcher
from scrimp.stores.semantic_graph import Graph, Place
from scrimp.stores.semantic_index import ScopeIndex
from scrimp.stores.semantic_open import forget, look, open_semantic
from scrimp.stores.semantic_plan import Engine, IndexOptions, SemanticPlan
from scrimp.stores.semantic_shares import Shares
from scrimp.stores.semantic_vectors import Rows, narrow, ranked, read, wide
from tests.support.core import FakeClock
from tests.support.semantic_stores import cosine, scattered

DIMS = 32
OPTIONS = IndexOptions(exact_up_to=20, tail=8, pause_s=0)


def rows_of(numbers: range) -> Rows:
    """Scattered vectors."""
    return np.array([read(scattered(number)) for number in numbers])


def filled(count: int) -> ScopeIndex:
    """An index of so many."""
    index = ScopeIndex(DIMS, OPTIONS)
    index.add(range(count), rows_of(range(count)))
    return index


def test_a_kept_vector_keeps_its_direction() -> None:
    """At 384 numbers, cosines are off by less than one in a hundred thousand."""
    one, other = scattered(1, 384), scattered(2, 384)
    kept = wide([narrow(read(one)), narrow(read(other))])
    assert kept.dtype == np.float32
    for row, given in zip(kept, (one, other), strict=True):
        assert cosine(row.tobytes(), given) == pytest.approx(1, abs=1e-7)
        assert cosine(row.tobytes(), other) == pytest.approx(cosine(given, other), abs=1e-5)
    assert len(narrow(read(one))) == 768


def test_neighbours_are_ranked_by_exact_cosines() -> None:
    """Nearest first; what is of another size, and so of another embedder, is left out."""
    asked = read(scattered(1))
    found = [
        (7, 70, narrow(read(scattered(2))), b"far"),
        (8, 80, narrow(read(scattered(1))), b"same"),
        (9, 90, narrow(read(scattered(1, 8))), b"of another size"),
    ]
    near = ranked(asked, found, 9)
    assert [(one.id, one.group, one.sketch) for one in near] == [(8, 80, b"same"), (7, 70, b"far")]
    assert near[0].cosine == pytest.approx(1, abs=1e-6)
    assert near[1].cosine == pytest.approx(cosine(scattered(1), scattered(2)), abs=1e-5)
    assert ranked(asked, [], 9) == ()
    assert ranked(asked, found[2:], 9) == ()
    assert ranked(asked, found, 1) == near[:1]


def test_an_index_moves_what_is_crowded_into_a_graph() -> None:
    """All are found before, after, and those that come later."""
    index = filled(100)
    assert (index.exact, index.crowded) == (100, True)
    before = [index.near(read(scattered(number)), 1) for number in range(100)]
    assert index.settle() >= 92
    assert (index.exact <= OPTIONS.tail, index.crowded, len(index)) == (True, False, 100)
    index.add([100], rows_of(range(100, 101)))
    after = [index.near(read(scattered(number)), 1) for number in range(101)]
    assert [*before, [100]] == after == [[number] for number in range(101)]
    assert len(index.near(read(scattered(0)), 500)) == 101


def test_what_is_removed_is_found_no_more() -> None:
    """From the exact part, from the graph, and once again as if it had never been there."""
    index = filled(100)
    index.settle()
    index.remove([3, 98, 99, 12345])
    assert len(index) == 97
    for number in (3, 98, 99):
        assert index.near(read(scattered(number)), 1) != [number]
    index.remove([3])
    assert len(index) == 97


def test_what_leaves_while_a_graph_is_saved_leaves_afterwards() -> None:
    """The graph stays as it is until it is written."""
    index = filled(100)
    index.settle()
    graph = index.begin_saving()
    assert graph is not None
    held = len(graph)
    index.remove([0, 1])
    assert len(graph) == held
    index.end_saving()
    assert len(graph) == held - 2


def frozen(path: Path) -> ScopeIndex:
    """An index of a hundred whose graph lies in a file, as after a start."""
    index = filled(100)
    index.settle()
    assert index.graph is not None
    index.graph.save(path, Place(b"s" * 16, 1, 99))
    found = Graph.load(path, DIMS)
    assert found is not None
    again = ScopeIndex(DIMS, OPTIONS, found[0])
    first = index.settled_up_to(99) + 1
    again.add(range(first, 100), rows_of(range(100))[first:])
    return again


def test_a_graph_is_searched_where_it_lies(tmp_path: Path) -> None:
    """What was saved is found from the file, which stays as it is whatever comes and goes."""
    path = tmp_path / "one.graph"
    index = frozen(path)
    before = path.read_bytes()
    assert index.graph is not None
    assert index.graph.frozen
    assert [index.near(read(scattered(n)), 1) for n in range(100)] == [[n] for n in range(100)]
    index.add([100], rows_of(range(100, 101)))
    index.remove([3])
    assert index.near(read(scattered(100)), 1) == [100]
    assert index.graph.frozen
    assert path.read_bytes() == before


def test_a_graph_says_about_how_near_something_is(tmp_path: Path) -> None:
    """As a cosine, which what is compared one by one is ranked with: new, mapped and thawed."""
    index = frozen(tmp_path / "one.graph")
    assert index.graph is not None
    fresh = Graph(DIMS)
    for number in range(20):
        fresh.add(number, read(scattered(number)))
    for graph in (fresh, index.graph, index.graph.thawed()):
        (number, *others), (nearest, *further) = graph.near(read(scattered(7)), 5)
        assert number == 7
        assert nearest == pytest.approx(1, abs=0.05)
        for other, about in zip(others, further, strict=True):
            assert about == pytest.approx(cosine(scattered(7), scattered(other)), abs=0.05)


def test_a_saved_graph_leaves_nothing_beside_it(tmp_path: Path) -> None:
    """Saved again over what a killed process left, it is whole; where it cannot be, it goes."""
    path = tmp_path / "one.graph"
    for end in ("raw", "new"):
        (tmp_path / f"one.graph.{os.getpid()}.{end}").write_bytes(b"x" * 1_000_000)
    assert frozen(path).graph is not None
    assert [file.name for file in tmp_path.iterdir()] == ["one.graph"]
    assert path.stat().st_mode & 0o777 == 0o600
    index = filled(100)
    index.settle()
    assert index.graph is not None
    (tmp_path / "two.graph").mkdir()
    with pytest.raises(OSError, match="directory"):
        index.graph.save(tmp_path / "two.graph", Place(b"s" * 16, 1, 99))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["one.graph", "two.graph"]


@pytest.mark.parametrize("why", ["many came", "many went"])
def test_a_frozen_graph_thaws_when_it_has_to_change(tmp_path: Path, why: str) -> None:
    """Then it takes in what came, and what had left meanwhile is found no more."""
    index = frozen(tmp_path / "one.graph")
    index.remove([3, 4])
    if why == "many came":
        index.add(range(100, 110), rows_of(range(100, 110)))
    else:
        index.remove(range(5, 5 + OPTIONS.tail))
    assert index.crowded
    index.settle()
    graph = index.graph
    assert graph is not None
    assert not graph.frozen
    assert len(index._late) == 0
    gone = {3, 4} if why == "many came" else set(range(3, 5 + OPTIONS.tail))
    assert not any(number in graph for number in gone)
    known = set(range(110 if why == "many came" else 100)) - gone
    assert len(index) == len(known)
    assert {index.near(read(scattered(number)), 1)[0] for number in known} == known


def test_a_frozen_graph_may_be_saved_again(tmp_path: Path) -> None:
    """Under its own name: who has the old file open goes on with it."""
    path = tmp_path / "one.graph"
    index = frozen(path)
    graph = index.begin_saving()
    assert graph is not None
    graph.save(path, Place(b"s" * 16, 1, 7))
    index.end_saving()
    again = Graph.load(path, DIMS)
    assert again is not None
    assert again[1].question == 7
    assert len(again[0]) == len(graph)
    assert index.near(read(scattered(5)), 1) == [5]


def test_an_index_knows_what_a_restart_may_leave_out() -> None:
    """All numbers up to that one are in the graph."""
    index = filled(100)
    assert index.settled_up_to(99) == -1
    index.settle()
    upto = index.settled_up_to(99)
    assert index.graph is not None
    assert all(number in index.graph for number in range(upto + 1))
    assert upto >= 90


def test_adding_twice_is_adding_once() -> None:
    """An index may be told the same news again."""
    index = filled(10)
    index.add(range(5, 12), rows_of(range(5, 12)))
    assert len(index) == 12


def test_who_holds_most_makes_room_first() -> None:
    """And in it the group that was used longest ago; whoever has nothing left is forgotten."""
    shares = Shares()
    assert shares.next_out() is None
    shares.came("ana", 1, 10)
    shares.came("ben", 2, 20)
    shares.came("ben", 3, 5)
    assert (shares.next_out(), shares.total) == (2, 35)
    shares.used("ben", 2)
    assert shares.next_out() == 3
    shares.went("ben", 3, 5)
    shares.went("ben", 2, 20)
    assert (shares.next_out(), shares.total) == (1, 10)
    shares.grew("ana", 4)
    shares.went("ana", 1, 14)
    assert (shares.next_out(), shares.total) == (None, 0)


@pytest.mark.parametrize(
    ("pattern", "text", "meant"),
    [
        ("*refund*", "How do I get a REFUND?", True),
        ("refund", "refund me", False),
        ("faq/[0-9]", "FAQ/7", True),
        ("a?c", "a\nc", True),
        ("(.*", "(.x", True),
        ("STRASSE", "straße", True),
    ],
)
def test_a_pattern_is_one_of_the_shell(pattern: str, text: str, meant: bool) -> None:  # noqa: FBT001 - a case
    """In upper or lower case; what means something in other patterns means itself."""
    assert matcher(pattern)(text) is meant


def test_a_choice_of_nothing_is_refused() -> None:
    """An empty one would be all."""
    check_chosen(Chosen(model="gpt-4o"))
    with pytest.raises(InvalidRequest, match="name a key, tag, pattern"):
        check_chosen(Chosen())


@pytest.mark.parametrize("engine", ["memory", "sqlite"])
def test_without_the_extra_one_line_says_so(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the package that is missing, and the command."""
    for name in ("semantic_memory", "sqlite_semantic", "semantic_index", "semantic_graph"):
        monkeypatch.delitem(sys.modules, f"scrimp.stores.{name}", raising=False)
    for name in ("sqlite_semantic_search", "semantic_open"):
        monkeypatch.delitem(sys.modules, f"scrimp.stores.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "usearch", None)
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    with pytest.raises(ConfigError, match=r"usearch.* not installed \(pip install 'scrimp\[sem"):
        open_semantic(SemanticPlan(engine, Path("unused")), FakeClock())


async def test_memory_cannot_be_looked_at_from_outside() -> None:
    """It says which engine could."""
    plan = SemanticPlan("memory", Path("unused"))
    with pytest.raises(ConfigError, match='engine = "sqlite"'):
        await look(plan, FakeClock())
    with pytest.raises(ConfigError, match='engine = "sqlite"'):
        await forget(plan, FakeClock(), Chosen(tag="x"))


def test_a_vector_of_another_size_is_told_with_both_numbers() -> None:
    """Whichever of the two is longer."""
    with pytest.raises(StoreError, match=r"32 numbers.*scope have 8 "):
        read(scattered(1), 8)
