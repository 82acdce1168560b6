"""Reads a reply of `POST /embeddings`: whose vector is whose, and which of them cannot be used.

Shapes by OpenAI's API reference (embeddings, checked 2026-11-22) and by servers that follow it:
vectors as base64 or as lists, in any order, with or without usage.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from scrimp.embedders.unit import unit_bytes

Found = bytes | str
"""A vector, or what is wrong with it."""


class _Vector(msgspec.Struct):
    embedding: str | list[float]
    index: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    total_tokens: int | None = None


class _Reply(msgspec.Struct):
    data: list[_Vector]
    usage: _Usage | None = None


_decode = msgspec.json.Decoder(_Reply).decode


@dataclass(frozen=True, slots=True)
class Vectors:
    """One entry per text, in the texts' order. `input_tokens` None: the reply has no usage."""

    found: tuple[Found, ...]
    input_tokens: int | None


def read_vectors(body: bytes, texts: int, dims: int) -> Vectors | str:
    """The vectors of so many texts, or what is wrong with the whole reply."""
    try:
        reply = _decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return "its answer is not what an embeddings endpoint answers"
    found: list[Found | None] = [None] * texts
    for place, vector in enumerate(reply.data):
        index = place if vector.index is None else vector.index
        if not 0 <= index < texts or found[index] is not None:
            return (
                f"its answer has {len(reply.data)} vectors for {texts} texts, or one of them twice"
            )
        found[index] = _read(vector.embedding, dims)
    return Vectors(
        tuple("no vector came for this text" if one is None else one for one in found),
        _tokens(reply.usage),
    )


def _read(written: str | list[float], dims: int) -> Found:
    numbers: npt.NDArray[np.floating]
    if isinstance(written, str):
        try:
            raw = base64.b64decode(written, validate=True)
            numbers = np.frombuffer(raw, "<f4")
        except (binascii.Error, ValueError):
            return "a vector is not readable base64"
    else:
        numbers = np.asarray(written, np.float64)
    if len(numbers) != dims:
        return f"a vector has {len(numbers)} numbers, {dims} are expected (embedder dims)"
    return unit_bytes(numbers) or "a vector has no direction (zero, or not a number)"


def _tokens(usage: _Usage | None) -> int | None:
    if usage is None:
        return None
    count = usage.total_tokens if usage.prompt_tokens is None else usage.prompt_tokens
    return count if count is not None and count >= 0 else None
