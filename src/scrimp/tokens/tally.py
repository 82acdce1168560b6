"""Adding up a request: texts in raw tokens, and everything else as (low, tokens, high)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from scrimp.ports import Count
from scrimp.tokens.encodings import EncodingChoice, scale

Mark = tuple[int, int, int, int, int]
"""How many texts wait, raw tokens so far, and so far of what is no text (low, tokens, high)."""
CountText = Callable[[str], int]
CountTexts = Callable[[list[str]], int]
Range = tuple[int, int, int]
"""Low, best guess, high."""


def exactly(tokens: int) -> Range:
    """A number that is known."""
    return tokens, tokens, tokens


@dataclass(slots=True)
class Tally:
    """A sum being made. `raw` is scaled to the model's tokenizer at the end, the rest is not.

    `texts` wait to be counted together, which for many that are known is much faster. Where there
    is a list for `marks` they say where each message ends; `around` goes around each beside that.
    """

    count_text: CountText
    raw: int = 0
    low: int = 0
    tokens: int = 0
    high: int = 0
    texts: list[str] = field(default_factory=list)
    marks: list[Mark] | None = None
    around: Range = (0, 0, 0)

    def mark(self) -> None:
        """The first message begins, or one ends."""
        if self.marks is not None:
            self.marks.append((len(self.texts), self.raw, self.low, self.tokens, self.high))

    def count_rest(self, count_texts: CountTexts | None) -> None:
        """Count the texts that wait."""
        texts, self.texts = self.texts, []
        if count_texts is None:
            self.raw += sum(map(self.count_text, texts))
        else:
            self.raw += count_texts(texts)

    def text(self, value: object) -> None:
        """Count a text; anything else counts nothing."""
        if isinstance(value, str) and value:
            self.raw += self.count_text(value)

    def add(self, amount: Range) -> None:
        """Add tokens that are no text: framing, images."""
        self.low += amount[0]
        self.tokens += amount[1]
        self.high += amount[2]

    @property
    def others(self) -> Range:
        """What is no text."""
        return self.low, self.tokens, self.high

    def total(self, choice: EncodingChoice, method: str) -> Count:
        """The sum in tokens of the model."""
        text = scale(self.raw, choice)
        return Count(
            text.tokens + self.tokens,
            max(0, text.low + self.low),
            text.high + self.high,
            f"{text.method}, {method}",
        )
