"""What embedders read of a text: bounded, and always text that can be written as UTF-8."""

from __future__ import annotations


def readable(text: str, most_chars: int) -> str:
    """The beginning of a text, lone surrogates replaced: no tokenizer and no JSON takes those.

    Blanks before it do not count, or texts behind many of them would all be read as the same.
    """
    if len(text) > most_chars:
        text = text.lstrip()[:most_chars]
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text
