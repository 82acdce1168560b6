"""Whatever is sent: marks keep the provider's rules, and the memory keeps its bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scrimp.prefixes.planning import Prices, plan
from scrimp.prefixes.rules import ANTHROPIC
from scrimp.prefixes.seen import Piece, Scope

NAMES = st.lists(st.integers(0, 3), min_size=0, max_size=8)
CALLS = st.lists(st.tuples(NAMES, st.integers(0, 900), st.booleans()), max_size=40)


@given(CALLS, st.integers(1, 60))
def test_marks_keep_the_rules(calls: list[tuple[list[int], int, bool]], most: int) -> None:
    """At most four, in order, above the least; what is read was written and lives; bounded."""
    scope = Scope((300.0, 3600.0), most)
    written: dict[int, float] = {}
    now_s = 0.0
    for names, gap_s, answered in calls:
        now_s += gap_s
        pieces = [Piece(hash(bytes(names[: at + 1])), (at + 1) * 700) for at in range(len(names))]
        found = plan(scope, pieces, Prices(1000, 100, (1250, 2000)), ANTHROPIC, now_s)
        assert len(found.marks) <= ANTHROPIC.most_marks
        assert list(found.marks) == sorted(set(found.marks))
        assert all(0 <= at < len(pieces) for at in found.marks)
        if found.reads >= 0:
            assert found.reads in found.marks
            assert written[pieces[found.reads].digest] >= now_s - 3600.0
        elif found.marks:
            assert pieces[found.marks[-1]].tokens >= ANTHROPIC.least_tokens
            assert found.worth_picousd > 0
        assert len(scope) <= most
        if answered:
            scope.written(found.digests, (300.0, 3600.0)[found.life], now_s)
            written.update(dict.fromkeys(found.digests, now_s))
