"""How the choice of a model is put together: beside `app.py`, a place that opens adapters.

Nothing of it is opened or run while `[route] enabled` is false, and nothing that learns is
imported where rules are all that is wanted.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

import msgspec

from scrimp.billing import places_of
from scrimp.calls import Target
from scrimp.cascading import Judging
from scrimp.choosing import Lesson, RouteStore
from scrimp.dialects import DIALECTS
from scrimp.errors import ConfigError, StoreError
from scrimp.judges.better import Better
from scrimp.judges.panel import Panel
from scrimp.judges.plain import COMPARED, Plain
from scrimp.judges.preference import Preference, Words, same_model
from scrimp.levers.route import Route
from scrimp.pipeline.checking import CheckFunction
from scrimp.pipeline.chooser import Depths, Learned
from scrimp.pipeline.comparing import ShadowRules, Shadows
from scrimp.pipeline.later import Later
from scrimp.pipeline.router import Places, Router, RouterMeans
from scrimp.ports import Clock, Next, Pricer
from scrimp.prices.book import PriceBook
from scrimp.routing.cascade_tables import comparing_nanousd
from scrimp.routing.tables import RouteSection, reference_of, shadows_nanousd
from scrimp.semantics.tables import FREE_JUDGES
from scrimp.settings import Settings
from scrimp.stores.sqlite_cascades import SqliteCascades
from scrimp.stores.sqlite_routes import SqliteRoutes
from scrimp.targets import judging_target

if TYPE_CHECKING:
    from scrimp.pipeline.acceptance_scores import LearnedScores
    from scrimp.pipeline.ranking import Ranking
    from scrimp.pipeline.route_feedback import RouteFeedback
    from scrimp.pipeline.route_memory import RouteMemory
    from scrimp.pipeline.saved_routes import SavedRanking
    from scrimp.routing.acceptance import Acceptance
    from scrimp.routing.text_features import Reader

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """What of the engine it works with: who serves what, at what price, and its own way."""

    targets: Places
    book: PriceBook
    names: Mapping[str, str]
    priced: Pricer
    handle: Next
    clock: Clock
    new_id: Callable[[], str]


@dataclass(frozen=True, slots=True)
class ByChoice:
    """What learns, open. Without a ranking only a cascade learns. `lessons` were known before."""

    memory: RouteMemory
    later: Later
    scores: LearnedScores
    ranking: Ranking | None = None
    feedback: RouteFeedback | None = None
    lessons: tuple[Lesson, ...] = ()

    async def run(self) -> None:
        """Beside the calls, until `stop`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.later.run(), name="scrimp shadows")
            await self.memory.run()
        await self.memory.write()  # what comparisons that ran on have taught
        await self.memory.leave()

    def stop(self) -> None:
        """Let it end in order."""
        self.later.stop()
        self.memory.stop()


def open_route_store(settings: Settings) -> RouteStore:
    """What routes have learned. Nothing is opened yet."""
    return SqliteRoutes(settings.routes_path)


async def open_by_choice(settings: Settings, clock: Clock) -> ByChoice | None:
    """None where nothing is to be learned. Raises ConfigError for an extra that is missing."""
    if not _learns(settings):
        return None
    section = settings.route
    try:
        from scrimp.pipeline.proofs import Proofs  # noqa: PLC0415 - an optional extra
        from scrimp.pipeline.route_feedback import RouteFeedback  # noqa: PLC0415 - the same
        from scrimp.pipeline.route_memory import RouteMemory  # noqa: PLC0415 - the same
    except ImportError as error:
        raise ConfigError(
            f"[route] depth = '{section.depth}' needs pip install 'scrimp[routing]' "
            f"({error.name} is missing); depth = 'rules' needs nothing"
        ) from error
    memory = RouteMemory(open_route_store(settings), Proofs(secrets.token_hex(8)), clock)
    saved, lessons = await memory.begin()
    scores = await _scores(memory, lessons)
    if not _ranks(settings):
        return ByChoice(memory, Later(), scores, lessons=tuple(lessons))
    ranking = ranking_of(saved, msgspec.json.encode(section.facts, order="sorted"))
    since = "" if saved is None else saved.trained_at
    ranking.recall([one for one in lessons if one.at.isoformat(timespec="seconds") >= since])
    feedback = RouteFeedback(ranking, memory.keep, clock)
    return ByChoice(memory, Later(), scores, ranking, feedback, tuple(lessons))


