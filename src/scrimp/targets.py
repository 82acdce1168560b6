"""From the model that a client names to the provider that serves it. Pure; answers are memoised.

The first that knows the name wins: an alias, a model of the settings, `provider/model`, the price
lists of the configured providers in their order, a provider that takes any model.
"""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from scrimp.calls import Target
from scrimp.errors import ConfigError, InvalidRequest, UnknownModel

_MEMORY = 4096  # names come from clients: remember the usual ones only
_COMPARED = 64
_ALSO_SPOKEN = frozenset({"anthropic.count_tokens", "openai.embeddings"})
"""Dialects that follow from another one: no news to a reader."""
COUNTERPARTS: Mapping[str, str] = {
    "openai.chat": "anthropic.messages",
    "anthropic.messages": "openai.chat",
}
"""Dialects whose calls are translated for a provider that speaks the other."""
_JUDGED_IN = ("openai.chat", "anthropic.messages")


def nearest(dialect: str, speaks: Callable[[str], bool]) -> str:
    """The dialect itself, or its counterpart where nobody speaks it."""
    return dialect if speaks(dialect) else COUNTERPARTS.get(dialect, dialect)


class Resolves(Protocol):
    """Which provider serves which model."""

    def resolve(self, model: str, dialect: str, *, native_only: bool = False) -> Target:
        """Raises UnknownModel, or InvalidRequest for another dialect."""
        ...


def judging_target(model: str, targets: Resolves, setting: str) -> Target:
    """Where a model is asked that the settings name for judging. Raises ConfigError."""
    failure: Exception | None = None
    for dialect in _JUDGED_IN:
        try:
            return targets.resolve(model, dialect, native_only=True)
        except (InvalidRequest, UnknownModel) as error:  # another dialect, or nobody at all
            failure = failure or error
    raise ConfigError(f"{setting}: {failure}") from failure


