"""LangChain: caches for `set_llm_cache`, and what a run cost. Needs `scrimp[langchain]`."""

from __future__ import annotations

try:
    from scrimp.integrations.langchain_cache import ScrimpCache
    from scrimp.integrations.langchain_costs import Options, ScrimpCallback, scrimp_callback
    from scrimp.integrations.langchain_semantic import (
        ScrimpSemanticCache,
        SemanticCacheStats,
        SemanticOptions,
    )
    from scrimp.integrations.langchain_totals import Totals
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "langchain_core":
        raise
    raise ImportError(
        "scrimp.integrations.langchain needs langchain-core (pip install 'scrimp[langchain]')"
    ) from error

__all__ = [
    "Options",
    "ScrimpCache",
    "ScrimpCallback",
    "ScrimpSemanticCache",
    "SemanticCacheStats",
    "SemanticOptions",
    "Totals",
    "scrimp_callback",
]