def judging_of(
    settings: Settings, opened: ByChoice | None, functions: Mapping[str, CheckFunction]
) -> Judging:
    """What a cascade judges by, who keeps its lessons, where its costs are added up."""
    totals = SqliteCascades(settings.routes_path)
    if opened is None:
        return Judging(functions, totals=totals)
    return Judging(functions, opened.scores, opened.memory, totals)


async def _scores(memory: RouteMemory, lessons: list[Lesson]) -> LearnedScores:
    """What earlier drafts teach of new ones: as it was kept, else learned now."""
    from scrimp.pipeline.acceptance_scores import (  # noqa: PLC0415 - an extra
        FITS,
        LearnedScores,
        unpacked_fits,
        with_fits,
    )
    from scrimp.routing.acceptance import learned  # noqa: PLC0415 - the same

    kept = unpacked_fits(await memory.state(FITS))
    new = learned(one for one in lessons if one.model not in kept)
    scores = LearnedScores({**kept, **new})
    if new:
        memory.change(FITS, partial(with_fits, LearnedScores(new).pack()))
    memory.listen(FITS, scores.hear)
    return scores


def certifying(
    settings: Settings, known: Known, opened: ByChoice | None, judging: Judging
) -> Judging:
    """The same, with least scores that are proven where the settings want that.

    Raises ConfigError for a judge that nobody serves, or that serves a model of the cascade.
    """
    section, table = settings.cascade, settings.cascade.certificate
    if opened is None or table.max_loss is None:
        return judging
    from scrimp.pipeline.acceptance_scores import FITS, with_fits  # noqa: PLC0415 - an extra
    from scrimp.pipeline.cascade_books import Taught  # noqa: PLC0415 - the same
    from scrimp.pipeline.certified_drafts import (  # noqa: PLC0415 - the same
        CertifiedDrafts,
        CertifiedMeans,
    )
    from scrimp.routing.answer_features import VERSION, packed  # noqa: PLC0415 - the same
    from scrimp.routing.standing import LossPromise  # noqa: PLC0415 - the same

    ladders = (section.models, *(one.models or () for one in section.tasks.values()))
    drafting = tuple(dict.fromkeys(name for models in ladders for name in models))
    where = "[cascade.certificate]"
    rules = ShadowRules(
        known.clock,
        known.new_id,
        comparing_nanousd(table) // max(1, settings.server.workers),
        on_their_account=table.callers_pay,
    )
    comparer = comparer_of(table.judge_model, drafting, known, where)
    memory = opened.memory
    means = CertifiedMeans(
        promise=LossPromise(
            table.max_loss,
            table.confidence,
            table.explore,
            sensitivity=table.judge_sensitivity,
            specificity=table.judge_specificity,
        ),
        proofs=memory.proofs,
        versions=memory.versions,
        scores=opened.scores,
        shadows=Shadows(known.handle, comparer, rules),
        later=opened.later,
        taught=Taught(memory, packed, VERSION),
        fit=partial(_fitted, memory),
        keep=lambda fits: memory.change(FITS, partial(with_fits, fits)),
        barred=partial(_own_arm, table.judge_model, known.targets),
        clock=known.clock,
        chance=random.random,
    )
    return replace(judging, acceptor=CertifiedDrafts(means, opened.lessons))


async def _fitted(memory: RouteMemory, model: str) -> Acceptance | None:
    """What all lessons teach of a model's drafts, made off the event loop. Raises StoreError."""
    from scrimp.routing.acceptance import learned  # noqa: PLC0415 - an extra

    await memory.write()
    lessons = [one for one in await memory.store.lessons() if one.model == model]
    return (await asyncio.to_thread(learned, lessons)).get(model)


def _own_arm(judge_model: str, targets: Places, asked: Target) -> str:
    """Why answers of a model cannot be what drafts are compared with; empty where they can."""
    if not judge_model:
        return ""
    judge = judging_target(judge_model, targets, "[cascade.certificate]")
    own = same_model(judge.model, asked.model)
    return "the judge would grade an answer of its own" if own else ""


def reader_of() -> Reader:
    """Reads questions; with the static embedding, where it is installed."""
    from scrimp.embedders import static_words  # noqa: PLC0415 - an optional extra
    from scrimp.routing.text_features import Reader  # noqa: PLC0415 - the same

    if not static_words.installed():
        return Reader()
    try:
        return Reader(static_words.load(), static_words.ID)
    except (ConfigError, StoreError) as error:
        log.warning("questions are read without the static embedding: %s", error)
        return Reader()


