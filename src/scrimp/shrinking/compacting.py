"""How one text becomes shorter: which steps, in which order, and what is never touched. Pure.

The result follows from the text and the steps alone, so a block is the same in every later call and
prefixes that a provider has cached stay what they were. Done twice it changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from scrimp.shrinking.columns import in_columns, minified, unescaped
from scrimp.shrinking.examples import K, fewer_examples
from scrimp.shrinking.phrases import shortened
from scrimp.shrinking.spaces import single_spaced, tidied
from scrimp.shrinking.terminal import shown, told_once
from scrimp.values import Value

Json = Literal["off", "minify", "columns"]

LEAST_SAVED = 16
"""Fewer characters are not worth a change: tokens need not be fewer then."""

_SIGNED = re.compile(
    r'"(?:[A-Za-z_]*[sS]ignature|hmac|digest|checksum|hash|sha256|sha512|jws|encrypted_content)"\s*:'
    r"|-----BEGIN "
)
_SIGNS = (
    *('ignature"', '"hmac"', '"digest"', '"checksum"', '"hash"', '"sha256"', '"sha512"', '"jws"'),
    *('"encrypted_content"', "-----BEGIN "),
)
"""One of them stands in whatever `_SIGNED` finds; long ones are looked for faster."""

_EXACT = frozenset(
    ("read", "view", "cat", "open", "edit", "editor", "replace", "patch", "diff", "file", "files")
)
_SHELL = frozenset(
    ("bash", "shell", "sh", "run", "exec", "execute", "command", "terminal", "console", "python")
)
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


class Steps(Value, frozen=True):
    """What is done to a tool's result. All of it keeps what the text says."""

    json: Json = "columns"
    terminal: bool = True
    repeats: bool = True
    spaces: bool = True


STEPS = Steps()


class Wording(Value, frozen=True):
    """What is done to a prompt. `phrases` and `examples` lose something; 0 examples is off."""

    spaces: bool = True
    phrases: bool = False
    examples: int = 0

    @property
    def lossy(self) -> bool:
        """True when something that the prompt said may be gone."""
        return self.phrases or self.examples > 0


LOSSY = Wording(spaces=True, phrases=True, examples=K)


def steps_for(tool: str, steps: Steps, exact: Iterable[str] = ()) -> Steps | None:
    """What may be done to the results of a tool; None: nothing.

    What reads files is left alone, as an edit must find a file's text as it stands; so are tools
    in `exact` and those without a name. A shell may have shown a file, so of its output only
    colours, what was written over, and lines that repeat go.
    """
    if not tool or tool in exact:
        return None
    words = {word.lower() for word in _WORDS.findall(tool)}
    if words & _SHELL:
        return Steps(json="off", terminal=steps.terminal, repeats=steps.repeats, spaces=False)
    return None if words & _EXACT else steps


def compacted(text: str, steps: Steps) -> str:
    """A tool's result in fewer characters; the text itself where little or nothing is gained."""
    new = looked = _json(text, steps.json)
    if new is None or looked is None:
        new, looked = _lines(text, steps), text  # of JSON all names are in what is left of it
    if not new or len(text) - len(new) < LEAST_SAVED or (_has_sign(looked) and is_signed(text)):
        return text
    return new


def reworded(text: str, wording: Wording) -> str:
    """A prompt in fewer characters."""
    if is_signed(text):
        return text
    new = fewer_examples(text, wording.examples) if wording.examples else text
    if wording.spaces:
        new = single_spaced(tidied(new))
    return shortened(new) if wording.phrases else new


def is_signed(text: str) -> bool:
    """True for what carries a signature or a hash of itself, perhaps over these very characters."""
    return _has_sign(text) and _SIGNED.search(text) is not None


def _has_sign(text: str) -> bool:
    return any(sign in text for sign in _SIGNS)


def is_json(text: str) -> bool:
    """True for what begins like an object or a list, and may be one."""
    return text.lstrip(" \t\r\n").startswith(("{", "["))


def _json(text: str, how: Json) -> str | None:
    """None for what is no JSON. A line that tells of others would make it none, whatever `how`."""
    new = minified(text) if is_json(text) else None
    if new is None:
        return None
    if how == "off":
        return text
    return in_columns(unescaped(new)) if how == "columns" else new


def _lines(text: str, steps: Steps) -> str:
    if steps.terminal and (plain := shown(text)) != text:
        if (new := _json(plain, steps.json)) is not None:
            return new  # it was coloured
        text = plain
    if steps.spaces:
        text = tidied(text)
    return told_once(text) if steps.repeats else text
