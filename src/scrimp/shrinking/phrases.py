"""Wordy phrases and what they say in fewer words: the whole list. Lossy, so only when asked. Pure.

Made in prose only: never between quotation marks, in code, tags, links or quoted lines. No short
form holds a long one, so that a second time changes nothing.
"""

from __future__ import annotations

import re

from scrimp.shrinking.prose import in_prose

PHRASES: dict[str, str] = {
    "a large number of": "many",
    "a majority of": "most",
    "a number of": "some",
    "a sufficient number of": "enough",
    "are able to": "can",
    "as a consequence of": "because of",
    "as a result of": "because of",
    "as well as": "and",
    "at all times": "always",
    "at the present time": "now",
    "at this point in time": "now",
    "by means of": "by",
    "despite the fact that": "although",
    "due to the fact that": "because",
    "during the course of": "during",
    "each and every": "every",
    "first and foremost": "first",
    "for the purpose of": "for",
    "for the reason that": "because",
    "has the ability to": "can",
    "have the ability to": "can",
    "in a timely manner": "promptly",
    "in accordance with": "by",
    "in addition to": "besides",
    "in close proximity to": "near",
    "in order that": "so that",
    "in order to": "to",
    "in regard to": "about",
    "in spite of the fact that": "although",
    "in the absence of": "without",
    "in the case that": "if",
    "in the event of": "if there is",
    "in the event that": "if",
    "in the near future": "soon",
    "in the process of": "while",
    "in view of the fact that": "because",
    "is able to": "can",
    "it is important to note that": "note:",
    "it should be noted that": "note:",
    "make a decision": "decide",
    "make use of": "use",
    "notwithstanding the fact that": "although",
    "on a daily basis": "daily",
    "on a regular basis": "regularly",
    "on the grounds that": "because",
    "owing to the fact that": "because",
    "prior to": "before",
    "regardless of the fact that": "although",
    "subsequent to": "after",
    "take into consideration": "consider",
    "the fact that": "that",
    "the majority of": "most",
    "until such time as": "until",
    "whether or not": "whether",
    "with reference to": "about",
    "with regard to": "about",
    "with respect to": "about",
    "with the exception of": "except",
    "would be able to": "could",
}
"""What is written, and what stands there instead. Applied without regard to case."""

_LONG = re.compile(
    r"(?<![\w'\u2019-])(?:"
    + "|".join(
        re.escape(phrase).replace(r"\ ", r"[ \n]") for phrase in sorted(PHRASES, key=len)[::-1]
    )
    + r")(?![\w'\u2019-])",
    re.IGNORECASE,
)


def shortened(text: str) -> str:
    """The text with these phrases in fewer words."""
    return in_prose(text, lambda part: _LONG.sub(_short, part))


def _short(match: re.Match[str]) -> str:
    found = match[0]
    short = PHRASES[found.lower().replace("\n", " ")]
    if found.isupper():
        return short.upper()
    return short[0].upper() + short[1:] if found[0].isupper() else short
