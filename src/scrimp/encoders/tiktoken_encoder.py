"""OpenAI's tokenizers behind the Encoder port, offline: vocabularies ship with the package.

A vocabulary is loaded on first use, in a thread, once; long texts are counted in a thread too, so
that the event loop never waits.
"""

from __future__ import annotations

import asyncio
import binascii
import gzip
import hashlib
import pkgutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import tiktoken
from cachetools import LRUCache
from msgspec.structs import replace

from scrimp.encoders.pieces import MAX_PIECE, pieces
from scrimp.errors import ConfigError
from scrimp.ports import Count
from scrimp.tokens import count_request, encoding_for, scale
from scrimp.tokens.encodings import CL100K, O200K

_OFF_LOOP_CHARS = 4096
"""Above this many characters (~0.4 ms) a text is counted in a thread."""

_MEMO_TEXTS = 8192
_MEMO_MIN_CHARS = 256
_CUT_SLACK = 16


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


class OrdinaryEncoder(Protocol):
    """The part of tiktoken.Encoding that is used."""

    def encode_ordinary(self, text: str) -> list[int]:
        """Token ids; special tokens in the text are ordinary text."""
        ...


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


def count_tokens(encoding: OrdinaryEncoder, text: str) -> tuple[int, int]:
    """Tokens of a text, and how many tokens off the number may be (0: exact).

    Texts are cut where the tokenizer itself would cut, which changes nothing. Only an unbroken run
    of more than MAX_PIECE characters without such a place is cut by force: each such cut can move
    the number by a few tokens.
    """
    tokens = doubt = 0
    for piece, forced in pieces(text):
        number, unsure = _count_piece(encoding, piece)
        tokens += number
        doubt += unsure + (_CUT_SLACK if forced else 0)
    return tokens, doubt


def _count_piece(encoding: OrdinaryEncoder, piece: str) -> tuple[int, int]:
    try:
        return len(encoding.encode_ordinary(piece)), 0
    except BaseException as error:
        # A panic in tiktoken's native code is no Exception, and would tear down the caller's task
        # group. Everything else that is no Exception (cancellation, exit) must go on.
        if type(error).__name__ != "PanicException":
            raise
        size = len(piece.encode("utf-8", "surrogatepass"))
        return size // 2, size - size // 2


class TiktokenEncoder:
    """Counts with cl100k_base and o200k_base; other vendors by a ratio, with bounds.

    One instance belongs to one event loop; `count_now` may be called without any.
    """

    def __init__(self) -> None:
        self._loaded: dict[str, tiktoken.Encoding] = {}
        self._loading = asyncio.Lock()
        self._guard = threading.Lock()
        self._memo: LRUCache[tuple[str, bytes], tuple[int, int]] = LRUCache(_MEMO_TEXTS)

    async def count(self, model: str, texts: tuple[str, ...]) -> Count:
        """Tokens of each text added up. Loads the vocabulary on first use. Raises ConfigError."""
        choice = encoding_for(model)
        encoding = self._loaded.get(choice.name)
        if encoding is None:
            async with self._loading:
                encoding = await asyncio.to_thread(self._vocabulary, choice.name)
        tokens = doubt = 0
        for text in texts:
            number, unsure = await self._count_text(choice.name, encoding, text)
            tokens += number
            doubt += unsure
        return _bounded(tokens, doubt, model)

    async def count_request(self, model: str, fields: Mapping[str, Any], dialect: str) -> Count:
        """Prompt tokens of a whole request, off the event loop. Raises ConfigError.

        Raises ValueError for a dialect that cannot be counted.
        """
        return await asyncio.to_thread(self.request_now, model, fields, dialect)

    def request_now(self, model: str, fields: Mapping[str, Any], dialect: str) -> Count:
        """The same in the calling thread."""
        encoding = self._vocabulary(encoding_for(model).name)
        doubts = [0]

        def count_text(text: str) -> int:
            tokens, doubt = count_tokens(encoding, text)
            doubts.append(doubt)
            return tokens

        count = count_request(fields, dialect, model, count_text)
        doubt = scale(sum(doubts), encoding_for(model)).high
        return replace(count, low=max(0, count.low - doubt), high=count.high + doubt)

    def count_now(self, model: str, text: str) -> Count:
        """The same in the calling thread, for the command line. Raises ConfigError."""
        tokens, doubt = count_tokens(self._vocabulary(encoding_for(model).name), text)
        return _bounded(tokens, doubt, model)

    def ready(self, model: str) -> bool:
        """True when counting for this model would load nothing."""
        return encoding_for(model).name in self._loaded

    async def close(self) -> None:
        """Drop the vocabularies."""
        self._loaded.clear()
        self._memo.clear()

    def _vocabulary(self, name: str) -> tiktoken.Encoding:
        """The encoding, loaded at most once whoever asks."""
        with self._guard:
            found = self._loaded.get(name)
            if found is None:
                found = self._loaded[name] = load_vocabulary(name)
            return found

    async def _count_text(self, name: str, encoding: OrdinaryEncoder, text: str) -> tuple[int, int]:
        if len(text) < _MEMO_MIN_CHARS:
            return count_tokens(encoding, text)
        # Chats send their history again each turn; the digest keeps no prompt in memory.
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        found = self._memo.get((name, digest))
        if found is None:
            if len(text) <= _OFF_LOOP_CHARS:
                found = count_tokens(encoding, text)
            else:
                found = await asyncio.to_thread(count_tokens, encoding, text)
            self._memo[name, digest] = found
        return found


def _bounded(tokens: int, doubt: int, model: str) -> Count:
    choice = encoding_for(model)
    if not doubt:
        return scale(tokens, choice)
    low, high = scale(max(0, tokens - doubt), choice), scale(tokens + doubt, choice)
    method = f"{choice.method}, runs over {MAX_PIECE:,} characters cut"
    return Count(scale(tokens, choice).tokens, low.low, high.high, method)
