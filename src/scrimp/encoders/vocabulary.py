"""OpenAI's vocabularies, offline: they ship with the package and are checked when read."""

from __future__ import annotations

import binascii
import gzip
import hashlib
import pkgutil
from collections.abc import Callable, Sized
from dataclasses import dataclass

import tiktoken

from scrimp.errors import ConfigError
from scrimp.tokens.encodings import CL100K, O200K


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What makes an encoding besides its ranks: facts of tiktoken_ext/openai_public.py (MIT)."""

    sha256: str
    size: int
    pattern: str
    special: dict[str, int]


_O200K_SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
VOCABULARIES = {
    CL100K: Vocabulary(
        sha256="223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
        size=100256,
        pattern=r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
        r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
        special={
            "<|endoftext|>": 100257,
            "<|fim_prefix|>": 100258,
            "<|fim_middle|>": 100259,
            "<|fim_suffix|>": 100260,
            "<|endofprompt|>": 100276,
        },
    ),
    O200K: Vocabulary(
        sha256="446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
        size=199998,
        pattern="|".join(
            (
                r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
                + _O200K_SUFFIX,
                r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
                + _O200K_SUFFIX,
                r"\p{N}{1,3}",
                r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
                r"\s*[\r\n]+",
                r"\s+(?!\S)",
                r"\s+",
            )
        ),
        special={"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
    ),
}


def load_vocabulary(name: str) -> tiktoken.Encoding:
    """Read, check and build one encoding (~0.3 s, ~80 MB for o200k). Raises ConfigError."""
    facts = VOCABULARIES[name]
    packed = pkgutil.get_data("scrimp.encoders", f"vocab/{name}.tiktoken.gz")
    try:
        data = gzip.decompress(packed or b"")
    except (OSError, EOFError) as error:
        msg = f"the vocabulary {name} cannot be read ({error}): reinstall scrimp"
        raise ConfigError(msg) from error
    found = hashlib.sha256(data).hexdigest()
    if found != facts.sha256:
        msg = (
            f"the vocabulary {name} is damaged: sha256 {found[:12]}, "
            f"expected {facts.sha256[:12]} (reinstall scrimp)"
        )
        raise ConfigError(msg)
    parts = data.split()
    ranks = dict(zip(map(binascii.a2b_base64, parts[::2]), map(int, parts[1::2]), strict=True))
    return tiktoken.Encoding(
        name, pat_str=facts.pattern, mergeable_ranks=ranks, special_tokens=facts.special
    )


_NO_SPECIAL: set[str] = set()
_BUFFER_CHARS = 1000
_ID_BYTES = 4


class Ordinary:
    """Token ids to be counted, not read: of a long text without a Python object for each.

    That is up to a tenth faster, and holds the interpreter's lock for no time. tiktoken offers it
    in public only together with numpy, so it is used where this tiktoken has it. So is its core
    for short texts: all that the public method does around it is to mend halves of characters.
    """

    __slots__ = ("_to_buffer", "_to_list")

    def __init__(self, encoding: tiktoken.Encoding) -> None:
        core = getattr(encoding, "_core_bpe", None)
        self._to_list: Callable[[str], Sized] = getattr(
            core, "encode_ordinary", encoding.encode_ordinary
        )
        self._to_buffer = getattr(core, "encode_to_tiktoken_buffer", None)

    def count(self, text: str) -> int:
        """How many ids `tiktoken.Encoding.encode_ordinary` gives; special tokens are text.

        Raises UnicodeEncodeError for halves of characters, where tiktoken does not mend them.
        """
        if len(text) < _BUFFER_CHARS or self._to_buffer is None:
            return len(self._to_list(text))
        return memoryview(self._to_buffer(text, _NO_SPECIAL)).nbytes // _ID_BYTES
