"""Missed hits: what the exact cache would have answered, as it is or with another setting. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from scrimp.advice.words import Cell, Facts, Finding, Repeat, Setup, picked

_TIMES: Final = {3_600: "1h", 21_600: "6h", 86_400: "24h", 604_800: "7d", 2_592_000: "30d"}
_ENOUGH: Final = (8, 10)  # of what the longest time would give: longer ones only age
_STAMPS: Final = ("timestamps", "uuids", "nonces")
_SPELLING: Final = ("whitespace", "case")
_ON: Final = "[exact_cache]\nenabled = true\n"


def missed_hits(facts: Facts, setup: Setup) -> Iterator[Finding]:
    """All that is about answers that were there already."""
    yield from _word_for_word(facts, setup)
    if setup.exact and not setup.coalesce:
        said = Finding(
            kind="twins_in_the_air",
            title="equal calls sent at the same time",
            why="each was sent while an equal one was still being answered",
            toml="[coalesce]\nenabled = true\n",
            risk="none known: equal calls of one key get one answer",
        )
        yield _filled(facts, said, "in_air")
    if (later := _too_late(facts, setup)) is not None:
        yield later
    yield from _alike(facts, setup)


def _word_for_word(facts: Facts, setup: Setup) -> Iterator[Finding]:
    why = "asked before, word for word"
    kinds: list[Repeat] = ["exact"]
    if not setup.exact:
        why, toml = f"{why}, and no exact cache answered", _ON
        kinds.append("in_air")
    elif setup.engine == "memory":
        why, toml = f"{why}: a process forgets when it ends", '[exact_cache]\nengine = "sqlite"\n'
        if setup.workers > 1:
            why += f", and each of {setup.workers} workers remembers for itself"
    else:
        why += ": the answer had to make room, or was too large"
        toml = "[exact_cache]\nmax_bytes = 1073741824\n"
    said = Finding(
        kind="duplicates",
        title="the same call again",
        why=why,
        toml=toml,
        risk="an answer is as old as its time to live at most",
    )
    yield _filled(facts, said, *kinds)


def _too_late(facts: Facts, setup: Setup) -> Finding | None:
    """Answers that lived too short, by task: the shortest time that gives most of it."""
    lines, calls, nanousd, tasks = [], 0, 0, set()
    for task in sorted({task for task, _ in facts.longer}):
        steps = {step: sums for (of, step), sums in facts.longer.items() if of == task}
        most = max(cost for _, cost in steps.values())
        step = min(
            step for step, (_, cost) in steps.items() if cost * _ENOUGH[1] >= most * _ENOUGH[0]
        )
        lines.append(f'{task} = "{_TIMES[step]}"')
        calls, nanousd = calls + steps[step][0], nanousd + steps[step][1]
        tasks.add(task)
    if not lines:
        return None
    cells = picked(facts, lambda cell: cell.repeat == "later", lambda cell: cell.cost)
    toml = "[exact_cache.ttl]\n" + "".join(f"{line}\n" for line in lines)
    return Finding(
        kind="short_lives",
        title="the same call again, too late",
        why=f"word for word, past the time that answers live ({', '.join(sorted(tasks))})",
        nanousd=nanousd,
        low=nanousd,
        high=nanousd,
        calls=calls,
        todo="let answers live longer",
        toml=toml if setup.exact else f"{_ON}\n{toml}",
        effort="a setting and a look",
        risk="older answers: longer only where what is true does not change",
        cells=cells,
    )


def _alike(facts: Facts, setup: Setup) -> Iterator[Finding]:
    if not {*_STAMPS} <= {*setup.ignored}:
        said = Finding(
            kind="look_alikes",
            title="the same call but for a time, an id or a nonce",
            why="nothing else differs, so each was a new call",
            toml=_ignoring(setup, _STAMPS),
            effort="a setting and a look",
            risk="an answer made for one time or id serves another: not where they are what is "
            "asked about",
        )
        yield _filled(facts, said, "stamped")
    if not {*_SPELLING} <= {*setup.ignored}:
        said = Finding(
            kind="spellings",
            title="the same call but for white space or case",
            why="nothing else differs; indentation still counts, so it may be less",
            toml=_ignoring(setup, (*_STAMPS, *_SPELLING)),
            effort="a setting and a look",
            risk="'No' and 'NO' get one answer",
        )
        yield _filled(facts, said, "loose", sure=False)


def _ignoring(setup: Setup, words: tuple[str, ...]) -> str:
    enabled = "" if setup.exact else "enabled = true\n"
    quoted = ", ".join(f'"{word}"' for word in dict.fromkeys((*setup.ignored, *words)))
    return f"[exact_cache]\n{enabled}ignore = [{quoted}]\n"


def _filled(facts: Facts, said: Finding, *kinds: Repeat, sure: bool = True) -> Finding:
    """With the calls that came again so: all that they cost would not have been paid."""

    def wanted(cell: Cell) -> bool:
        return cell.repeat in kinds

    cells = picked(facts, wanted, lambda cell: cell.cost)
    nanousd = sum(part for _, part in cells)
    return replace(
        said,
        nanousd=nanousd,
        low=nanousd if sure else 0,
        high=nanousd,
        calls=sum(facts.cells[number].calls for number, _ in cells),
        cells=cells,
    )
