"""Hard filters: what a model must be before anyone asks whether it is good enough. Pure.

They come first and are absolute: no probability, dial or draw brings back what a filter removed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from scrimp.calls import Target
from scrimp.errors import InvalidRequest
from scrimp.money import decimal_usd
from scrimp.routing.tables import ModelFacts
from scrimp.values import Value

_FIRST_TOKEN_MS = 1_000
"""How long a model is believed to think before it writes, where only its speed is known."""


class Offer(Value, frozen=True):
    """A model that may answer a call, and what that is expected to cost.

    `name` is how settings call it. `unable` says what of the call it cannot take (empty: nothing).
    `cost_nanousd` is None without a price. `stays` marks the model of this conversation so far.
    `region` is where it runs for sure, empty where nobody knows.
    """

    name: str
    target: Target
    facts: ModelFacts
    cost_nanousd: int | None
    unable: str = ""
    stays: bool = False
    region: str = ""


class Needs(Value, frozen=True):
    """What a call must have. Empty or None: anything will do.

    `allowed` are the models of the caller's key, `provider` the one that its own credential is for.
    """

    required: str = ""
    models: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    provider: str = ""
    region: str = ""
    deadline_ms: int | None = None
    output_tokens: int = 0
    tools: bool = False
    structured: bool = False
    budget_nanousd: int | None = None


class Admitted(Value, frozen=True):
    """What is left, in the order given, and which filter removed each of the others."""

    kept: tuple[Offer, ...]
    removed: tuple[tuple[str, str], ...]


def admitted(needs: Needs, offers: Sequence[Offer]) -> Admitted:
    """All offers that no filter removes."""
    kept, removed = [], []
    for offer in offers:
        if why := removed_by(needs, offer):
            removed.append((offer.name, why))
        else:
            kept.append(offer)
    return Admitted(tuple(kept), tuple(removed))


def removed_by(needs: Needs, offer: Offer) -> str:
    """The first filter that an offer does not pass; empty when it passes all."""
    for name, fails in _FILTERS:
        if fails(needs, offer):
            return name
    return offer.unable


def none_left(needs: Needs, found: Admitted) -> InvalidRequest:
    """The refusal when nothing is left: who was removed by what, and the way out."""
    if not found.removed:
        return InvalidRequest(
            "no model can be chosen: none is named ([route] models in scrimp.toml)"
        )
    last, why = found.removed[-1]
    told = ", ".join(f"{name}: {cause}" for name, cause in found.removed)
    return InvalidRequest(
        f"no model is left for this call: '{why}' removed '{last}', the last of "
        f"{len(found.removed)} ({told}); {_way_out(why, needs)}"
    )


def _way_out(why: str, needs: Needs) -> str:
    most = decimal_usd(needs.budget_nanousd or 0)
    return {
        "required": f"'{needs.required}' is required and cannot take this call",
        "models": "allow another model, or leave the list out",
        "key": "the key's list has none of the others",
        "budget": f"each would cost more than ${most}, or nobody knows what (raise usd, shorten "
        "the call, or give the model a price)",
        "region": f"none of them is known to run in '{needs.region}' (residency of its provider, "
        "or region in [route.facts], says where it runs)",
        "deadline": f"none answers within {needs.deadline_ms} ms (raise deadline_ms)",
        "unpriced": "[unpriced] refuses models without a price (give it one: scrimp.toml)",
        "provider_key": f"the key that is passed on is for '{needs.provider}' (name a model of it)",
        "context": "the call is too large for it (shorten it, or add a model of a larger window)",
    }.get(why, "name a model that can take the call ([route] models in scrimp.toml)")


def _is_other(named: str, offer: Offer) -> bool:
    return named not in (offer.name, offer.target.model)


def _is_slow(needs: Needs, offer: Offer) -> bool:
    if needs.deadline_ms is None or offer.facts.speed is None:
        return False
    return _FIRST_TOKEN_MS + needs.output_tokens / offer.facts.speed * 1000 > needs.deadline_ms


def _is_dear(needs: Needs, offer: Offer) -> bool:
    """What nobody knows the price of may cost anything."""
    most, cost = needs.budget_nanousd, offer.cost_nanousd
    return most is not None and (cost is None or cost > most)


_FILTERS: tuple[tuple[str, Callable[[Needs, Offer], bool]], ...] = (
    ("required", lambda needs, o: bool(needs.required) and _is_other(needs.required, o)),
    (
        "models",
        lambda needs, o: bool(needs.models) and all(_is_other(one, o) for one in needs.models),
    ),
    (
        "key",
        lambda needs, o: bool(needs.allowed) and all(_is_other(one, o) for one in needs.allowed),
    ),
    (
        "provider_key",
        lambda needs, o: bool(needs.provider) and needs.provider != o.target.provider,
    ),
    ("tools", lambda needs, o: needs.tools and o.facts.tools is False),
    ("format", lambda needs, o: needs.structured and o.facts.structured is False),
    ("region", lambda needs, o: bool(needs.region) and needs.region != o.region),
    ("deadline", _is_slow),
    ("budget", _is_dear),
)
