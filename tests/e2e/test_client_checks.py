"""A program's own check in a cascade: the library's, by name, and what it teaches is kept."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import scrimp
from scrimp.pipeline.checking import CheckFunction
from scrimp.simulator import Simulator
from scrimp.stores.sqlite_routes import SqliteRoutes
from tests.support.library import entries_of, settings_for

_CASCADE = {
    "cascade": {"models": ["gpt-4o-mini"], "checks": ["function=polite"]},
    "exact_cache": {"enabled": False},
}


def yes(question: str, answer: str) -> bool:
    """Whatever is said will do."""
    assert question
    assert answer
    return True


def no(question: str, answer: str) -> bool:
    """Nothing will."""
    del question, answer
    return False


async def awaited(question: str, answer: str) -> bool:
    """The same as `yes`, for programs that wait."""
    return yes(question, answer)


def broken(question: str, answer: str) -> bool:
    """It cannot tell, and says so loudly."""
    raise ZeroDivisionError(question, answer)


def exits(question: str, answer: str) -> bool:
    """It ends the program, as it thinks."""
    raise SystemExit(f"{question}{answer}")


async def exits_too(question: str, answer: str) -> bool:
    """The same, awaited."""
    raise SystemExit(f"{question}{answer}")


async def gives_up(question: str, answer: str) -> bool:
    """Something that it waited for was cancelled."""
    raise asyncio.CancelledError(question, answer)


def runs_out(question: str, answer: str) -> bool:
    """Of an iterator: a loop would not take that from a thread."""
    return bool(next(iter([question, answer][2:])))


def says_no_in_words(question: str, answer: str) -> bool:
    """A text that is true as any text is."""
    return "no"[len(question + answer) * 0 :]  # type: ignore[return-value]  # that is the point


@pytest.mark.parametrize(
    ("check", "model"),
    [
        *((one, "gpt-4o") for one in (exits, exits_too, gives_up, runs_out, says_no_in_words)),
        (yes, "gpt-4o-mini"),
        (awaited, "gpt-4o-mini"),
        (no, "gpt-4o"),
        (broken, "gpt-4o"),
    ],
)
def test_a_programs_own_check_decides_who_is_served(
    tmp_path: Path, check: CheckFunction, model: str
) -> None:
    """What does not pass, or cannot be told, goes to the model that was asked for."""
    with Simulator() as sim:
        loaded = settings_for(sim.url, tmp_path, _CASCADE)
        with scrimp.Scrimp(loaded, checks={"polite": check}) as engine:
            answer = engine.ask("Write to Ana about the lamp.", model="gpt-4o")
            assert answer.model.startswith(model)
            entry = entries_of(engine)[-1]
        assert entry.model == model
        assert dict(entry.saved)["cascade"] == (entry.baseline_nanousd or 0) - (
            entry.cost_nanousd or 0
        )
    lessons = asyncio.run(SqliteRoutes(tmp_path / "routes.sqlite").lessons())
    drafts = [one for one in lessons if one.source == "check" and one.model == "gpt-4o-mini"]
    assert len(drafts) == 1
    if check is not broken:  # of that one only the other model's answer tells
        assert drafts[0].quality == (0.0 if check is no else 1.0)
