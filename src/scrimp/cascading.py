"""How the cascade is put together: its ladder, its checks, its books. Knows no adapters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scrimp.billing import places_of
from scrimp.budgets.cheaper import Cheaper
from scrimp.budgets.worst import WorstCase
from scrimp.choosing import Lessons
from scrimp.dialects import DIALECTS
from scrimp.levers.cascade import Cascade, CascadeMeans
from scrimp.pipeline.accepting import Acceptor
from scrimp.pipeline.background import Spawn
from scrimp.pipeline.cascade_books import CascadeBooks, Taught
from scrimp.pipeline.cascade_plan import CascadeSettings, Steps
from scrimp.pipeline.cascade_totals import SharedTotals, TotalsStore
from scrimp.pipeline.checking import Checker, CheckFunction, Scores
from scrimp.ports import Clock, Lever, Pricer
from scrimp.routing.answer_features import VERSION, packed
from scrimp.routing.cascade_tables import CascadeSection, CascadeTable, checks_of
from scrimp.routing.regions import Regions
from scrimp.routing.stop_loss import StopLoss, StopLossRules
from scrimp.settings import Settings
from scrimp.targets import Targets


@dataclass(frozen=True, slots=True)
class Judging:
    """What a cascade judges by beside its own checks, and who learns from it.

    `functions` are a program's own checks by name, `scores` what was learned of answers, `acceptor`
    says which of these are proven. `totals` is where workers count together what cascades cost.
    """

    functions: Mapping[str, CheckFunction] = field(default_factory=dict)
    scores: Scores | None = None
    lessons: Lessons | None = None
    totals: TotalsStore | None = None
    acceptor: Acceptor | None = None


UNAIDED = Judging()


@dataclass(frozen=True, slots=True)
class Around:
    """What of the engine it works with."""

    clock: Clock
    priced: Pricer
    spawn: Spawn


def cascade_of(
    settings: Settings,
    targets: Targets,
    worst_case: WorstCase,
    *,
    around: Around,
    judging: Judging,
) -> Lever | None:
    """The lever; None where no ladder is set."""
    section = settings.cascade
    ladders = (section.models, *(table.models for table in section.tasks.values()))
    if not section.enabled or not any(ladders):
        return None
    stop = section.stop_loss
    rules = StopLossRules(stop.margin, stop.least_calls, stop.rest_s)
    lessons, clock = judging.lessons, around.clock
    regions = Regions(places_of(settings), settings.route.facts, targets)
    cheaper = Cheaper((), targets, worst_case, clock, elsewhere=regions.elsewhere, translated=True)
    means = CascadeMeans(
        ladder=cheaper.all_of,
        checker=Checker(
            judging.functions, judging.scores, limit_s=section.limit_s, accept=section.accept
        ),
        books=_books(StopLoss(rules) if stop.enabled else None, around, judging),
        clock=clock,
        dialects=DIALECTS,
        taught=None if lessons is None else Taught(lessons, packed, VERSION),
        acceptor=judging.acceptor,
    )
    return Cascade(means, _settings(section))


def _books(stop: StopLoss | None, around: Around, judging: Judging) -> CascadeBooks:
    shared = None
    if stop is not None and judging.totals is not None:
        shared = SharedTotals(stop, judging.totals, around.spawn, around.clock)
    return CascadeBooks(around.priced, around.clock, stop, shared)


def _settings(section: CascadeSection) -> CascadeSettings:
    return CascadeSettings(
        steps=Steps(section.models, checks_of(section.checks)),
        tasks={task: _steps(section, table) for task, table in section.tasks.items()},
        parallel=section.parallel,
        hold_streams=section.hold_streams,
        keep_alive_s=section.keep_alive_s,
    )


def _steps(section: CascadeSection, table: CascadeTable) -> Steps:
    if not table.enabled:
        return Steps()
    models = section.models if table.models is None else table.models
    checks = section.checks if table.checks is None else table.checks
    return Steps(models, checks_of(checks))
