"""Who is measured, and how each is started: one worker, the same provider behind it, a key asked.

Scrimp keeps keys, prices, ledger and exact cache on. `scrimp-memory` and `scrimp-sqlite` are Scrimp
with two budgets and a rate limit on top, by the engine that counts them. LiteLLM has a master key
and its cache in memory, and no database, so it books nothing. Portkey's open gateway keeps neither
keys nor books.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.common import output_of
from benchmarks.gateway import peers
from benchmarks.gateway.loading import KINDS, KindName

HERE = Path(__file__).parent
KEY = "sk-benchmark-0123456789abcdef"
_BEARER = {"authorization": f"Bearer {KEY}"}
CACHE_BYTES = 8 * 1024 * 1024
"""Small, so that a cache that fills up is not taken for a leak; some thousand calls fill it."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a contender, and what its clients must send."""

    command: list[str]
    env: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=lambda: _BEARER)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a contender is to be: its port, its provider, a folder for its files."""

    port: int
    upstream: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Contender:
    """One of them. `version` installs it where that is needed, and may raise Missing."""

    name: str
    version: Callable[[], str]
    launch: Callable[[Place], Launch] | None
    kinds: tuple[KindName, ...] = tuple(KINDS)


def _python() -> str:
    return output_of([sys.executable, "-V"])


def _floor(place: Place) -> Launch:
    return Launch([sys.executable, str(HERE / "floor.py"), str(place.port), place.upstream])


def _scrimp_version() -> str:
    return f"{output_of([sys.executable, '-m', 'scrimp', '--version'])}, {_python()}"


def _scrimp(place: Place) -> Launch:
    config = place.folder / "scrimp.toml"
    config.write_text(
        f'state_dir = "{place.folder / "state"}"\n'
        f"[exact_cache]\nmax_bytes = {CACHE_BYTES}\n"
        f'[providers.openai]\nbase_url = "{place.upstream}"\ndialects = ["openai.chat"]\n'
        f'key_env = "BENCHMARK_PROVIDER_KEY"\n'
        f'[[keys]]\nname = "bench"\nsha256 = "{hashlib.sha256(KEY.encode()).hexdigest()}"\n'
    )
    command = [sys.executable, "-m", "scrimp", "serve", "--config", str(config)]
    return Launch([*command, "--port", str(place.port)], {"BENCHMARK_PROVIDER_KEY": "sk-simulated"})


def _guarded(engine: str) -> Callable[[Place], Launch]:
    """Scrimp with what money guards cost: two budgets held and settled, and a rate, per call."""

    def launch(place: Place) -> Launch:
        found = _scrimp(place)
        with (place.folder / "scrimp.toml").open("a") as config:
            config.write(
                f'[budget]\nengine = "{engine}"\n'
                '[budgets.all]\nusd = 9_000_000\nper = "month"\n'
                '[budgets.each-key]\nkey = "*"\nusd = 9_000_000\nper = "day"\n'
                '[limits.each-key-rate]\nkey = "*"\nrequests_per_minute = 1_000_000_000\n'
            )
        return found

    return launch


def _litellm_version() -> str:
    peers.litellm()
    return peers.litellm_version()


def _litellm(place: Place) -> Launch:
    config = place.folder / "litellm.yaml"
    config.write_text(
        "model_list:\n"
        "  - model_name: gpt-4o-mini\n"
        "    litellm_params:\n"
        "      model: openai/gpt-4o-mini\n"
        f"      api_base: {place.upstream}\n"
        "      api_key: sk-simulated\n"
        "litellm_settings:\n"
        "  telemetry: false\n"
        "  cache: true\n"
        "  cache_params:\n"
        "    type: local\n"
        "general_settings:\n"
        f"  master_key: {KEY}\n"
    )
    env = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # no download at start
        "LITELLM_TELEMETRY": "False",
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
    }
    command = [str(peers.litellm()), "--config", str(config), "--host", "127.0.0.1"]
    return Launch([*command, "--port", str(place.port), "--num_workers", "1"], env)


def _portkey_version() -> str:
    peers.portkey()
    return peers.portkey_version()


def _portkey(place: Place) -> Launch:
    command = [*peers.portkey(), f"--port={place.port}", "--headless"]
    headers = {
        **_BEARER,
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": place.upstream,
    }
    env = {"TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost", "NODE_ENV": "production"}
    return Launch(command, env, headers)


_MISSES: tuple[KindName, ...] = ("miss", "one", "wait16", "wait64")
_NO_HIT: tuple[KindName, ...] = tuple(name for name in KINDS if name != "hit")

CONTENDERS: Mapping[str, Contender] = {
    one.name: one
    for one in (
        Contender("direct", _python, None, _NO_HIT),
        Contender("floor", _python, _floor),
        Contender("scrimp", _scrimp_version, _scrimp),
        Contender("scrimp-memory", _scrimp_version, _guarded("memory"), _MISSES),
        Contender("scrimp-sqlite", _scrimp_version, _guarded("sqlite"), _MISSES),
        Contender("litellm", _litellm_version, _litellm),
        Contender("portkey", _portkey_version, _portkey, _NO_HIT),
    )
}
