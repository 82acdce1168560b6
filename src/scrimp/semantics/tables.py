"""The table [semantic_cache] of scrimp.toml. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from scrimp.budgets.tables import nanousd_of, seconds_of
from scrimp.tasks import TTL_S

JudgeName = Literal["equal", "json", "numbers", "code", "embedding", "model"]
FREE_JUDGES: tuple[JudgeName, ...] = ("equal", "json", "numbers", "code")
_Count = Annotated[int, Meta(ge=1)]


class SemanticCacheSection(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Answers by meaning. `max_error` is the share of what is served that may be wrong.

    With `threshold` it is a cosine that decides, and nothing is promised. Without `judges` those
    that cost nothing are asked, and then `judge_model`, or, without one, how near answers are.
    `share` names groups of tenants that share, `corpus` the version of what answers rest on.
    `url_env` names the variable that holds the URL of a PostgreSQL or Redis (`url_env_of`);
    `schema` is where in the one, and what names begin with in the other.
    `stale_while_revalidate`: so long past its time an answer is served while it is asked for anew.
    """

    enabled: bool = False
    max_error: Annotated[float, Meta(ge=0.001, le=0.5)] = 0.02
    confidence: Annotated[float, Meta(ge=0.5, le=0.999)] = 0.95
    per: Literal["hit", "call"] = "hit"
    slack: Annotated[float, Meta(ge=1, le=10)] = 3.0
    threshold: Annotated[float, Meta(ge=0, le=1)] | None = None
    audits: Annotated[float, Meta(ge=0, le=1)] = 0.0
    engine: Literal["memory", "sqlite", "postgres", "redis"] = "memory"
    path: str = ""
    url_env: str = ""
    schema: Annotated[str, Meta(pattern="^[a-z_][a-z0-9_]{0,62}$")] = "scrimp"
    max_bytes: _Count = 1024 * 1024 * 1024
    new_per_hour: _Count = 2000
    embedder: str = "minilm"
    embedder_model: str = ""
    embedder_provider: str = ""
    embedder_dims: Annotated[int, Meta(ge=0)] = 0
    limit_s: Annotated[float, Meta(gt=0, le=10)] = 0.25
    judges: tuple[JudgeName, ...] = ()
    judge_model: str = ""
    judge_usd_per_day: str = "1.00"
    compared: Annotated[int, Meta(ge=1, le=8)] = 2
    max_temperature: Annotated[float, Meta(ge=0)] = 1.0
    max_reply_bytes: _Count = 256 * 1024
    ttl: dict[str, str] = {}
    stale_while_revalidate: str = "0"
    never: tuple[str, ...] = ()
    corpus: str = ""
    share: dict[str, tuple[str, ...]] = {}
    keep_texts: bool = False


class _Whole(Protocol):
    @property
    def semantic_cache(self) -> SemanticCacheSection:
        """The table."""
        ...


def check_table(settings: _Whole) -> None:
    """Raises ValueError."""
    section = settings.semantic_cache
    for task, text in section.ttl.items():
        if task not in TTL_S:
            names = ", ".join(TTL_S)
            raise ValueError(f"semantic_cache.ttl.{task} is no task type ({names})")
        if text != "0":
            seconds_of(f"semantic_cache.ttl.{task}", text)
    nanousd_of("semantic_cache.judge_usd_per_day", section.judge_usd_per_day)
    if "model" in section.judges and not section.judge_model:
        raise ValueError('semantic_cache.judges has "model": name one (semantic_cache.judge_model)')
    if section.audits and section.threshold is None:
        raise ValueError(
            "semantic_cache.audits goes with a threshold (under max_error the policy says how many)"
        )
    _pools(section.share)


def url_env_of(section: SemanticCacheSection) -> str:
    """The variable that holds the URL of the engine's server."""
    redis = section.engine == "redis"
    return section.url_env or ("SCRIMP_REDIS_URL" if redis else "SCRIMP_POSTGRES_URL")


def judges_of(section: SemanticCacheSection) -> tuple[JudgeName, ...]:
    """Who judges, from cheap to dear."""
    if section.judges:
        return section.judges
    return (*FREE_JUDGES, "model" if section.judge_model else "embedding")


def pools_of(section: SemanticCacheSection) -> Mapping[str, str]:
    """The group of each tenant that shares."""
    return _pools(section.share)


def _pools(share: Mapping[str, tuple[str, ...]]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for pool, tenants in share.items():
        for tenant in tenants:
            if tenant in found:
                raise ValueError(
                    f"semantic_cache.share: tenant '{tenant}' stands in '{found[tenant]}' and in "
                    f"'{pool}' (a tenant shares with one group)"
                )
            found[tenant] = pool
    return found
