"""The lines of a file with their jobs: which have one, how it stands, which are to get one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from scrimp.cli.jobs_answered import Answered
from scrimp.cli.jobs_purse import Gone, Worth
from scrimp.cli.jobs_queue import Found, Named, Queue, may_cost_more
from scrimp.cli.run_cost import Estimator, Forecast
from scrimp.cli.run_scan import Source
from scrimp.cli.run_words import shown
from scrimp.errors import Rejected
from scrimp.many.asked import Item
from scrimp.many.job_names import Names, of_try

FEW = 500
IN_OUT = "in_out"
"""How a line stands whose job is forgotten, and whose answer OUT has."""
_SHOWN = 5

Line = tuple[int, Item | Rejected, str]
"""Its number, what it asks (or what is wrong with it), the name of its job."""


def lines(source: Source, label: str) -> Iterator[Line]:
    """All of them, in their order. Raises InvalidRequest for a CSV that is none."""
    names = Names(label)
    for line, found in source.items():
        yield line, found, names.of(found.key) if isinstance(found, Item) else ""


async def some_lines(source: Source, label: str) -> AsyncIterator[list[Line]]:
    """The same, some at a time; they are read in a thread."""
    all_lines = lines(source, label)
    while few := await asyncio.to_thread(lambda: list(islice(all_lines, FEW))):
        yield few


async def latest(queue: Queue, names: Sequence[str]) -> dict[str, Found]:
    """The last job of each of these that has one, by its first name: one after those that failed.

    Raises as the queue does.
    """
    last: dict[str, Found] = {}
    left, tries = list(names), 1
    while left:
        found = await queue.named([of_try(name, tries) for name in left])
        here = {name: one for name in left if (one := found.get(of_try(name, tries)))}
        for name, one in here.items():
            before = last.get(name)
            spent, unknown = (0, 0) if before is None else _with_earlier(before)
            last[name] = replace(
                one, name=name, tries=tries, earlier_nanousd=spent, earlier_unknown=unknown
            )
        left = [name for name, one in here.items() if one.failed]
        tries += 1
    return last


def _with_earlier(found: Found) -> tuple[int, int]:
    """What a job and those before it have cost, and of how many nobody knows it."""
    spent = found.earlier_nanousd + (found.cost_nanousd or 0)
    return spent, found.earlier_unknown + may_cost_more(found)


def _why_not(queue: Queue, item: Item) -> str:
    """Why it cannot wait; nothing where it can."""
    try:
        queue.check(item)
    except Rejected as error:
        return str(error)
    return ""


@dataclass(slots=True)
class Wanted:
    """What was found of the file called `file`.

    `tries` are numbers of tries of lines whose jobs had failed, `going` names of jobs not over,
    `gone` is what the jobs of all its lines take of a budget.
    """

    file: str
    to_put: bytearray = field(default_factory=bytearray)
    tries: dict[int, int] = field(default_factory=dict)
    lines: int = 0
    new: int = 0
    bad: int = 0
    before: Counter[str] = field(default_factory=Counter)
    going: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    forecast: Forecast = field(default_factory=Forecast)
    gone: Gone = field(default_factory=Gone)

    def put(self, line: int, tries: int) -> None:
        """A line is to get a job, after so many that failed."""
        if tries:
            self.tries[line] = tries + 1
        if line >= len(self.to_put):
            self.to_put += bytes(line + 1 - len(self.to_put) + FEW)
        self.to_put[line] = 1
        self.new += 1

    def names(self, source: Source, label: str) -> Iterator[Named]:
        """The lines that are to get a job."""
        for line, item, name in lines(source, label):
            if isinstance(item, Item) and line < len(self.to_put) and self.to_put[line]:
                yield Named(item, of_try(name, self.tries.get(line, 1)))


@dataclass(frozen=True, slots=True)
class Looking:
    """How a file is looked at. With a `worth` it is said what its jobs take of a budget."""

    queue: Queue
    estimator: Estimator
    worth: Worth | None
    answered: Answered
    retry_failed: bool
    tell: Callable[[int], None]


async def look(source: Source, label: str, by: Looking) -> Wanted:
    """Read all of it before anything is handed in. Raises what queue and reading do."""
    wanted = Wanted(source.name)
    async for few in some_lines(source, label):
        standing = await latest(by.queue, [name for _, _, name in few if name])
        await asyncio.to_thread(_sort, few, standing, wanted, by)
        wanted.lines += len(few)
        by.tell(wanted.lines)
    wanted.forecast = by.estimator.forecast(wanted.new)
    return wanted


def _sort(few: list[Line], standing: dict[str, Found], wanted: Wanted, by: Looking) -> None:
    for line, item, name in few:
        last = standing.get(name)
        if last is not None and by.worth is not None and isinstance(item, Item):
            wanted.gone += by.worth.of(item, last)
        if last is not None and not (last.failed and by.retry_failed):
            wanted.before[last.status] += 1
            if not last.over:
                wanted.going.append(of_try(name, last.tries))
            continue
        if last is None and isinstance(item, Item) and by.answered.has(item):
            wanted.before[IN_OUT] += 1
            continue
        why = _why_not(by.queue, item) if isinstance(item, Item) else str(item)
        if why or isinstance(item, Rejected):
            wanted.bad += 1
            if len(wanted.wrong) < _SHOWN:
                where = f"{wanted.file}, line {line}"
                wanted.wrong.append(shown(why if why.startswith(where) else f"{where}: {why}"))
            continue
        wanted.put(line, 0 if last is None else last.tries)
        by.estimator.add(item)
