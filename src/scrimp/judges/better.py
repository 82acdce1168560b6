"""Which of two answers is better: first those who only compare, then a model that grades both."""

from __future__ import annotations

from collections.abc import Mapping

from scrimp.calls import Call, Reply
from scrimp.dialects.base import Dialect
from scrimp.judges.preference import Duel, Preference
from scrimp.meanings import Judge
from scrimp.pipeline.comparing import Comparison
from scrimp.semantics.answers import text_of

_MOST_CHARS = 12_000
"""Of a whole conversation; of a longer one the newest question stands alone."""
_LOSS = {"one": 1.0, "two": -1.0, "tie": 0.0}


class Better:
    """Implements `Comparer`: answers that do the same are equally good, whatever they are worth.

    `plain` may only tell that two are equal: that they differ says nothing of which is better.
    """

    def __init__(
        self, plain: Judge, preference: Preference | None, dialects: Mapping[str, Dialect]
    ) -> None:
        self._plain = plain
        self._preference = preference
        self._dialects = dialects

    async def __call__(
        self, call: Call, reference: Reply, cheap: Reply, models: tuple[str, str]
    ) -> Comparison:
        """Loss 1 where the reference is better, -1 where it is worse."""
        opinion = await self._plain(call, reference, cheap)
        if opinion.equal:
            return Comparison(0.0)
        if self._preference is None:
            return Comparison(None)
        dialect = self._dialects[call.target.dialect]
        asked = "\n\n".join(dialect.prompt_texts(call.request))
        question = asked if len(asked) <= _MOST_CHARS else dialect.last_user_text(call.request)
        duel = Duel(question, text_of(reference, dialect), text_of(cheap, dialect), models)
        graded = await self._preference(call, duel)
        cost = graded.cost.high_nanousd or 0
        if graded.winner is None:
            return Comparison(None, cost, unmade=graded.why == "down")
        return Comparison(_LOSS[graded.winner], cost)
