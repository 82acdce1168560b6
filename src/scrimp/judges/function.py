"""A judge that is a function of the user's: question, kept answer, fresh answer → verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable

from scrimp.calls import FREE_COST, Call, Reply
from scrimp.dialects.base import Dialect
from scrimp.errors import StoreError
from scrimp.meanings import Opinion
from scrimp.semantics.answers import text_of

JudgeFunction = Callable[[str, str, str], "bool | Awaitable[bool | None] | None"]


class Function:
    """Implements `Judge`. A plain function is called in a thread, so that it may take its time."""

    def __init__(self, function: JudgeFunction, dialects: Mapping[str, Dialect]) -> None:
        self._function = function
        self._dialects = dialects

    async def __call__(self, call: Call, kept: Reply, fresh: Reply) -> Opinion:
        """Raises StoreError when the function raises."""
        dialect = self._dialects[call.target.dialect]
        asked = dialect.last_user_text(call.request)
        texts = (asked, text_of(kept, dialect), text_of(fresh, dialect))
        try:
            said = await asyncio.to_thread(self._function, *texts)
            equal = await said if isawaitable(said) else said
        except Exception as error:
            raise StoreError(f"the judge function failed: {type(error).__name__}") from error
        return Opinion(None if equal is None else bool(equal), "function", FREE_COST)
