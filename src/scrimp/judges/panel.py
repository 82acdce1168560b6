"""Several judges as one: from cheap to dear, until one can tell."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from scrimp.calls import FREE_COST, Call, Cost, Reply
from scrimp.errors import ScrimpError, kind_and_place
from scrimp.ledger.booking import total_cost
from scrimp.meanings import Judge, Opinion

log = logging.getLogger(__name__)


class Panel:
    """The first definite opinion holds; what was asked before it is paid for all the same."""

    def __init__(
        self, judges: Sequence[Judge], errors: Mapping[str, Callable[[], float]] | None = None
    ) -> None:
        """`errors` tell by name how often each is wrong where it says anything."""
        self._judges = tuple(judges)
        self._errors = dict(errors or {})

    def errors(self) -> dict[str, float]:
        """How often each is wrong, as known or as estimated by now."""
        return {name: error() for name, error in self._errors.items()}

    async def __call__(self, call: Call, kept: Reply, fresh: Reply) -> Opinion:
        """None where nobody can tell. A judge that cannot work is passed over.

        Raises its ScrimpError where no other could tell, since it might have.
        """
        costs: list[Cost] = []
        said: Opinion | None = None
        failure: ScrimpError | None = None
        for judge in self._judges:
            try:
                opinion = await judge(call, kept, fresh)
            except ScrimpError as error:
                log.info("a judge could not work: %s", kind_and_place(error))
                failure = error
                continue
            if opinion.cost is not FREE_COST:
                costs.append(opinion.cost)
            said = opinion
            if opinion.equal is not None:
                break
        if failure is not None and (said is None or said.equal is None):
            raise failure
        if said is None:
            raise ScrimpError("there is no judge (semantic_cache.judges)")
        return Opinion(said.equal, said.source, total_cost(costs))
