"""The line that Claude Code writes in front of its instructions, for Anthropic's own books. Pure.

It says nothing to a model, and differs in every call (`cch=…`), so that nothing behind it is ever
the same prompt to who takes it for one (anthropics/claude-code, issues 24168 and 68900; ollama/
ollama, pull 14918; read 2026-11-23). CLAUDE_CODE_ATTRIBUTION_HEADER=0 leaves it out at its source.
"""

from __future__ import annotations

from typing import Any

ATTRIBUTION = "x-anthropic-billing-header:"


def without_attribution(system: Any, *, marked: bool = False) -> Any:
    """A system prompt of Anthropic's messages without that line; itself where it has none.

    A block that its client marks for a prefix cache stays, unless `marked` ones go, too.
    """
    if isinstance(system, str):
        return _rest(system)
    if not isinstance(system, list):
        return system
    found, changed = list[Any](), False
    for block in system:
        text = block.get("text") if isinstance(block, dict) else None
        if not marked and isinstance(text, str) and "cache_control" in block:
            text = None
        rest = _rest(text) if isinstance(text, str) else text
        changed = changed or rest is not text
        if rest is text:
            found.append(block)
        elif rest:
            found.append({**block, "text": rest})
    return found if changed else system


def _rest(text: str) -> str:
    """What stands behind it: it is the first line."""
    return text.partition("\n")[2].lstrip("\n") if text.startswith(ATTRIBUTION) else text
