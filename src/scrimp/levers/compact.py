"""Write the results of tools, and prompts where that is asked for, in fewer characters.

Each text is changed by itself, the first time it is sent and the same way ever after: a prefix that
the provider has cached stays what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from msgspec import Raw
from msgspec.structs import replace

from scrimp.calls import Call, Reply, Request
from scrimp.dialects.json_body import encode
from scrimp.ledger.smaller import less_text
from scrimp.ports import Next
from scrimp.shrinking.blocks import RESULT_SIGNS, list_name, prompts_changed, results_changed
from scrimp.shrinking.compacting import STEPS, Steps, Wording, compacted, reworded, steps_for
from scrimp.shrinking.memo import Short, ShortTexts
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
        self._tools: dict[str, _Results | None] = {}
        self._results: dict[Steps, _Results] = {}
        self._prompts = ShortTexts(MEMO_CHARACTERS)

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
        request, dialect, tools = call.request, call.target.dialect, self._tools

        def result(tool: str, text: str) -> str:
            results = tools[tool] if tool in tools else self._results_of(tool)
            return text if results is None else made.of(text, results.short(text))

        fields = request.fields
        items = results_changed(fields, dialect, result)
        if items is not None:
            fields = {**fields, list_name(dialect): items}
        wording = self._settings.wording
        if wording is not None:

            def prompt(text: str) -> str:
                short = self._reworded(text, wording)
                size = len(short.text)
                if size < len(text) and self._loses(call, len(text), size):
                    made.refused += 1
                    return text
                return made.of(text, short, prompt=True)

            changed = prompts_changed(fields, dialect, prompt)
            fields = fields if changed is None else changed
        if not made.texts:
            return None
        body = encode(made.spelled(fields, request.fields, dialect))
        return replace(request, body=body, fields=fields)

    def _loses(self, call: Call, before: int, after: int) -> bool:
        """By the text and the price list alone: what is refused once is refused ever after."""
        if before < LEAST_KEPT_CHARACTERS:
            return False
        kept = self._reads(call)
        return kept is not None and too_short_to_be_read(before, after, kept)

    def _results_of(self, tool: str) -> _Results | None:
        """Those of a tool that is new; None where its results are never touched."""
        if len(self._tools) >= _MOST_TOOLS:
            self._tools.clear()
        steps = steps_for(tool, self._settings.steps, self._settings.exact)
        found = None if steps is None else self._results.setdefault(steps, _Results(steps))
        self._tools[tool] = found
        return found

    def _reworded(self, text: str, wording: Wording) -> Short:
        return self._prompts.get(text) or self._prompts.keep(text, reworded(text, wording))


class _Results:
    """Results of all tools to which the same is done. Each text is worked on once."""

    __slots__ = ("_known", "_steps")

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._known = ShortTexts(MEMO_CHARACTERS)

    def short(self, text: str) -> Short:
        """In fewer characters."""
        return self._known.get(text) or self._known.keep(text, compacted(text, self._steps))


class _Made:
    """What was made shorter in one call."""

    __slots__ = ("_json", "characters", "prompts", "refused", "texts")

    def __init__(self) -> None:
        self.characters = self.texts = self.prompts = self.refused = 0
        self._json: dict[str, Raw] = {}

    def of(self, text: str, short: Short, *, prompt: bool = False) -> str:
        """Count a text; a longer one is not taken."""
        new = short.text
        if len(new) >= len(text):
            return text
        self.characters += len(text) - len(new)
        self.texts += 1
        self.prompts += prompt
        self._json[new] = short.json
        return new

    def spelled(
        self, fields: Mapping[str, Any], before: Mapping[str, Any], dialect: str
    ) -> Mapping[str, Any]:
        """The fields with texts as they stand in JSON: these are not to be escaped once more."""
        name, known = list_name(dialect), self._json
        items, old = fields.get(name), before.get(name)
        if type(items) is not list or type(old) is not list:
            return fields
        where, found = "output" if name == "input" else "content", list(items)
        for number, (item, was) in enumerate(zip(items, old, strict=True)):
            if item is not was and type(text := item.get(where)) is str and text in known:
                found[number] = {**item, where: known[text]}
        return {**fields, name: found}
