"""Names of the jobs of a file: the same for the same lines, wherever they stand."""

from __future__ import annotations

import pytest

from scrimp.errors import InvalidRequest
from scrimp.many.job_names import Names, of_try


def named(keys: list[bytes], label: str = "") -> list[str]:
    """The names of a file with these lines."""
    names = Names(label)
    return [names.of(key) for key in keys]


def test_a_line_has_its_name_wherever_it_stands() -> None:
    """Equal lines have names of their own, by how many stand before."""
    one, other = b"\x01" * 16, b"\x02" * 16
    first = named([one, other, one, one])
    assert len(set(first)) == 4
    assert set(named([other, one, one, one])) == set(first)
    assert set(named([one])) < set(first)


def test_hand_ins_and_tries_are_kept_apart() -> None:
    """By a label, and by a number; names fit into a header and a path as they are."""
    (plain,), (labelled,) = named([b"k"]), named([b"k"], "2026.11_a")
    assert plain != labelled
    assert of_try(plain, 1) == plain
    assert of_try(plain, 2) not in (plain, of_try(plain, 3))
    assert all(one.isalnum() or one in "-_." for one in of_try(labelled, 2))


@pytest.mark.parametrize("label", ["a b", "ä", "a/b", "x" * 65, "a-b"])
def test_a_label_that_is_none_is_refused(label: str) -> None:
    """A dash would let two of them meet."""
    with pytest.raises(InvalidRequest, match="--name"):
        Names(label)
