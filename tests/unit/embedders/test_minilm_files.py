"""What the embedded model is made of: its graphs without weights, and how weights are read."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import msgspec
import numpy as np
import pytest

from scrimp.embedders import minilm_weights
from scrimp.embedders.minilm_weights import check_files, quantised
from scrimp.embedders.safetensors import Tensors
from scrimp.errors import StoreError
from tools.build_minilm_graph import FOLDER, PRECISIONS, build

GRAPHS = {
    "fp32": "6e9db79fc50b3f3166186330c9182bad95276026e70d57ec8b9d250dcafdc9f0",
    "q8": "2f3b14712b39e22db809db4ea21a3953c8142f62df60ed56830045b9c96fa113",
}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_graph_is_what_the_tool_writes(precision: str) -> None:
    """Byte for byte, with the digest that is known; too small to hold weights."""
    data = (FOLDER / f"minilm-{precision}.onnx").read_bytes()
    assert data == build(precision)
    assert hashlib.sha256(data).hexdigest() == GRAPHS[precision]
    assert len(data) < 40_000


def written(path: Path, header: bytes, data: bytes) -> Path:
    """A safetensors file."""
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


def test_tensors_are_views_of_the_file(tmp_path: Path) -> None:
    """By name, with their shapes; what is not float32 is refused when asked for."""
    header = msgspec.json.encode(
        {
            "__metadata__": {"format": "pt"},
            "a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
            "b": {"dtype": "I64", "shape": [1], "data_offsets": [16, 24]},
            "c": {"dtype": "F32", "shape": [100], "data_offsets": [24, 424]},
        }
    )
    path = written(tmp_path / "w.safetensors", header, struct.pack("<4fq", 1, 2, 3, 4, 5))
    tensors = Tensors(path)
    assert tensors.names() == ("a", "b", "c")
    assert tensors["a"].tolist() == [[1, 2], [3, 4]]
    assert not tensors["a"].flags.writeable
    tensors.forget_pages()
    assert tensors["a"].tolist() == [[1, 2], [3, 4]]
    for name in ("b", "c"):
        with pytest.raises(StoreError, match=f"'{name}' is not float32, or lies beyond"):
            tensors[name]


@pytest.mark.parametrize(
    "content", [b"", b"abc", b"\xff" * 32, (2).to_bytes(8, "little") + b"[]", bytes(64)]
)
def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path, content: bytes) -> None:
    """In words, not in a traceback."""
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="not a readable safetensors file"):
        Tensors(path)
    with pytest.raises(StoreError, match="not a readable safetensors file"):
        Tensors(tmp_path / "none")


def test_quantised_weights_are_near() -> None:
    """Half a step of 1/127 of the largest in a block; blocks of nothing stay nothing."""
    weights = np.random.default_rng(1).normal(size=(8, 64)).astype(np.float32)
    weights[0, :16] = 0
    codes, scales = quantised(weights)
    assert (codes.shape, scales.shape, codes.min() >= 1) == ((8, 4, 16), (32,), True)
    back = (codes.astype(np.float32) - 128) * scales.reshape(8, 4, 1)
    blocks = weights.reshape(8, 4, 16)
    step = np.abs(blocks).max(-1, keepdims=True) / 127
    assert (np.abs(back - blocks) <= step / 2 + 1e-7).all()


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is missing, changed, or cut; with the command that repairs it."""
    monkeypatch.setattr(
        minilm_weights, "DIGESTS", {"w.bin": hashlib.sha256(b"weights").hexdigest()}
    )
    (tmp_path / "w.bin").write_bytes(b"weights")
    check_files(tmp_path)
    (tmp_path / "w.bin").write_bytes(b"weighty")
    with pytest.raises(StoreError, match=r"w\.bin has SHA-256 .*, expected .*--force-reinstall"):
        check_files(tmp_path)
    (tmp_path / "w.bin").unlink()
    with pytest.raises(StoreError, match=r"w\.bin cannot be read .*--force-reinstall"):
        check_files(tmp_path)
