"""What may be asked of the form of an answer, and in which words a model is told. Pure.

The words of a preset are the same in every call, so that what a provider has cached stays cached.
"""

from __future__ import annotations

import re
from typing import Literal

from scrimp.values import Value

Kind = Literal["concise", "json", "object", "code", "sentences", "paragraph"]
MOST_SENTENCES = 50
PRESETS = ("concise", "json", "json object", "code", "one paragraph", "N sentences")
"""As people write them; `off` is none, and `, always` asks for it whatever it costs."""
OFF = "off"
_ALWAYS = "always"
_SENTENCES = re.compile(r"(one|\d{1,3})[ -]sentences?")
_NAMES: dict[str, tuple[Kind, int]] = {
    "concise": ("concise", 0),
    "json": ("json", 0),
    "json only": ("json", 0),
    "json object": ("object", 0),
    "code": ("code", 0),
    "code only": ("code", 0),
    "paragraph": ("paragraph", 1),
    "one paragraph": ("paragraph", 1),
}
_WORDS: dict[Kind, str] = {
    "concise": (
        "Be brief: give the answer itself, without an introduction, without repeating the "
        "question, and without a closing remark."
    ),
    "json": "Answer with JSON only: no text before or after it, and no code fence around it.",
    "object": (
        "Answer with one JSON object only: no text before or after it, and no code fence around it."
    ),
    "code": "Answer with code only, in one block: no explanation before or after it.",
    "paragraph": "Answer in one paragraph.",
}


class Brief(Value, frozen=True):
    """One preset. With `always` it is asked for though it may cost more than it saves."""

    kind: Kind
    number: int = 0
    always: bool = False

    @property
    def name(self) -> str:
        """As people write it, such as `3 sentences`."""
        match self.kind:
            case "sentences":
                return f"{self.number} sentence{'s' if self.number > 1 else ''}"
            case "paragraph":
                return "one paragraph"
            case "object":
                return "json object"
            case _:
                return self.kind

    @property
    def text(self) -> str:
        """The words that a model is told."""
        if self.kind == "sentences":
            one = self.number == 1
            return f"Answer in {'one sentence' if one else f'at most {self.number} sentences'}."
        return _WORDS[self.kind]


def brief_of(text: str) -> Brief | None:
    """A preset as people write it; None for `off` and for nothing. Raises ValueError."""
    name, comma, rest = text.strip().lower().partition(",")
    always = rest.strip() == _ALWAYS
    if comma and not always:
        raise ValueError(f"'{rest.strip()[:40]}' is not known after a comma (only '{_ALWAYS}' is)")
    name = " ".join(name.split())
    if name in ("", OFF):
        if always:
            raise ValueError(f"'{_ALWAYS}' needs a preset before it ({', '.join(PRESETS)})")
        return None
    if (known := _NAMES.get(name)) is not None:
        return Brief(known[0], known[1], always)
    found = _SENTENCES.fullmatch(name)
    number = 0 if found is None else 1 if found[1] == "one" else int(found[1])
    if not 1 <= number <= MOST_SENTENCES:
        raise ValueError(
            f"'{name[:40]}' is none of {', '.join(PRESETS)} (N from 1 to {MOST_SENTENCES}) or {OFF}"
        )
    return Brief("sentences", number, always)


def canonical(text: str) -> str:
    """The same preset in one spelling, for keys; empty for nothing. Raises ValueError."""
    if not text.strip():
        return ""
    found = brief_of(text)
    if found is None:
        return OFF
    return f"{found.name}, {_ALWAYS}" if found.always else found.name