@dataclass(frozen=True, slots=True)
class Provider:
    """One configured provider: what it speaks, whose prices it charges, whether it takes any model.

    `known_models` lists what its price list names; `knows` also follows the list's match rules.
    """

    name: str
    dialects: frozenset[str]
    knows: Callable[[str], bool]
    known_models: tuple[str, ...] = ()
    any_model: bool = False


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model of the settings: the provider that serves it, under which id."""

    provider: str
    model: str


class Targets:
    """Resolves names. Raises ConfigError when the settings name a provider that is not there.

    `elsewhere` tells, for a model that nobody here serves, how to get it; empty when it cannot.
    """

    def __init__(
        self,
        providers: Sequence[Provider],
        models: Mapping[str, ModelEntry],
        aliases: Mapping[str, str],
        elsewhere: Callable[[str], str] = lambda _: "",
    ) -> None:
        self._providers = {provider.name: provider for provider in providers}
        self._models = dict(models)
        self._aliases = dict(aliases)
        self._elsewhere = elsewhere
        self._resolved: dict[tuple[str, str], Target] = {}
        self._listed: tuple[tuple[str, str], ...] | None = None
        for name, entry in models.items():
            if entry.provider not in self._providers:
                msg = (
                    f"model '{name}' is served by provider '{entry.provider}', which is not "
                    f"configured (configured: {', '.join(self._providers) or 'none'})"
                )
                raise ConfigError(msg)

    def resolve(self, model: str, dialect: str, *, native_only: bool = False) -> Target:
        """Where the call goes: to who speaks its dialect, else to who speaks the counterpart.

        Raises UnknownModel, or InvalidRequest for the wrong dialect; with `native_only` also where
        calls would be translated.
        """
        target = self._resolved.get((model, dialect))
        if target is None:
            target = self._find(model, dialect)
            if len(self._resolved) < _MEMORY:
                self._resolved[model, dialect] = target
        if native_only and self.spoken(target.provider, dialect) != dialect:
            raise InvalidRequest(self._wrong(self._providers[target.provider], model, dialect))
        return target

    def spoken(self, provider: str, dialect: str) -> str:
        """The dialect in which a provider is asked what a client says in this one.

        It is this one for providers that the settings do not name: who points there knows.
        """
        known = self._providers.get(provider)
        if known is None or dialect in known.dialects:
            return dialect
        other = COUNTERPARTS.get(dialect, "")
        return other if other in known.dialects else dialect

    def default_provider(self, dialect: str) -> str:
        """The first provider that speaks a dialect. Raises InvalidRequest when there is none."""
        for provider in self._providers.values():
            if dialect in provider.dialects:
                return provider.name
        raise InvalidRequest(self._nobody_speaks(dialect))

    def speaks(self, dialect: str) -> bool:
        """True when any configured provider speaks a dialect."""
        return any(dialect in provider.dialects for provider in self._providers.values())

    def has(self, provider: str) -> bool:
        """True when a provider of this name is configured."""
        return provider in self._providers

    def named(self, model: str, provider: str) -> bool:
        """True when the settings, or `provider/model`, send the model there: no price list did."""
        name = self._aliases.get(model, model)
        return name in self._models or name.startswith(f"{provider}/")

    def listed(self) -> tuple[tuple[str, str], ...]:
        """Every model that can be asked for by name, with its provider, aliases first."""
        if self._listed is not None:
            return self._listed
        seen: dict[str, str] = {}
        for alias, name in self._aliases.items():
            seen[alias] = self._models[name].provider if name in self._models else "alias"
        for name, entry in self._models.items():
            seen.setdefault(name, entry.provider)
        for provider in self._providers.values():
            for name in provider.known_models:
                seen.setdefault(name, provider.name)
        self._listed = tuple(seen.items())
        return self._listed

    def _find(self, model: str, dialect: str) -> Target:
        name = self._aliases.get(model, model)
        if (entry := self._models.get(name)) is not None:
            return self._target(self._providers[entry.provider], entry.model, dialect)
        prefix, slash, rest = name.partition("/")
        if slash and rest and prefix in self._providers:
            return self._target(self._providers[prefix], rest, dialect)
        takers = [p for p in self._providers.values() if p.knows(name)]
        knowing = bool(takers)
        takers += [p for p in self._providers.values() if p.any_model]
        for spoken in (dialect, COUNTERPARTS.get(dialect, "")):
            for provider in takers:
                if spoken in provider.dialects:
                    return Target(provider.name, name, dialect)
        if knowing:
            raise InvalidRequest(self._wrong(takers[0], name, dialect))
        raise UnknownModel(self._unknown(model))

    def _target(self, provider: Provider, model: str, dialect: str) -> Target:
        if not {dialect, COUNTERPARTS.get(dialect, "")} & provider.dialects:
            raise InvalidRequest(self._wrong(provider, model, dialect))
        return Target(provider.name, model, dialect)

    def _wrong(self, provider: Provider, model: str, dialect: str) -> str:
        spoken = ", ".join(sorted(provider.dialects - _ALSO_SPOKEN))
        return (
            f"model '{model}' is served by provider '{provider.name}', which speaks {spoken}; "
            f"this call speaks {dialect} (use a client of that dialect, or another model; if "
            f"it speaks this too, say so: providers.{provider.name}.dialects)"
        )

    def _unknown(self, model: str) -> str:
        if not self._providers:
            return (
                "no provider is configured (set OPENAI_API_KEY or ANTHROPIC_API_KEY, or write a "
                "scrimp.toml: scrimp init)"
            )
        shown = model[:80]
        if way_out := self._elsewhere(model):
            return f"model '{shown}' is served by no configured provider: {way_out}"
        near = difflib.get_close_matches(shown, self._candidates(shown), n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        return (
            f"model '{shown}' is not known to any configured provider "
            f'({", ".join(self._providers)}){hint} (to add it: [models."{shown}"] in scrimp.toml)'
        )

    def _candidates(self, shown: str) -> list[str]:
        """Names that a typing error may have meant: comparing with all takes milliseconds."""
        start, length = shown[:4], len(shown)
        names = (name for name, _ in self.listed())
        return heapq.nsmallest(
            _COMPARED, names, key=lambda name: (name[:4] != start, abs(len(name) - length))
        )

    def _nobody_speaks(self, dialect: str) -> str:
        return (
            f"no configured provider speaks {dialect} "
            f"(configured: {', '.join(self._providers) or 'none'}; scrimp doctor shows why)"
        )
