"""The static embedding: the mean of pieces, read from a table without its own library."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from scrimp.embedders.static_words import DIMS, StaticWords, installed, load, opened
from scrimp.errors import StoreError

VOCABULARY = {"<0xC3>": 0, "▁good": 1, "▁go": 2, "▁": 3, "g": 4, "ing": 5, "<0xA9>": 6}


def table() -> np.ndarray:
    """A row per piece."""
    return np.random.default_rng(0).normal(size=(8, DIMS)).astype(np.float16)


def folder(path: Path, rows: np.ndarray, vocabulary: dict[str, int]) -> Path:
    """A package's files."""
    header = json.dumps(
        {
            "embedding.weight": {
                "dtype": "F16",
                "shape": rows.shape,
                "data_offsets": [0, rows.nbytes],
            }
        }
    ).encode()
    (path / "weights").mkdir()
    (path / "tokenizers").mkdir()
    (path / "weights" / "l2_supercat_256.safetensors").write_bytes(
        struct.pack("<Q", len(header)) + header + rows.tobytes()
    )
    (path / "tokenizers" / "l2_supercat_tokenizer_config.json").write_text(
        json.dumps({"model": {"vocab": vocabulary, "merges": ["a b"]}, "version": "1.0"})
    )
    return path


def test_a_text_is_the_mean_of_its_longest_pieces(tmp_path: Path) -> None:
    """Two words: one is a piece, the other is cut; eight bits lose less than a hundredth."""
    rows = table()
    found = opened(folder(tmp_path, rows, VOCABULARY))("good going")
    wanted = rows[[1, 2, 5]].astype(np.float32).mean(axis=0)
    assert found.dtype == np.float32
    assert np.abs(found - wanted).max() < 0.02
    assert found @ wanted / np.linalg.norm(found) / np.linalg.norm(wanted) > 0.999


def test_a_sign_without_a_piece_counts_as_its_bytes() -> None:
    """Bytes that have no piece either are left out."""
    embed = StaticWords(table(), VOCABULARY)
    assert np.abs(embed("é") - table()[[3, 0, 6]].astype(np.float32).mean(axis=0)).max() < 0.02
    assert np.abs(embed("☃") - table()[3].astype(np.float32)).max() < 0.02


@pytest.mark.parametrize("text", ["", "  \n", "\t"])
def test_a_text_without_words_has_no_direction(text: str) -> None:
    """Zeros, not an error."""
    assert not StaticWords(table(), VOCABULARY)(text).any()


def test_words_are_forgotten_before_they_fill_memory() -> None:
    """Random words for ever: what is remembered stays bounded, and vectors do not change."""
    embed = StaticWords(table(), VOCABULARY)
    before = embed("good going")
    embed("going " + " ".join(f"g{number}" for number in range(900)))
    for number in range(0, 60_000, 500):
        embed(" ".join(f"g{one}" for one in range(number, number + 500)))
    assert len(embed._known) + len(embed._known._before) <= 2 * (16_384 + 1000)
    assert not getattr(embed._known._before, "_before", {})
    np.testing.assert_array_equal(embed("good going"), before)


def test_a_table_of_another_size_is_refused(tmp_path: Path) -> None:
    """A piece beyond the table would read another's row."""
    with pytest.raises(StoreError, match="pieces up to 99"):
        opened(folder(tmp_path, table(), {"a": 99}))


def test_files_that_are_something_else_are_refused(tmp_path: Path) -> None:
    """Whatever lies there, the error says how to get the right ones."""
    path = folder(tmp_path, table(), VOCABULARY)
    (path / "tokenizers" / "l2_supercat_tokenizer_config.json").write_text("{")
    with pytest.raises(StoreError, match="pip install"):
        opened(path)


def test_the_installed_table_knows_what_is_alike() -> None:
    """Of two sentences the one about the same is nearer; loading needs no library of its own."""
    assert installed()
    embed = load()
    one, near, far = (
        embed(text)
        for text in (
            "What is the derivative of a polynomial function?",
            "Find the derivative of this polynomial.",
            "Who was the first king of France?",
        )
    )
    assert _cosine(one, near) > _cosine(one, far) + 0.1


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))
