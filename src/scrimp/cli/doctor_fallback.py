"""What `scrimp doctor` finds of fallbacks: targets that nobody serves, or has no key for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from scrimp.calls import Target
from scrimp.cli.finding import Finding
from scrimp.errors import Rejected, StoreError
from scrimp.falling_back import health_of
from scrimp.settings import Loaded
from scrimp.targets import Targets

_NAME = "fallback"
_MANY_ATTEMPTS = 4
_DIALECTS = ("openai.chat", "anthropic.messages", "openai.responses", "openai.embeddings")


def fallbacks(loaded: Loaded, targets: Targets) -> Iterator[Finding]:
    """Nothing where there are no chains."""
    section = loaded.settings.fallback
    chains = dict(section.models)
    if section.default:
        chains["default"] = section.default
    if not chains:
        return
    if not section.enabled:
        said = f"{_count(len(chains))}, switched off"
        yield Finding("warn", _NAME, said, "fallback.enabled = true, or leave the line out")
        return
    usable = True
    for model, chain in chains.items():
        for finding in _of_chain(loaded, targets, model, chain):
            usable = False
            yield finding
    yield from _circuits(loaded)
    if usable:
        yield Finding("ok", _NAME, f"{_count(len(chains))}, every target is served and has a key")
    if loaded.settings.retry.attempts > _MANY_ATTEMPTS:
        said = f"a target is tried {loaded.settings.retry.attempts} times before the next one"
        yield Finding("warn", _NAME, said, "retry.attempts = 2 is quicker")


def _of_chain(
    loaded: Loaded, targets: Targets, model: str, chain: tuple[str, ...]
) -> Iterator[Finding]:
    """What is wrong with one of them."""
    if model != "default" and (failure := why_not(targets, model)):
        said = f"{model}: no call can ask for it: {failure}"
        yield Finding("warn", _NAME, said, f'rename or remove it: fallback.models."{model}"')
    for name in chain:
        found = served(targets, name)
        if found is None:
            said = f"{model} → {name}: {why_not(targets, name)}"
            way_out = meant(targets, name) or f"name another, or configure who serves '{name}'"
            yield Finding("fail", _NAME, said, way_out)
            continue
        provider = loaded.settings.providers[found.provider]
        if loaded.settings.auth.mode == "passthrough":
            asked = served(targets, model)
            if asked is not None and asked.provider != found.provider:
                said = f"{model} → {name}: clients bring keys for '{asked.provider}' only"
                yield Finding("warn", _NAME, said, f"it is never asked: leave '{name}' out")
        elif provider.key_env and found.provider not in loaded.secrets:
            said = f"{model} → {name}: provider '{found.provider}' has no key"
            yield Finding("fail", _NAME, said, f"export {provider.key_env}=…")


def _circuits(loaded: Loaded) -> Iterator[Finding]:
    """Those that are open in the file that workers share, where there is one."""
    try:
        known = asyncio.run(health_of(loaded.settings))
    except StoreError as error:
        way_out = "delete the file: it is made anew"
        yield Finding("warn", _NAME, f"{error}; each worker goes by what it sees itself", way_out)
        return
    for upstream, health in known.items():
        if health.circuit != "closed":
            times = f"{health.openings} {'time' if health.openings == 1 else 'times'} in a row"
            said = f"circuit '{upstream}' is open, {times}: its calls go elsewhere"
            yield Finding("warn", _NAME, said, "the provider's status page, or its key and address")


def served(targets: Targets, name: str) -> Target | None:
    """Where a model is asked, in whatever dialect; None where nobody serves it."""
    for dialect in _DIALECTS:
        try:
            return targets.resolve(name, dialect)
        except Rejected:
            continue
    return None


def why_not(targets: Targets, name: str) -> str:
    """The reason without its way out, which is another one here; empty where it is served."""
    if served(targets, name) is not None:
        return ""
    try:
        targets.resolve(name, _DIALECTS[0])
    except Rejected as error:
        return str(error).partition(" (")[0]
    return ""


def meant(targets: Targets, name: str) -> str:
    """The name that comes nearest, as the refusal has it."""
    try:
        targets.resolve(name, _DIALECTS[0])
    except Rejected as error:
        _, found, rest = str(error).partition("did you mean ")
        return f"{found}{rest.partition('?')[0]}?" if found else ""
    return ""


def _count(chains: int) -> str:
    return f"{chains} {'chain' if chains == 1 else 'chains'}"
