"""What the gateway tells of answers by meaning: counts, what was wrong, what judging cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrimp.meanings import SemanticStats
from scrimp.pipeline.semantic_parts import SemanticParts
from scrimp.ports import CacheScope


async def semantic_view(parts: SemanticParts, tenant: str | None) -> dict[str, Any]:
    """For machines. Raises StoreError.

    `judges` are asked in that order; `error` is the share of a judge's verdicts that is wrong, by
    our own estimate, or by how often it contradicts itself.
    """
    judges = [{"judge": name, "error": round(error, 4)} for name, error in parts.errors().items()]
    return {**shown(await parts.stats(tenant), parts.scopes.missing()), "judges": judges}


def shown(
    stats: tuple[SemanticStats, ...], missing: Mapping[CacheScope, int | None] | None = None
) -> dict[str, Any]:
    """By tenant and task type; `wrong_share` and `wrong_upper` are null before there is a verdict.

    `missing` is how many verdicts more it takes, about, until anything is served; null where
    nobody can say, such as from outside the gateway.
    """
    lacking = {} if missing is None else missing
    return {
        "scopes": [
            {
                "tenant": one.scope.tenant,
                "task": one.scope.task,
                "answers": one.groups,
                "questions": one.questions,
                "size_bytes": one.size_bytes,
                "hits": one.hits,
                "misses": one.misses,
                "audits": one.audits,
                "judged": one.judged,
                "wrong_share": one.wrong_share,
                "wrong_upper": one.wrong_upper,
                "judge_nanousd": one.judge_nanousd,
                "missing": None if missing is None else lacking.get(one.scope, 0),
            }
            for one in stats
        ]
    }
