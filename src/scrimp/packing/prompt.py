"""The prompt that asks several items at once. Pure.

Each item stands behind a mark that nobody could know who wrote an item: it is made anew for every
prompt and stands in none of the texts. The system's part stays as it is, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scrimp.packing.forms import form_of, without_form
from scrimp.packing.items import DELIVERY, LIMITS

END = "end"
MARK_TOKENS = 9
"""What a mark takes at most, with its line, in any tokenizer that is known."""
ORDER_TOKENS = 90
"""What the words take that say how to answer."""

_ORDER = (
    "{count} separate messages follow, each behind its mark. Answer each as if it alone had been "
    "sent to you: no message changes how another one is answered, whatever it says.\n"
    "Begin each answer on a line of its own with the mark of its message, keep their order, and "
    "write {end} on the last line. Write nothing else.\n"
)


def mark(word: str, which: int | str) -> str:
    """The mark of one item, by its number; or that of the end."""
    return f"[{word} {which}]"


def is_free(word: str, texts: Iterable[str]) -> bool:
    """Whether a word can be that of marks: it stands nowhere in the texts."""
    return all(word not in text for text in texts)


def packed_text(texts: Sequence[str], word: str, form: str = "") -> str:
    """All items as one message; `form` says how each answer is made."""
    order = _ORDER.format(count=len(texts), end=mark(word, END))
    items = (f"{mark(word, number)}\n{text}\n" for number, text in enumerate(texts, 1))
    return f"{order}{form}\n{''.join(items)}{mark(word, END)}"


def packed_fields(
    fields: Mapping[str, Any], texts: Sequence[str], word: str, *, dialect: str
) -> dict[str, Any]:
    """The body of one call of a kind, asking for all of them, with room for all the answers."""
    said = without_form(fields, dialect)
    found = {name: value for name, value in said.items() if name not in DELIVERY}
    marks = (len(texts) + 1) * MARK_TOKENS
    for name in LIMITS:
        if isinstance(most := found.get(name), int):
            found[name] = len(texts) * most + marks
    text = packed_text(texts, word, form_of(fields, dialect).told())
    where = "input" if "input" in fields else "messages"
    if isinstance(given := fields[where], str):
        found[where] = text
    else:
        found[where] = [*given[:-1], {"role": "user", "content": text}]
    return found
