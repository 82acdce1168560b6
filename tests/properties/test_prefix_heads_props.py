"""Beginnings that are compared by blocks of lines part where they do line by line."""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from scrimp.prefixes import heads
from scrimp.prefixes.breaking import Breaks, Broken
from scrimp.prefixes.heads import in_blocks, opened
from scrimp.prefixes.placing import claude_parts
from scrimp.prefixes.placing_openai import chat_parts
from scrimp.prefixes.prompt import Part, prompt_of

ENDS = ("\n", ". ", "\\n")
LINE = st.sampled_from(["", "a", ".", " ", "Be kind.", "Rule 7: be kind to all who come.", "\\"])
EDIT = st.tuples(
    st.floats(0, 1), st.integers(0, 40), st.lists(LINE | st.text(max_size=9), max_size=40)
)
"""Where, how many lines go, and which come in their place."""


@st.composite
def texts(draw: st.DrawFn) -> list[str]:
    """A text of many lines, and what it becomes by one change after the other."""
    end = draw(st.sampled_from(ENDS))
    lines = [f"{draw(LINE)}{n % 90}" for n in range(draw(st.integers(0, 560)))]
    found = [end.join(lines)]
    for where, gone, come in draw(st.lists(EDIT, min_size=1, max_size=4)):
        at = int(where * len(lines))
        lines[at : at + gone] = come
        found.append(end.join(lines))
    return found


@given(texts())
def test_lines_are_the_same_however_they_are_found(said: list[str]) -> None:
    """Their hashes, where each begins, and what it holds."""
    last = None
    for text in said:
        part = Part(("system", 0), text, "marked")
        plain = opened(part, 1.0)
        found = plain if last is None else opened(part, 1.0, [last])
        assert found.head._replace(blocks=()) == plain.head
        for line in range(len(plain.between) + 1):
            assert found.starts(line) == plain.starts(line)
            assert found.line(line) == plain.line(line)
        last = in_blocks(found)
        assert sum(block.lines for block in last.blocks) in (0, len(last.lines))
        assert sum(block.size for block in last.blocks) in (0, len(text.encode()))


@given(texts(), st.booleans())
def test_what_broke_is_told_as_without_blocks(
    said: list[str],
    whole: bool,  # noqa: FBT001 (drawn)
) -> None:
    """Where, in which line, and how much was lost."""

    def told() -> list[Broken | None]:
        breaks = Breaks(300.0, 0, whole=whole)
        prompts = [
            prompt_of(claude_parts({"system": text, "messages": [{"content": f"{n}"}]}), "m")
            for n, text in enumerate(said)
        ]
        prompts += [
            prompt_of(chat_parts({"messages": [{"content": [{"type": "text", "text": one}]}]}), "m")
            for one in said
        ]
        return [breaks.look(prompt, 0, 1.0) for prompt in prompts]

    found = told()
    with patch.object(heads, "_LEAST_LINES", 10**9):
        assert told() == found
