"""A run that ends at any byte of its journal: what was paid is known, and not counted too low."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from scrimp.cli.run_file import ANSWERED, NOTHING, Kept
from scrimp.many.results import Result, written

HELD = 100
calls = st.lists(
    st.tuples(
        st.integers(1, 6),  # the line
        st.lists(st.integers(0, HELD), min_size=1, max_size=3),  # what each attempt costs
        st.sampled_from(["answered", "failed", "put_off", "killed"]),
    ),
    min_size=1,
    max_size=8,
)


def play(out: Path, told: list[tuple[int, list[int], str]]) -> int:
    """Make the calls, in a new process after each kill; what all of them have really cost."""
    spent = 0
    kept = Kept(out).__enter__()
    for number, (line, costs, end) in enumerate(told):
        call = f"call-{number}"
        kept.begun(line, call)
        for attempt, cost in enumerate(costs):
            hold = f"{call}/{attempt}/0"
            kept.held(hold, HELD)
            spent += cost
            if end != "killed" or attempt < len(costs) - 1:
                kept.settled(hold, cost)
        if end == "put_off":
            kept.put_off(line, call, None)
        elif end == "killed":
            kept.__exit__(None, None, None)
            kept = Kept(out).__enter__()
        else:
            cost, error = sum(costs), "no" if end == "failed" else ""
            result = Result(call, 200, b"{}", error=error, cost_nanousd=cost, high_nanousd=cost)
            earlier = kept.earlier(line)
            kept.put(written(result, (line, "ab" * 16, ""), plain=False, earlier=earlier))
    kept.__exit__(None, None, None)
    return spent


@given(calls)
def test_a_kill_never_makes_it_look_cheaper(told: list[tuple[int, list[int], str]]) -> None:
    """What is known afterwards is at least what was spent, and at most that with all holds."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        spent = play(out, told)
        held = sum(HELD for _, costs, end in told if end == "killed" for _ in costs)
        for _ in range(2):  # reading changes nothing
            with Kept(out) as kept:
                assert spent <= kept.spent_nanousd <= spent + held
        with Kept(out) as kept:
            before = kept.spent_nanousd
            kept.finish()
        with Kept(out) as kept:
            assert kept.spent_nanousd == before


@given(calls, st.floats(0, 1))
def test_it_may_end_within_any_line(told: list[tuple[int, list[int], str]], share: float) -> None:
    """Each whole result is known, half a line is nothing, and the run goes on from there."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        play(out, told)
        journal = Path(f"{out}.journal")
        data = journal.read_bytes()
        cut = data[: int(len(data) * share)]
        journal.write_bytes(cut)
        whole = [line for line in cut.split(b"\n")[:-1] if line.startswith(b'{"id"')]
        lines = dict.fromkeys(range(1, 7), NOTHING)
        for line in whole:
            number = int(line.split(b'"line":')[1].split(b",")[0])
            lines[number] = ANSWERED if b'"error":null' in line else 2
        with Kept(out) as again:
            assert {number: again.state(number) for number in lines} == lines
            result = Result("new", 200, b"{}")
            again.put(written(result, (1, "cd" * 16, ""), plain=False, earlier=again.earlier(1)))
            again.finish()
        found = out.read_bytes().splitlines()
        assert len(found) == len([1 for number, state in lines.items() if state or number == 1])
