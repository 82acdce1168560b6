"""Where in a text plain prose stands, which may be reworded, and where it does not. Pure.

Never prose: code between fences or back quotes, indented lines, quoted lines, what stands between
quotation marks, tags, links. Where marks do not pair as they should, nothing between them is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_NO_PROSE = re.compile(r"(?: {4}|\t|\s{0,3}>)")
_KEPT = re.compile(
    r"(?P<ticks>`+)(?:.*?(?<!`)(?P=ticks)(?!`)|.*\Z)"
    r"|(?i:<(?P<tag>code|pre|kbd|samp|script|style|q|blockquote)\b[^<>]*>.*?(?:</(?P=tag)\s*>|\Z))"
    r"|[“‟][^”]*(?:”|\Z)|«[^»]*(?:»|\Z)|»[^«]*(?:«|\Z)|„[^“”]*(?:[“”]|\Z)"
    r"|\u2039[^\u203a]*(?:\u203a|\Z)|\u203a[^\u2039]*(?:\u2039|\Z)"
    r"|「[^」]*(?:」|\Z)|『[^』]*(?:』|\Z)|｢[^｣]*(?:｣|\Z)|《[^》]*(?:》|\Z)|〈[^〉]*(?:〉|\Z)"
    r"|[〝〟][^〝〞〟]*(?:[〝〞〟]|\Z)|❝[^❞]*(?:❞|\Z)|❛[^❜]*(?:❜|\Z)"
    r"|(?P<same>[״\uff02\u2033\uff07])(?:(?!(?P=same)).)*(?:(?P=same)|\Z)"
    r"|&(?:quot|ldquo|laquo|\#34);.*?(?:&(?:quot|rdquo|raquo|\#34);|\Z)"
    r"|\u201a[^\u2018\u2019]*(?:[\u2018\u2019]|\Z)"
    r"|(?<!\w)[\u2018\u201b](?=\S).*?(?:(?<=\S)\u2019(?!\w)|\Z)"
    r"|(?<!\w)\u2019(?=\S)[^\n]{1,200}?(?<=\S)\u2019(?!\w)"
    r'|"[^"]*"'
    r"|(?<!\w)'(?=\S).*?(?:(?<=\S)'(?!\w)|\Z)"
    r"|<[^<>]*>"
    r"|\b(?:https?|file)://\S+",
    re.DOTALL,
)
# single ones by their numbers: they look like other characters
_OPEN_CLOSE = (
    *(("“", "”"), ("«", "»"), ("\u2039", "\u203a"), ("「", "」"), ("『", "』")),
    *(("｢", "｣"), ("《", "》"), ("〈", "〉"), ("❝", "❞"), ("❛", "❜")),
)
_SAME = ("״", "\uff02", "\u2033", "\uff07")
"""Marks that close as they open."""
_TAGS = tuple([(f"<{tag}", f"</{tag}") for tag in ("code", "pre", "script", "style", "blockquote")])


def in_prose(text: str, change: Callable[[str], str]) -> str:
    """The text with `change` made to each stretch of prose, and to nothing else."""
    return "".join([change(part) if plain else part for part, plain in _stretches(text)])


def in_lines(text: str, change: Callable[[str], str]) -> str:
    """The text with `change` made to each run of lines that stand in no fence."""
    return "".join([change(part) if plain else part for part, plain in _blocks(text)])


def _blocks(text: str) -> Iterator[tuple[str, bool]]:
    """Runs of lines, and whether they stand outside of fences."""
    if "```" not in text and "~~~" not in text:
        yield text, True
        return
    run: list[str] = []
    fence = ""
    *whole, rest = text.split("\n")  # and nowhere else: white space at a line's end may go
    for line in (*[line + "\n" for line in whole], rest):
        match = _FENCE.match(line)
        opens = match is not None and not fence
        if opens and run:
            yield "".join(run), True
            run = []
        run.append(line)
        if opens and match is not None:
            fence = match[1]
        elif match is not None and match[1].startswith(fence) and not line.strip(" \r\n`~"):
            yield "".join(run), False
            run, fence = [], ""
    if run:
        yield "".join(run), not fence


def _stretches(text: str) -> Iterator[tuple[str, bool]]:
    for block, outside in _blocks(text):
        if not outside:
            yield block, False
            continue
        for part, plain in _paragraphs(block):
            if plain:
                yield from _between_marks(part)
            else:
                yield part, False


def _paragraphs(block: str) -> Iterator[tuple[str, bool]]:
    """Paragraphs, and whether each may hold prose; a quotation over several of them may not."""
    parts = re.split(r"(\n[ \t]*\n)", block)
    loose = [number for number, part in enumerate(parts) if not (_pairs(part) and _even(part))]
    for number, part in enumerate(parts):
        quoted = bool(loose) and loose[0] <= number <= loose[-1]
        lines = part.splitlines(keepends=True)
        if quoted or not any(map(_NO_PROSE.match, lines)):
            yield part, not quoted
            continue
        for line in lines:
            yield line, _NO_PROSE.match(line) is None


def _pairs(part: str) -> bool:
    """True when straight quotation marks open and close in turn, as far as can be seen."""
    at, opens = part.find('"'), True
    while at >= 0:
        before, after = part[at - 1 : at] if at else "", part[at + 1 : at + 2]
        outer, inner = (before, after) if opens else (after, before)
        if outer.isalnum() or not inner or inner.isspace():
            return False
        at, opens = part.find('"', at + 1), not opens
    return opens


def _even(part: str) -> bool:
    """True when as many quotations and pieces of code begin as end here."""
    if "„" in part:
        return part.count("„") in (part.count("“"), part.count("”"))
    if any(part.count(begin) != part.count(end) for begin, end in _OPEN_CLOSE):
        return False
    if part.count("\u2018") > part.count("\u2019") or any(part.count(one) % 2 for one in _SAME):
        return False
    lower = part.lower() if "<" in part else ""
    return all(lower.count(begin) == lower.count(end) for begin, end in _TAGS)


def _between_marks(part: str) -> Iterator[tuple[str, bool]]:
    at = 0
    for match in _KEPT.finditer(part):
        yield part[at : match.start()], True
        yield match[0], False
        at = match.end()
    yield part[at:], True
