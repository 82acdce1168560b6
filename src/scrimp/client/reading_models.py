"""Which models read and answer in `summarise_then_ask`, where the caller names none. Pure.

What the settings say counts first. What they leave open is a provider's usual model, as dated data;
a document that one company is asked about is never sent to another by a choice of Scrimp's.
"""

from __future__ import annotations

from itertools import chain
from typing import NamedTuple, Protocol

from scrimp.billing import price_names
from scrimp.calls import Target, Usage
from scrimp.clamping.limits import may_think
from scrimp.errors import InvalidRequest, PriceUnknown, Rejected
from scrimp.prices.quote import Bill
from scrimp.routing.tables import reference_of
from scrimp.routing.wishes import is_choice
from scrimp.settings import Settings


class Usual(NamedTuple):
    """A provider's model for answers, and its cheap one that does not think before it writes."""

    answers: str
    reads: str


USUAL = {
    "openai": Usual("gpt-4o", "gpt-4o-mini"),
    "anthropic": Usual("claude-sonnet-4-5", "claude-haiku-4-5"),
    "google": Usual("gemini-2.5-flash", "gemini-2.5-flash-lite"),
    "mistral": Usual("mistral-large-2512", "mistral-small-latest"),
}
"""By the provider's name in the price book; the providers' lists of models, checked 2026-11-23."""

_A_PIECE = Usage(input_tokens=6_000, output_tokens=300)


class Knows(Protocol):
    """Prices and names of some settings."""

    def served(self, name: str) -> Target | None:
        """Who serves a model; None where nobody does."""
        ...

    def bill(self, usage: Usage, name: str) -> Bill:
        """What usage of a model costs now. Raises PriceUnknown."""
        ...


def answering(settings: Settings, named: str) -> str:
    """The model that answers: the one that is named, else the settings', else the usual one.

    Raises InvalidRequest where nothing says.
    """
    if name := named or reference_of(settings.route):
        return name
    for provider, sold_by in price_names(settings).items():
        if (usual := USUAL.get(sold_by)) is not None:
            return f"{provider}/{usual.answers}"
    raise InvalidRequest(
        "no model to answer with: none is named, [route] has no reference, and of the providers "
        f"({', '.join(settings.providers) or 'none'}) no usual model is known, as it is of "
        f"{', '.join(USUAL)} (say model=… in this call, or Scrimp(…, model=…))"
    )


def reading(settings: Settings, answers: str, knows: Knows) -> str:
    """The model that reads: `trim.summary_model`, else the cheapest of the provider that answers.

    Of models that the settings name and the provider's usual one those are looked at that surely
    write no thoughts out of a summary's tokens, and are cheaper than the model that answers; that
    one itself where there is none.
    """
    if settings.trim.summary_model:
        return settings.trim.summary_model
    asked = reference_of(settings.route) if is_choice(answers) else answers
    target, at_most = knows.served(asked), _nanousd(knows, asked)
    if target is None or at_most is None:
        return answers
    usual = USUAL.get(price_names(settings).get(target.provider, target.provider))
    names = [name for name in _named(settings) if _reads(knows.served(name), target)]
    if usual is not None:
        names.append(f"{target.provider}/{usual.reads}")
    costs = [(_nanousd(knows, name), name) for name in names]
    found = [(cost, name) for cost, name in costs if cost is not None and cost < at_most]
    return min(found)[1] if found else answers


def _named(settings: Settings) -> tuple[str, ...]:
    lists = (settings.route.models, settings.cascade.models, settings.degrade.models)
    return (*settings.models, *settings.aliases, *chain.from_iterable(lists))


def _reads(one: Target | None, answers: Target) -> bool:
    if one is None or one.provider != answers.provider:
        return False
    return not may_think({}, one.model)


def _nanousd(knows: Knows, name: str) -> int | None:
    """What reading a piece costs; None where nobody knows."""
    try:
        return knows.bill(_A_PIECE, name).nanousd
    except (PriceUnknown, Rejected):
        return None
