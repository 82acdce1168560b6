"""Scrimp makes LLM bills small and keeps them honest. Importing it does nothing.

`Scrimp` is the engine in your own process; `budget` says what a block or a function may spend;
`count`, `estimate`, `price`, `complexity`, `trim`, `fit`, `compact` and `brief` need no engine, and
`summarise_then_ask` opens one of its own. What they need is imported when first named.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # as type checkers read it: `typing` itself takes longer than all the rest
if TYPE_CHECKING:
    from scrimp.client.briefs import brief
    from scrimp.client.budget import budget
    from scrimp.client.face import Scrimp
    from scrimp.client.functions import count, estimate, price
    from scrimp.client.shared import embed, embed_many, summarise_then_ask
    from scrimp.client.shared import map as map  # noqa: A004 (the built-in one, for calls)
    from scrimp.client.shrinking import compact, fit, trim
    from scrimp.routing.rungs import complexity

__version__ = "0.1.0"
__all__ = [  # without `map`: who imports all of this keeps the built-in one
    "Scrimp",
    "__version__",
    "brief",
    "budget",
    "compact",
    "complexity",
    "count",
    "embed",
    "embed_many",
    "estimate",
    "fit",
    "price",
    "summarise_then_ask",
    "trim",
]

_PLACES = {
    "Scrimp": "scrimp.client.face",
    "brief": "scrimp.client.briefs",
    "budget": "scrimp.client.budget",
    "compact": "scrimp.client.shrinking",
    "complexity": "scrimp.routing.rungs",
    "count": "scrimp.client.functions",
    "embed": "scrimp.client.shared",
    "embed_many": "scrimp.client.shared",
    "estimate": "scrimp.client.functions",
    "fit": "scrimp.client.shrinking",
    "map": "scrimp.client.shared",
    "price": "scrimp.client.functions",
    "summarise_then_ask": "scrimp.client.shared",
    "trim": "scrimp.client.shrinking",
}


def __getattr__(name: str) -> object:
    if (place := _PLACES.get(name)) is None:
        msg = f"module 'scrimp' has no attribute {name!r}"
        raise AttributeError(msg)
    found: object = getattr(importlib.import_module(place), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
