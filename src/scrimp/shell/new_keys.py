"""New keys: 256 random bits in letters and digits, and what is kept of them."""

from __future__ import annotations

import hashlib
import secrets
import string

from scrimp.identity import Secret

PREFIX = "sk-scrimp-"
_BITS = 256
_ALPHABET = string.digits + string.ascii_letters
_LENGTH = 43  # 62**43 > 2**256
_SUFFIX = 4


def new_key() -> str:
    """A key that a double click takes whole."""
    number, digits = secrets.randbits(_BITS), []
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return PREFIX + "".join(digits)


def kept(key: str) -> Secret:
    """Its digest, and the characters by which people recognise it."""
    return Secret(hashlib.sha256(key.encode()).hexdigest(), key[-_SUFFIX:])


def shown(suffix: str) -> str:
    """How a key is shown when it is no longer shown: `sk-scrimp-…abcd`."""
    return f"{PREFIX}…{suffix}"
