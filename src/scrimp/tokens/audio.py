"""Tokens of sound in a request: by the second, where its data tell how long it is.

Gemini takes 32 tokens a second of sound (Google's page on tokens), OpenAI about ten (one for each
100 ms that a user speaks, its page on realtime costs).
"""

from __future__ import annotations

import base64
import binascii
import math

from scrimp.tokens.tally import Range

UNKNOWN: Range = (1, 500, 50_000)
GEMINI_AUDIO_PER_S = 32
GEMINI_VIDEO_PER_S = 263
_OPENAI_PER_S = 10
_HEAD_CHARS = 4096


def audio(model: str, data: object) -> Range:
    """Tokens of one sound in Base64; a wide range unless it is a plain WAV."""
    seconds = wav_seconds(data) if isinstance(data, str) else None
    if seconds is None:
        return UNKNOWN
    gemini = "gemini" in model.lower()
    tokens = math.ceil(seconds * (GEMINI_AUDIO_PER_S if gemini else _OPENAI_PER_S))
    return tokens * 3 // 4, tokens, tokens * 2 + 10


def wav_seconds(text: str) -> float | None:
    """How long an uncompressed WAV lasts, from its header and its length."""
    try:
        head = base64.b64decode(text[:_HEAD_CHARS] + "=" * (-len(text[:_HEAD_CHARS]) % 4))
    except (binascii.Error, ValueError):
        return None
    if head[:4] != b"RIFF" or head[8:16] != b"WAVEfmt " or len(head) < 44:
        return None
    per_second = int.from_bytes(head[28:32], "little")
    start = 20 + int.from_bytes(head[16:20], "little")
    body = len(text) * 3 // 4 - start
    return body / per_second if per_second and body > 0 else None
