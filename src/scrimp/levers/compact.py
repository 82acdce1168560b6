"""Write the results of tools, and prompts where that is asked for, in fewer characters.

Each text is changed by itself, the first time it is sent and the same way ever after: a prefix that
the provider has cached stays what it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from msgspec.structs import replace

from scrimp.calls import Call, Reply, Request
from scrimp.dialects.json_body import encode
from scrimp.ledger.smaller import less_text
from scrimp.ports import Next
from scrimp.shrinking.blocks import RESULT_SIGNS, list_name, prompts_changed, results_changed
from scrimp.shrinking.compacting import STEPS, Steps, Wording, compacted, reworded, steps_for
from scrimp.shrinking.memo import ShortTexts
from scrimp.shrinking.worth import LEAST_KEPT_CHARACTERS, Kept, too_short_to_be_read

COMPACTED = "x-scrimp-compacted"
"""The header of a call that was sent in fewer characters: how many are gone."""

MEMO_CHARACTERS = 8 * 1024 * 1024
"""For results, for those of shells, and for prompts, each."""
_MOST_TOOLS = 1024

Reads = Callable[[Call], Kept | None]
"""What a call's beginning costs when it is read from a prefix cache; None where none is."""


@dataclass(frozen=True, slots=True)
class CompactSettings:
    """`exact` names tools whose results are never touched. Without `wording` no prompt is."""

    steps: Steps = STEPS
    exact: frozenset[str] = frozenset()
    wording: Wording | None = None


class Compact:
    """Remembers what it made of texts: an agent sends each of them again with every call."""

    name: ClassVar[str] = "compact"
    fail_closed: ClassVar[bool] = False

    def __init__(self, settings: CompactSettings, reads: Reads = lambda _: None) -> None:
        self._settings = settings
        self._reads = reads
        self._results: dict[str, ShortTexts] = {}
        self._prompts = ShortTexts(MEMO_CHARACTERS)
        self._steps: dict[str, Steps | None] = {}

    async def __call__(self, call: Call, next: Next) -> Reply:
        """Pass on a smaller call, or the same one where there is nothing to gain."""
        sign = RESULT_SIGNS.get(call.target.dialect)
        if call.operation != "chat" or sign is None:
            return await next(call)
        if self._settings.wording is None and sign not in call.request.body:
            return await next(call)
        made = _Made()
        smaller = self._smaller(call, made)
        if made.refused:
            call.trace.note(self.name, "refused_by_price", {"texts": made.refused})
        if smaller is None:
            return await next(call)
        lossy = self._settings.wording is not None and self._settings.wording.lossy
        numbers = less_text(made.characters, len(smaller.body))
        told = {**numbers, "texts": made.texts, "lossy": "yes" if lossy and made.prompts else "no"}
        call.trace.note(self.name, "compacted", told)
        call.trace.headers[COMPACTED] = f"{made.characters} characters of {made.texts} texts"
        return await next(replace(call, request=smaller))

    def _smaller(self, call: Call, made: _Made) -> Request | None:
        request, dialect = call.request, call.target.dialect

        def result(tool: str, text: str) -> str:
            steps = self._steps_for(tool)
            return text if steps is None else made.of(text, self._compacted(text, steps))

        fields = request.fields
        items = results_changed(fields, dialect, result)
        if items is not None:
            fields = {**fields, list_name(dialect): items}
        wording = self._settings.wording
        if wording is not None:

            def prompt(text: str) -> str:
                new = self._reworded(text, wording)
                if len(new) < len(text) and self._loses(call, len(text), len(new)):
                    made.refused += 1
                    return text
                return made.of(text, new, prompt=True)

            changed = prompts_changed(fields, dialect, prompt)
            fields = fields if changed is None else changed
        if not made.texts:
            return None
        return replace(request, body=encode(fields), fields=fields)

    def _loses(self, call: Call, before: int, after: int) -> bool:
        """By the text and the price list alone: what is refused once is refused ever after."""
        if before < LEAST_KEPT_CHARACTERS:
            return False
        kept = self._reads(call)
        return kept is not None and too_short_to_be_read(before, after, kept)

    def _steps_for(self, tool: str) -> Steps | None:
        try:
            return self._steps[tool]
        except KeyError:
            if len(self._steps) >= _MOST_TOOLS:
                self._steps.clear()
            found = steps_for(tool, self._settings.steps, self._settings.exact)
            self._steps[tool] = found
            return found

    def _compacted(self, text: str, steps: Steps) -> str:
        if (known := self._results.get(steps.json)) is None:
            known = self._results[steps.json] = ShortTexts(MEMO_CHARACTERS)
        if (new := known.get(text)) is None:
            known.keep(text, new := compacted(text, steps))
        return new

    def _reworded(self, text: str, wording: Wording) -> str:
        if (new := self._prompts.get(text)) is None:
            self._prompts.keep(text, new := reworded(text, wording))
        return new


class _Made:
    """What was made shorter in one call."""

    __slots__ = ("characters", "prompts", "refused", "texts")

    def __init__(self) -> None:
        self.characters = self.texts = self.prompts = self.refused = 0

    def of(self, text: str, new: str, *, prompt: bool = False) -> str:
        """Count a text; a longer one is not taken."""
        if len(new) >= len(text):
            return text
        self.characters += len(text) - len(new)
        self.texts += 1
        self.prompts += prompt
        return new
