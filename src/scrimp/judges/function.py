"""A judge that is a function of the user's: question, kept answer, fresh answer → verdict."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from inspect import isawaitable

from scrimp.calls import FREE_COST, Call, Reply
from scrimp.dialects.base import Dialect
from scrimp.errors import StoreError
from scrimp.meanings import Opinion
from scrimp.pipeline.apart import Apart
from scrimp.semantics.answers import text_of

JudgeFunction = Callable[[str, str, str], "bool | Awaitable[bool | None] | None"]


class Function:
    """Implements `Judge`. A plain function is called in a thread, so that it may take its time.

    One that hangs holds up neither the end of the process nor other work.
    """

    def __init__(self, function: JudgeFunction, dialects: Mapping[str, Dialect]) -> None:
        self._function = function
        self._dialects = dialects
        self._apart = Apart("the judge function")

    async def __call__(self, call: Call, kept: Reply, fresh: Reply) -> Opinion:
        """Raises StoreError when the function raises, hangs, or says neither yes nor no."""
        dialect = self._dialects[call.target.dialect]
        asked = dialect.last_user_text(call.request)
        texts = (asked, text_of(kept, dialect), text_of(fresh, dialect))
        try:
            said = await self._apart.run(partial(self._function, *texts))
            equal: object = await said if isawaitable(said) else said
        except StoreError:
            raise
        except (Exception, SystemExit) as error:
            raise StoreError(f"the judge function failed: {type(error).__name__}") from error
        if isinstance(equal, str):  # "no" would be a yes
            msg = "the judge function said a text; True, False or None (cannot tell) are asked for"
            raise StoreError(msg)
        return Opinion(None if equal is None else bool(equal), "function", FREE_COST)
