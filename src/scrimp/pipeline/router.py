"""What may answer a call, at what price: the candidates of the settings behind the hard filters.

Here is no choice yet, only what there is to choose from. Nothing here does I/O.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from scrimp.budgets.admissible import why_not
from scrimp.calls import Call, Target, Usage
from scrimp.choosing import Wish
from scrimp.dialects.base import Dialect
from scrimp.errors import PriceUnknown, Rejected
from scrimp.ledger.steps import same_place
from scrimp.ports import Pricer
from scrimp.prices.book import PriceBook
from scrimp.prices.rates import ModelPrice
from scrimp.routing.by_rules import Subject
from scrimp.routing.filters import Admitted, Needs, Offer, admitted, none_left
from scrimp.routing.question import Asked, Prompts, asked_of
from scrimp.routing.regions import Regions
from scrimp.routing.tables import ModelFacts, RouteSection, reference_of
from scrimp.routing.wanted import Wanted, subject_of, wanted
from scrimp.routing.wishes import chooses, demands, is_choice
from scrimp.translation.translator import why_unsaid
from scrimp.values import Value

_NO_FACTS = ModelFacts()
_OUTPUT_TOKENS = 300
"""What an answer is believed to have before any was seen."""
_WEIGHT = 0.05
_MOST = 4096


class Places(Protocol):
    """Which provider serves which model."""

    def resolve(self, model: str, dialect: str, *, native_only: bool = False) -> Target:
        """Raises UnknownModel, or InvalidRequest for a dialect that it is not served in."""
        ...

    def spoken(self, provider: str, dialect: str) -> str:
        """The dialect in which a provider is asked what a client says in this one."""
        ...


@dataclass(frozen=True, slots=True)
class RouterMeans:
    """What a router works with. `names` are those of providers in the price book.

    With `refuses_unpriced` a model without a price is none to choose, as settings have it.
    `residency` is where providers keep the work, by name.
    """

    section: RouteSection
    targets: Places
    book: PriceBook
    names: Mapping[str, str]
    priced: Pricer
    dialects: Mapping[str, Dialect]
    refuses_unpriced: bool = False
    residency: Mapping[str, str] = field(default_factory=dict)


class Plan(Value, frozen=True):
    """A call that a model may be chosen for: `reference` is what it was headed for.

    `offers` has the reference too, where no filter removed it.
    """

    asked: Asked
    subject: Subject
    wanted: Wanted
    reference: Offer
    offers: tuple[Offer, ...]
    removed: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Seen:
    """What was learned in passing, bounded: who answers a conversation, how long answers are."""

    models: OrderedDict[bytes, Target] = field(default_factory=OrderedDict)
    lengths: OrderedDict[str, float] = field(default_factory=OrderedDict)

    def answered(self, conversation: bytes, by: Target, task: str, output_tokens: int) -> None:
        """One answer more."""
        self.models[conversation] = by
        self.models.move_to_end(conversation)
        before = self.lengths.get(task, float(_OUTPUT_TOKENS))
        self.lengths[task] = before + _WEIGHT * (output_tokens - before)
        for kept in (self.models, self.lengths):
            if len(kept) > _MOST:
                kept.popitem(last=False)


class Router:
    """Plans calls. One per engine."""

    def __init__(self, means: RouterMeans) -> None:
        self._means = means
        self._regions = Regions(means.residency, means.section.facts, means.targets)
        self._prompts = Prompts()
        self.seen = Seen()

    def plan(self, call: Call) -> Plan | None:
        """None where the call is not to be routed. Raises InvalidRequest when nobody is left."""
        if call.operation != "chat" or call.over_soft:
            return None
        section = self._means.section
        own = not is_choice(call.request.model)
        if own and section.calls == "auto" and not (chooses(call.wish) or demands(call.wish)):
            return None
        asked = asked_of(call, self._means.dialects[call.target.dialect], self._prompts)
        subject = subject_of(call, asked)
        held = wanted(call.wish, section, subject, own=own)
        if held is None:
            return None
        name = call.wish.required or self._name_of(call, own=own)
        reference = self._offer(call, asked, name, call.target, sure=held.own)
        found = admitted(self._needs(call, asked, held), self._offers(call, asked, held, reference))
        if not found.kept:
            raise none_left(self._needs(call, asked, held), found)
        return Plan(asked, subject, held, reference, found.kept, found.removed)

    def _offers(self, call: Call, asked: Asked, held: Wanted, reference: Offer) -> list[Offer]:
        """The candidates; of a call that names a model, only those that cost less."""
        found = [reference]
        if held.stays:
            return found
        for name in held.wish.models or self._means.section.models:
            try:
                target = self._means.targets.resolve(name, call.target.dialect)
            except Rejected:
                continue
            if any(same_place(target, one.target) for one in found):
                continue
            offer = self._offer(call, asked, name, target)
            if not held.own or _costs_less(offer, reference):
                found.append(offer)
        return found

    def _name_of(self, call: Call, *, own: bool) -> str:
        """How a call's own list, the call or the settings call the model that it is headed for."""
        section, target = self._means.section, call.target
        known = () if own else (reference_of(section), *section.models)
        for name in (*call.wish.models, *known):
            with suppress(Rejected):
                if same_place(self._means.targets.resolve(name, target.dialect), target):
                    return name
        return call.request.model if own else target.model

    def _offer(
        self, call: Call, asked: Asked, name: str, target: Target, *, sure: bool = False
    ) -> Offer:
        """A model for a call; it is able to answer one that names it, which is `sure`."""
        facts = self._means.section.facts.get(name, _NO_FACTS)
        unable = "" if sure else self._unable(call, target, facts)
        stay = self._means.section.stay and asked.turn
        last = self.seen.models.get(asked.conversation) if stay else None
        stays = last is not None and same_place(last, target)
        cost = self._cost(call, asked, target, stays=stays)
        if cost is None and not (unable or sure) and self._means.refuses_unpriced:
            unable = "unpriced"
        return Offer(name, target, facts, cost, unable, stays, self._regions.of(target))

    def _unable(self, call: Call, target: Target, facts: ModelFacts) -> str:
        """What it cannot take, in a word; empty where it can answer."""
        found = self._known(target, facts)
        unable = why_not(call.request, call.target, target, found, sees=facts.images)
        spoken = self._means.targets.spoken(target.provider, target.dialect)
        if not unable and spoken != target.dialect and why_unsaid(call.request, target, spoken):
            return "translation"
        return unable

    def _known(self, target: Target, facts: ModelFacts) -> ModelPrice | None:
        """What the price book says of a model, the settings' facts over it."""
        means = self._means
        found = means.book.find(target.model, means.names.get(target.provider, target.provider))
        if facts.context_tokens is None and facts.max_output_tokens is None:
            return found
        found = found or ModelPrice(target.model, (), ())
        return dataclasses.replace(
            found,
            context_window=facts.context_tokens or found.context_window,
            max_output_tokens=facts.max_output_tokens or found.max_output_tokens,
        )

    def _cost(self, call: Call, asked: Asked, target: Target, *, stays: bool) -> int | None:
        """What the call is expected to cost there; None without a price.

        Earlier turns are in the prompt cache of the model that answered them, and of no other.
        """
        cached = asked.input_tokens * asked.turn // (asked.turn + 1) if stays else 0
        output = self._output_tokens(call)
        usage = Usage(
            input_tokens=asked.input_tokens - cached,
            cache_read_tokens=cached,
            output_tokens=output,
        )
        try:
            return self._means.priced(usage, target, call.started_at, "").nanousd
        except PriceUnknown:
            return None

    def _output_tokens(self, call: Call) -> int:
        most = call.request.max_output_tokens
        usual = round(self.seen.lengths.get(call.task.name, _OUTPUT_TOKENS))
        return usual if most is None else min(usual, most)

    def _needs(self, call: Call, asked: Asked, held: Wanted) -> Needs:
        wish, caller = held.wish, call.caller
        return Needs(
            required=wish.required,
            models=wish.models,
            allowed=caller.models,
            # whoever let the call in has seen to it that the key goes there, and nowhere else
            provider="" if caller.credential is None else call.target.provider,
            region=wish.region,
            deadline_ms=wish.deadline_ms,
            output_tokens=self._output_tokens(call),
            tools=asked.tools,
            structured=asked.structured,
            budget_nanousd=_hard_budget(call.wish),
        )


def _hard_budget(wish: Wish) -> int | None:
    """What the call itself says that it may cost; the settings' own is a dial, and no filter."""
    return wish.budget_nanousd


def _costs_less(offer: Offer, reference: Offer) -> bool:
    if offer.cost_nanousd is None or reference.cost_nanousd is None:
        return False
    return offer.cost_nanousd < reference.cost_nanousd


__all__ = ["Admitted", "Plan", "Router", "RouterMeans", "Seen"]