def ranking_of(saved: SavedRanking | None, believed: bytes = b"") -> Ranking:
    """What was trained for these features, where it may serve; else one that knows nothing."""
    from scrimp.pipeline.ranking import Ranking  # noqa: PLC0415 - an optional extra
    from scrimp.routing.predictor import Predictor  # noqa: PLC0415 - the same

    reader = reader_of()
    if saved is not None and saved.live and saved.features == reader.version:
        try:
            live, following = (Predictor.load(saved.predictor) for _ in range(2))
            return Ranking(reader, live, following, believed=believed)
        except ValueError as error:
            log.warning("the ranking of models cannot be read, so it begins anew: %s", error)
    empty = Predictor(reader.width)
    return Ranking(reader, empty, Predictor(reader.width), believed=believed)


def lever_of(settings: Settings, known: Known, opened: ByChoice | None) -> Route:
    """The lever. Raises ConfigError for a judge that nobody serves, or that serves a candidate."""
    section = settings.route
    router = Router(
        RouterMeans(
            *(section, known.targets, known.book, known.names, known.priced, DIALECTS),
            refuses_unpriced=settings.unpriced.policy == "refuse",
            residency=places_of(settings),
        )
    )
    workers = max(1, settings.server.workers)  # they prove together, and each pays for its share
    learned = None
    if opened is not None and section.depth != "rules":
        learned = _learned(section, known, opened, workers)
    return Route(router, Depths(section, learned))


def _ranks(settings: Settings) -> bool:
    """Whether models are ranked by what was learned of them."""
    return settings.route.enabled and settings.route.depth != "rules"


def _learns(settings: Settings) -> bool:
    """Whether routes learn, or a cascade's steps are kept for what may learn of them."""
    if _ranks(settings):
        return True
    cascade = settings.cascade
    ladders = (cascade.models, *(table.models for table in cascade.tasks.values()))
    return cascade.enabled and any(ladders) and find_spec("numpy") is not None


def _learned(section: RouteSection, known: Known, opened: ByChoice, workers: int) -> Learned | None:
    from scrimp.pipeline.learned import LearnedChoice, LearnedMeans  # noqa: PLC0415 - an extra

    if opened.ranking is None or opened.feedback is None:
        return None
    most = shadows_nanousd(section) // workers
    rules = ShadowRules(known.clock, known.new_id, most, on_their_account=section.callers_pay)
    named = filter(None, (*section.models, section.reference))
    comparer = comparer_of(section.judge_model, named, known, "[route]")
    shadows = Shadows(known.handle, comparer, rules)
    return LearnedChoice(
        LearnedMeans(
            section=section,
            ranking=opened.ranking,
            proofs=opened.memory.proofs,
            shadows=shadows,
            later=opened.later,
            keep=opened.memory.keep,
            feedback=opened.feedback,
            rank=opened.memory.rank,
            train=partial(_trained, section, opened.memory, opened.ranking.reader, known.clock),
            clock=known.clock,
            chance=random.random,
            versions=opened.memory.versions,
        )
    )


async def _trained(
    section: RouteSection, memory: RouteMemory, reader: Reader, clock: Clock
) -> SavedRanking | None:
    """A new ranking of all lessons, made off the event loop. Raises StoreError.

    Lessons have their features: of the reader only its form is asked, so that a thread may share it
    with the calls.
    """
    from scrimp.studies.retraining import retrained  # noqa: PLC0415 - an optional extra

    await memory.write()
    lessons = await memory.store.lessons()
    reference = reference_of(section)
    return await asyncio.to_thread(retrained, lessons, reader, reference, clock.now())


def comparer_of(judge_model: str, models: Iterable[str], known: Known, where: str) -> Better:
    """Who compares: for nothing where answers are equal, else a model. Raises ConfigError."""
    plain = Panel([Plain(name, COMPARED[name], DIALECTS) for name in FREE_JUDGES])
    if not judge_model:
        return Better(plain, None, DIALECTS)
    arms = tuple([judging_target(name, known.targets, where) for name in models])
    preference = Preference(
        known.handle,
        judging_target(judge_model, known.targets, where),
        arms,
        means=(DIALECTS, known.clock, known.new_id),
        words=Words(lambda: secrets.token_hex(8), _labels),
    )
    return Better(plain, preference, DIALECTS)


def _labels() -> tuple[str, str]:
    """Two names that nobody can guess, and that say nothing of who stands first."""
    return secrets.token_hex(4), secrets.token_hex(4)
