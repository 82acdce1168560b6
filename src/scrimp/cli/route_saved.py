"""What `scrimp route` reads and writes of what routes have learned."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scrimp.choosing import Lesson
    from scrimp.pipeline.proofs import Proof
    from scrimp.pipeline.saved_routes import SavedRanking
    from scrimp.routing.acceptance import Acceptance
    from scrimp.settings import Settings

MOST = 200_000


def saved_ranking(settings: Settings) -> SavedRanking | None:
    """The ranking that was trained last. Raises StoreError."""
    from scrimp.by_choice import open_route_store
    from scrimp.pipeline.saved_routes import RANKING, read_ranking

    async def work() -> bytes | None:
        return await open_route_store(settings).load(RANKING)

    state = asyncio.run(work())
    return None if state is None else read_ranking(state)


def saved_versions(settings: Settings) -> dict[str, str]:
    """What each model was last called by its provider. Raises StoreError."""
    from scrimp.by_choice import open_route_store
    from scrimp.pipeline.saved_routes import VERSIONS, read_versions

    state = asyncio.run(open_route_store(settings).load(VERSIONS))
    return {} if state is None else read_versions(state)


def saved_proofs(settings: Settings) -> list[Proof]:
    """Every certificate that can be read. Raises StoreError."""
    from scrimp.by_choice import open_route_store
    from scrimp.pipeline.proofs import is_proof, revived

    async def work() -> list[bytes]:
        store = open_route_store(settings)
        states = [await store.load(name) for name in await store.names() if is_proof(name)]
        return [state for state in states if state is not None]

    found = [revived(state) for state in asyncio.run(work())]
    return [proof for proof in found if proof is not None]


def saved_lessons(settings: Settings) -> list[Lesson]:
    """All lessons, oldest first. Raises StoreError."""
    from scrimp.by_choice import open_route_store

    async def work() -> list[Lesson]:
        return await open_route_store(settings).lessons(most=MOST)

    return asyncio.run(work())


def save_ranking(settings: Settings, ranking: SavedRanking) -> None:
    """In place of the one before. What was proven belongs to that one, and is left.

    Raises StoreError.
    """
    from scrimp.by_choice import open_route_store
    from scrimp.pipeline.saved_routes import RANKING, write_ranking

    asyncio.run(open_route_store(settings).save(RANKING, write_ranking(ranking)))


def saved_fits(settings: Settings) -> dict[str, Acceptance | None]:
    """What was learned of each model's drafts; None: nothing parts them. Raises StoreError."""
    from scrimp.by_choice import open_route_store
    from scrimp.pipeline.acceptance_scores import FITS, unpacked_fits

    return unpacked_fits(asyncio.run(open_route_store(settings).load(FITS)) or b"")


def save_fits(
    settings: Settings, fits: dict[str, Acceptance], before: dict[str, Acceptance | None]
) -> bool:
    """In place of those before; False, and nothing is changed, where these have changed meanwhile.

    Gateways that share the file hear of it, and begin their certificates anew. Raises StoreError.
    """
    from scrimp.by_choice import open_route_store
    from scrimp.pipeline.acceptance_scores import (
        FITS,
        LearnedScores,
        name_of,
        unpacked_fits,
        with_fits,
    )

    said = {model: None if model not in before else name_of(before[model]) for model in fits}
    done = False

    def change(state: bytes | None) -> bytes:
        nonlocal done
        kept = unpacked_fits(state or b"")
        now = {model: None if model not in kept else name_of(kept[model]) for model in fits}
        done = now == said
        return with_fits(LearnedScores(fits).pack(), state) if done else state or b""

    asyncio.run(open_route_store(settings).exchange({FITS: change}, -1))
    return done
