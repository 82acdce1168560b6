"""Whatever happens in whatever order: nothing is served too late, or after it was ended."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from scrimp.calls import Reply
from scrimp.dialects import DIALECTS
from scrimp.remembered import CacheControl, Chosen
from scrimp.semantics.answers import text_of
from tests.support.core import answer_fields, verdicts
from tests.support.renewals import ALIAS, HOUR_S, OTHER, ROOT, TEN_MINUTES_S, House

_ASKED = st.tuples(st.just("ask"), st.sampled_from([ROOT, ALIAS, OTHER]))
_OPS = st.one_of(
    _ASKED,
    _ASKED,
    st.tuples(st.just("refresh"), st.sampled_from([ROOT, ALIAS, OTHER])),
    st.tuples(st.just("wait"), st.sampled_from([1, 59, 300, TEN_MINUTES_S, HOUR_S - 1, HOUR_S])),
    st.tuples(st.just("end"), st.sampled_from(["invalidate", "down"])),
    st.tuples(st.just("land"), st.none()),
)


class Numbered(House):
    """Each answer of the provider is another; when it came is written down."""

    def __init__(self) -> None:
        super().__init__()
        self.came_at: dict[str, float] = {}
        self.ended: set[str] = set()
        self.last: tuple[str, str] = ("", "")
        self.gate.clear()

    def text(self) -> str:
        """Of the next answer."""
        text = f"Answer {len(self.came_at)}."
        self.came_at[text] = self.clock.now().timestamp()
        return text

    async def _ask_anew(self, call: Any) -> Reply:
        text = self.text()
        await self.gate.wait()
        self.came_at[text] = self.clock.now().timestamp()
        reply = await self.provider(call)
        return replace(reply, body=answer_fields(text))

    async def do(self, what: str, word: Any) -> None:
        """One step, and what must hold after it."""
        if what == "wait":
            self.pass_by(word)
        elif what == "land":
            self.gate.set()
            await self.settled()
            self.gate.clear()
        elif what == "end":
            await self._end(word)
        else:
            await self._asked(word, CacheControl("refresh" if what == "refresh" else "default"))

    async def _end(self, how: str) -> None:
        if how == "invalidate":
            self.pass_by(1)
            await self.store.invalidate(Chosen(tenant="local"))
            self.ended |= self.came_at.keys()
            self.pass_by(1)
        elif self.last[0]:
            done = await self.parts.feedback.take(self.last[0], "local", "down", ())
            if done == "quarantined":
                self.ended.add(self.last[1])

    async def _asked(self, text: str, cache: CacheControl) -> None:
        coming = self.text()
        self.provider.answers[text] = coming
        call_id = f"call-{len(self.came_at)}"
        reply, call = await self.ask(text, id=call_id, cache=cache)
        (verdict,) = verdicts(call, "semantic_cache")
        said = text_of(reply, DIALECTS["openai.chat"])
        if verdict not in ("hit", "stale"):
            assert said == coming
            return
        age_s = self.clock.now().timestamp() - self.came_at[said]
        assert said not in self.ended
        assert age_s < (HOUR_S if verdict == "hit" else HOUR_S + TEN_MINUTES_S)
        self.last = (call_id, said)


@given(st.lists(_OPS, max_size=40))
def test_nothing_is_served_too_late_or_after_its_end(ops: list[tuple[str, Any]]) -> None:
    """Hits within their time, stale ones within the grace, none that was ended."""

    async def run() -> None:
        house = Numbered()
        for what, word in ops:
            await house.do(what, word)
        house.gate.set()
        await house.settled()

    asyncio.run(run())
