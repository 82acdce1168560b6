"""Embeddings: unit vectors that are a function of the text, alike for texts that share words."""

from __future__ import annotations

import base64
import math
import re
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from scrimp.simulator import tokens
from scrimp.simulator.bill import EMBEDDING_MODELS, Delivered, Model, Usage
from scrimp.simulator.conversation import Dice, Refusal
from scrimp.simulator.delivery import Job, Pace, deliver
from scrimp.simulator.desk import Desk, Sale
from scrimp.simulator.incoming import Incoming
from scrimp.simulator.production import Piece

# https://platform.openai.com/docs/guides/embeddings and the API reference, checked 2026-11-22.
_DIMENSIONS: Final[Mapping[str, int]] = {"text-embedding-3-large": 3072}
_USUAL_DIMENSIONS: Final = 1536
_UNSHORTENED: Final = "text-embedding-ada-002"
_MOST_INPUTS: Final = 2048
_MOST_TOKENS_EACH: Final = 8192
_MOST_TOKENS: Final = 300_000
_WORD: Final = re.compile(r"\w+")
_DIRECTIONS_PER_WORD: Final = 24


@dataclass(frozen=True, slots=True)
class Vectors:
    """One request, read: what it costs and its features, one counter per input.

    Nothing is produced token by token, so a broken reply costs what a whole one does.
    """

    model: Model
    inputs: tuple[Counter[str], ...]
    dimensions: int
    base64: bool
    input_tokens: int
    pieces: tuple[Piece, ...] = ()
    stream: bool = False

    def usage(self, _produced: int | None = None) -> Usage:
        """The input is all there is."""
        return Usage(input_tokens=self.input_tokens)


class EmbeddingsReply:
    """Renders the vectors; there is no stream. `usage_mode` may be `no-usage`."""

    def __init__(self, vectors: Vectors, *, usage_mode: str = "") -> None:
        self._vectors = vectors
        self._mode = usage_mode

    def whole(self) -> bytes:
        """The JSON reply."""
        vectors, used = self._vectors, self._vectors.input_tokens
        body: dict[str, Any] = {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": self._written(features)}
                for index, features in enumerate(vectors.inputs)
            ],
            "model": vectors.model.id,
        }
        if self._mode != "no-usage":
            body["usage"] = {"prompt_tokens": used, "total_tokens": used}
        return msgspec.json.encode(body)

    def _written(self, features: Counter[str]) -> list[float] | str:
        whole = _DIMENSIONS.get(self._vectors.model.id, _USUAL_DIMENSIONS)
        vector = vector_of(features, whole, self._vectors.dimensions)
        if not self._vectors.base64:
            return vector
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()

    def head(self) -> bytes:
        """There is no stream."""
        return b""

    def piece(self, _piece: Piece) -> bytes:
        """There is no stream."""
        return b""

    def tail(self) -> bytes:
        """There is no stream."""
        return b""

    def error_event(self, _refusal: Refusal) -> bytes:
        """There is no stream."""
        return b""


def vector_of(features: Counter[str], whole: int, dimensions: int) -> list[float]:
    """The sum of a few pseudo-random directions per feature, cut short, at unit length.

    So texts that share words are near each other, and a shorter vector is the beginning of the
    longer one, rescaled, as with the real models.
    """
    raw = [0.0] * whole
    for feature, times in features.items():
        dice = Dice([feature])
        weight = 1.0 + math.log(times)
        for _ in range(_DIRECTIONS_PER_WORD):
            number = dice.below(2 * whole)
            raw[number // 2] += weight if number % 2 else -weight
    kept = raw[:dimensions]
    kept[0] += 1e-3  # so that no vector is zero
    length = math.sqrt(sum(number * number for number in kept))
    return [number / length for number in kept]


def read(body: Mapping[str, Any]) -> Vectors:
    """Raises Refusal for what OpenAI would refuse."""
    model = EMBEDDING_MODELS.get(str(body.get("model")))
    if model is None:
        message = f"The model `{body.get('model')}` does not exist or is not for embeddings."
        raise Refusal(404, message, kind="model_not_found")
    written = body.get("encoding_format")
    if written not in {None, "float", "base64"}:
        raise Refusal(400, "'encoding_format' is float or base64.", param="encoding_format")
    inputs = _inputs(body.get("input"))
    sizes = [count for _, count in inputs]
    if max(sizes) > _MOST_TOKENS_EACH or sum(sizes) > _MOST_TOKENS:
        raise Refusal(
            400,
            f"An input has {max(sizes)} tokens, all together {sum(sizes)}; the limits are "
            f"{_MOST_TOKENS_EACH} and {_MOST_TOKENS}.",
            param="input",
        )
    return Vectors(
        model=model,
        inputs=tuple(features for features, _ in inputs),
        dimensions=_dimensions(body, model),
        base64=written == "base64",
        input_tokens=sum(sizes),
    )


def _dimensions(body: Mapping[str, Any], model: Model) -> int:
    most = _DIMENSIONS.get(model.id, _USUAL_DIMENSIONS)
    asked = body.get("dimensions")
    if asked is None:
        return most
    if model.id == _UNSHORTENED:
        raise Refusal(400, f"{model.id} has no 'dimensions'.", param="dimensions")
    if not isinstance(asked, int) or isinstance(asked, bool) or not 1 <= asked <= most:
        raise Refusal(400, f"'dimensions' must be in 1 to {most}.", param="dimensions")
    return asked


def _inputs(given: Any) -> list[tuple[Counter[str], int]]:
    """Features and number of tokens of each input."""
    match given:
        case str(text) if text:
            return [_of_text(text)]
        case list(numbers) if numbers and _are_tokens(numbers):
            return [_of_tokens(numbers)]
        case list(texts) if texts and all(isinstance(text, str) and text for text in texts):
            found = [_of_text(text) for text in texts]
        case list(lists) if lists and all(_are_tokens(one) for one in lists):
            found = [_of_tokens(one) for one in lists]
        case _:
            raise Refusal(
                400,
                "'input' must be a string, or a list of strings or of tokens, and not empty.",
                param="input",
            )
    if len(found) > _MOST_INPUTS:
        raise Refusal(400, f"{len(found)} inputs; the limit is {_MOST_INPUTS}.", param="input")
    return found


def _are_tokens(numbers: Any) -> bool:
    return isinstance(numbers, list) and bool(numbers) and all(type(one) is int for one in numbers)


def _of_text(text: str) -> tuple[Counter[str], int]:
    words: Iterable[str] = _WORD.findall(text.lower()) or [text]
    return Counter(words), tokens.count(text)


def _of_tokens(numbers: list[int]) -> tuple[Counter[str], int]:
    return Counter(str(number) for number in numbers), len(numbers)


async def answer(desk: Desk, incoming: Incoming, body: Mapping[str, Any]) -> None:
    """Answer and book one request. Raises Refusal."""
    vectors = read(body)
    mode = incoming.fault.kind if incoming.fault is not None else ""
    pace = Pace.of(desk.settings, str(vectors.input_tokens))

    def book(usage: Usage, delivered: Delivered) -> None:
        desk.book(incoming, Sale(vectors.model, usage, delivered))

    renderer = EmbeddingsReply(vectors, usage_mode=mode)
    headers = desk.headers(incoming, pace)
    await deliver(incoming.out, Job(vectors, renderer, headers, pace, incoming.error_body), book)
