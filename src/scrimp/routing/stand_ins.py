"""Whether a remembered answer may be served that another model gave than the one asked for. Pure.

What was answered by a cheaper model under one policy is no answer under another: where routing was
switched off since, or a model is no candidate any more, the call is answered afresh.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Protocol

from scrimp.budgets.admissible import is_listed
from scrimp.calls import Call, Reply, Target
from scrimp.dialects.base import Dialect
from scrimp.errors import Rejected
from scrimp.ledger.steps import place_name
from scrimp.routing.cascade_tables import CascadeSection
from scrimp.routing.question import asked_of
from scrimp.routing.tables import RouteSection
from scrimp.routing.wanted import subject_of, wanted
from scrimp.routing.wishes import is_choice

Admits = Callable[[Call, Reply], bool]
"""Whether a remembered reply may be served to a call."""


class Served(Protocol):
    """Which provider serves which model."""

    def resolve(self, model: str, dialect: str) -> Target:
        """Raises UnknownModel, or InvalidRequest for another dialect."""
        ...


def itself(call: Call, reply: Reply) -> bool:
    """Whether the model that was asked for gave it, as far as anybody knows."""
    return reply.by in ("", place_name(call.target))


class StandIns:
    """Called with a call and a remembered reply: whether it may be served now."""

    def __init__(
        self,
        route: RouteSection,
        cascade: CascadeSection,
        targets: Served,
        dialects: Mapping[str, Dialect],
    ) -> None:
        self._route = route
        self._cascade = cascade
        self._targets = targets
        self._dialects = dialects

    def __call__(self, call: Call, reply: Reply) -> bool:
        """Quick for what the model that was asked for has answered."""
        return itself(call, reply) or any(
            reply.by == place_name(target) and is_listed(call.caller.models, name, target)
            for name, target in self._resolved(call)
        )

    def _resolved(self, call: Call) -> Iterable[tuple[str, Target]]:
        for name in (*self._routed(call), *self._cascaded(call)):
            with suppress(Rejected):
                yield name, self._targets.resolve(name, call.target.dialect)

    def _routed(self, call: Call) -> tuple[str, ...]:
        """Whom the route lever may choose for a call, as settings and rules are now."""
        section, wish = self._route, call.wish
        if not section.enabled or call.operation != "chat":
            return ()
        asked = asked_of(call, self._dialects[call.target.dialect])
        own = not is_choice(call.request.model)
        held = wanted(wish, section, subject_of(call, asked), own=own)
        return () if held is None or held.stays else wish.models or section.models

    def _cascaded(self, call: Call) -> tuple[str, ...]:
        """Whose drafts may be served."""
        section, wish = self._cascade, call.wish
        if not section.enabled or wish.cascade is False or wish.mode == "off" or wish.required:
            return ()
        table = section.tasks.get(call.task.name)
        if table is not None and not table.enabled:
            return ()
        models = section.models if table is None or table.models is None else table.models
        return (*models, *wish.models) if wish.cascade else models
