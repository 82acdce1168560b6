"""LangChain's own OpenAI client with our semantic cache, and a simulator behind."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.globals import set_llm_cache
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, Generation
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from scrimp.errors import ConfigError
from scrimp.integrations.langchain import ScrimpSemanticCache, SemanticOptions
from scrimp.simulator import Simulator
from tests.support.meanings import vector
from tests.support.redis_server import RedisServer, vector_server

ASKED, AGAIN = "How do I reset a forgotten password?", "A forgotten password: how do I reset it?"
OTHER = "Which trains run from Oslo to Bergen?"


class Words(Embeddings):
    """LangChain embeddings: near are texts of the same words."""

    def __init__(self, *, model: str = "words") -> None:
        self.model = model
        self.asked: list[str] = []
        self.dead = False

    def embed_query(self, text: str) -> list[float]:
        """Any length: it is brought to 1."""
        self.asked.append(text)
        if self.dead:
            raise ConnectionError("no way to " + text)
        return [3 * number for number in np.frombuffer(vector(text), "<f4").tolist()]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Each by itself."""
        return [self.embed_query(text) for text in texts]


@pytest.fixture(autouse=True)
def no_cache_stays() -> Iterator[None]:
    """LangChain's cache is global: none is left to other tests."""
    yield
    set_llm_cache(None)


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """A provider."""
    with Simulator() as one:
        yield one


def chat(sim: Simulator, **more: Any) -> ChatOpenAI:
    """LangChain's client; it tries once."""
    given = {"model": "gpt-4o-mini", "api_key": SecretStr("sk-mine"), "max_retries": 0, **more}
    return ChatOpenAI(base_url=f"{sim.url}/v1", **given)


def classic(path: Path | None = None, **more: Any) -> ScrimpSemanticCache:
    """One that serves by distance alone."""
    return ScrimpSemanticCache(Words(), path, score_threshold=0.4, **more)


def sent(sim: Simulator) -> int:
    """How many calls have reached the provider."""
    return len(sim.requests)


@pytest.mark.parametrize("kept", ["memory", "file", "redis"])
def test_the_same_question_in_other_words_is_not_sent(
    sim: Simulator, tmp_path: Path, kept: str
) -> None:
    """Served as it was answered; another question, model, instruction or tool is sent."""
    path = None if kept == "memory" else tmp_path / "answers.sqlite"
    with RedisServer() as server, classic(path, redis_url=server.url * (kept == "redis")) as cache:
        set_llm_cache(cache)
        first = chat(sim).invoke(ASKED)
        cache.settle()
        again = chat(sim).invoke(AGAIN)
        assert sent(sim) == 1
        assert (again.content, again.response_metadata) == (first.content, first.response_metadata)
        chat(sim).invoke(OTHER)
        chat(sim, model="gpt-4o").invoke(AGAIN)
        chat(sim).invoke([SystemMessage("Speak Latin."), HumanMessage(AGAIN)])
        chat(sim).bind_tools([{"name": "look", "parameters": {}}]).invoke(AGAIN)
        chat(sim, max_completion_tokens=900).invoke(AGAIN)
        assert sent(sim) == 6
        chat(sim).invoke(ASKED)
        stats = cache.stats()
        assert (sent(sim), stats.exact.hits) == (6, 1)
        assert sum(one.hits for one in stats.meanings) == 1
        cache.clear()
        chat(sim).invoke(AGAIN)
        assert sent(sim) == 7


def test_programs_share_answers_by_meaning_in_a_redis(sim: Simulator) -> None:
    """What one learned another serves; two servers at once are refused, and no URL is shown."""
    with RedisServer(program=vector_server()) as server:
        options = SemanticOptions(redis_url=server.url)
        with classic(options=options) as one, classic(options=options) as two:
            set_llm_cache(one)
            chat(sim).invoke(ASKED)
            one.settle()
            set_llm_cache(two)
            chat(sim).invoke(AGAIN)
            assert sent(sim) == 1
            assert sum(found.hits for found in two.stats().meanings) == 1
    assert server.url not in repr(options)
    both = SemanticOptions(redis_url=server.url, postgres_url="postgresql://h/d")
    with pytest.raises(ConfigError, match="both a postgres_url and a redis_url"):
        classic(options=both)


async def test_awaited_it_is_the_same(sim: Simulator) -> None:
    """What a thread stored answers a task, and the other way round."""
    with closing(classic()) as cache:
        set_llm_cache(cache)
        first = await chat(sim).ainvoke(ASKED)
        await asyncio.to_thread(cache.settle)
        again = await chat(sim).ainvoke(AGAIN)
        in_a_thread = await asyncio.to_thread(chat(sim).invoke, AGAIN)
        assert sent(sim) == 1
        assert first.content == again.content == in_a_thread.content
        assert sum(one.hits for one in (await cache.astats()).meanings) == 2
        await cache.aclear()
        await chat(sim).ainvoke(AGAIN)
        assert sent(sim) == 2


def test_a_file_is_shared_and_survives(sim: Simulator, tmp_path: Path) -> None:
    """Another cache on it answers; one of another tenant or other embeddings does not."""
    path = tmp_path / "answers.sqlite"
    with classic(path) as cache:
        chat(sim, cache=cache).invoke(ASKED)
    with classic(path) as cache:
        chat(sim, cache=cache).invoke(AGAIN)
    assert sent(sim) == 1
    with classic(path, options=SemanticOptions(tenant="other")) as cache:
        chat(sim, cache=cache).invoke(AGAIN)
    assert sent(sim) == 2
    with ScrimpSemanticCache(Words(model="others"), path, score_threshold=0.4) as cache:
        chat(sim, cache=cache).invoke("Reset it: how do I do that, a forgotten password?")
    assert sent(sim) == 3
    assert all(one.stat().st_mode & 0o077 == 0 for one in tmp_path.iterdir())


class Halved(Words):
    """Another model, of which only the length tells it."""

    def embed_query(self, text: str) -> list[float]:
        """Half as long."""
        numbers = super().embed_query(text)
        return [one + two for one, two in zip(numbers[::2], numbers[1::2], strict=True)]


def test_vectors_of_another_length_begin_anew(sim: Simulator, tmp_path: Path) -> None:
    """They find nothing of the old, and are not refused for it."""
    path = tmp_path / "answers.sqlite"
    Halved.__module__, Halved.__qualname__ = Words.__module__, Words.__qualname__
    with classic(path) as cache:
        chat(sim, cache=cache).invoke(ASKED)
    with ScrimpSemanticCache(Halved(), path, score_threshold=0.4) as cache:
        assert chat(sim, cache=cache).invoke(AGAIN).content
        cache.settle()
        assert sent(sim) == 2
        chat(sim, cache=cache).invoke("A forgotten password: how can I reset it?")
        assert (sent(sim), cache.skipped) == (2, 0)


def test_what_is_never_answered_by_meaning(sim: Simulator) -> None:
    """Variety, several answers, what was cut, what is about now, what leans on what was said."""
    with classic() as cache:
        for more in ({"temperature": 1.4}, {"n": 2}, {"max_completion_tokens": 3}):
            chat(sim, cache=cache, **more).invoke(ASKED)
            cache.settle()
            chat(sim, cache=cache, **more).invoke(AGAIN)
        talk = [HumanMessage("Hello"), AIMessage("Hi")]
        for text in ("What is the weather today?", "The weather today, what is it?"):
            chat(sim, cache=cache).invoke(text)
            chat(sim, cache=cache).invoke([*talk, HumanMessage(text)])
            cache.settle()
    assert sent(sim) == 10


def test_embeddings_that_fail_are_a_miss(sim: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    """The call is answered all the same; the log says so once, without a word of the question."""
    words = Words()
    words.dead = True
    with ScrimpSemanticCache(words, score_threshold=0.4) as cache:
        assert chat(sim, cache=cache).invoke(ASKED).content
        assert chat(sim, cache=cache).invoke(AGAIN).content
        assert cache.skipped == 2
        chat(sim, cache=cache).invoke(ASKED)
    assert sent(sim) == 2
    told = [record.getMessage() for record in caplog.records if record.name == "scrimp.langchain"]
    assert len(told) == 1
    assert "password" not in told[0]


TOPICS = ("visas", "taxes", "trains", "bread", "music", "chess", "rivers", "stars", "salt", "maps")
WORDS = ("please", "kindly", "tell", "explain", "describe", "about", "everything", "worth")


def question(dice: random.Random) -> tuple[str, str]:
    """One of ten questions in some wording, and its answer."""
    topic, words = dice.choice(TOPICS), dice.sample(WORDS, 2)
    return f"Could you {words[0]} {words[1]} the {topic} {topic} {topic}?", f"All on {topic}."


@pytest.mark.parametrize("by", ["function", "model"])
def test_it_serves_within_the_bound_once_that_is_proven(by: str) -> None:
    """Nothing at first, with how much is missing; then most, and next to nothing of it wrong."""
    if by == "function":
        options = SemanticOptions(judge=lambda _asked, kept, fresh: kept == fresh)
    else:
        options = SemanticOptions(judge_model=FakeListChatModel(responses=["SAME"]))
    dice = random.Random(7)  # noqa: S311 (the same questions each time)
    served, wrong, missing = 0, 0, list[int]()
    with ScrimpSemanticCache(Words(), max_error=0.1, options=options) as cache:
        for number in range(900):
            asked, right = question(dice)
            found = cache.lookup(asked, "model")
            missing.append(cache.stats().missing if number < 200 else 0)
            if found is None:
                given = ChatGeneration(message=AIMessage(right))
                cache.update(asked, "model", [given])
                cache.settle()
            elif number >= 600:
                served += 1
                wrong += found[0].text != right
            if number < 200:
                assert sum(one.hits for one in cache.stats().meanings) == 0
        stats = cache.stats()
    assert max(missing) > 100
    assert sum(one.hits for one in stats.meanings) > 0
    assert served > 150
    assert wrong <= 0.1 * served


def test_plain_models_are_answered_too() -> None:
    """Their prompts are texts, and their answers, too."""
    with classic() as cache:
        assert cache.lookup(ASKED, "llm") is None
        cache.update(ASKED, "llm", [Generation(text="By mail.")])
        cache.settle()
        assert cache.lookup(AGAIN, "llm") == [Generation(text="By mail.")]
        assert cache.lookup(AGAIN, "another") is None


@pytest.mark.parametrize("prompt", ["", "\ud800", "[{", '[{"id": 3}]', "[{}]", "\0", "x" * 300_000])
def test_any_prompt_is_taken(prompt: str) -> None:
    """Odd ones are answered word for word, if at all."""
    with classic() as cache:
        assert cache.lookup(prompt, "llm") is None
        cache.update(prompt, "llm", [Generation(text="So.")])
        cache.settle()
        assert cache.lookup(prompt, "llm") == [Generation(text="So.")]


def test_what_cannot_be_used_is_refused_at_once() -> None:
    """With what was wrong."""
    with pytest.raises(ConfigError, match=r"^max_error 0: .* from 0.001 to 0.5$"):
        ScrimpSemanticCache(Words(), max_error=0)
    for distance in (-0.5, 5, float("nan")):
        with pytest.raises(ConfigError, match=rf"^score_threshold {distance}: .* from 0 to 1$"):
            ScrimpSemanticCache(Words(), score_threshold=distance)
    with pytest.raises(ConfigError, match=r"^confidence 1\.5: "):
        ScrimpSemanticCache(Words(), options=SemanticOptions(confidence=1.5))
    with pytest.raises(ConfigError, match="URL of Redis cannot be read"):
        ScrimpSemanticCache(Words(), redis_url="localhost")
    with pytest.raises(ConfigError, match="ttl_s 0"):
        ScrimpSemanticCache(Words(), options=SemanticOptions(ttl_s=0))
    with classic() as cache, pytest.raises(TypeError, match="asynchronous"):
        cache.clear(asynchronous=True)
    assert "secret" not in repr(classic(redis_url="redis://:secret@127.0.0.1:9"))


def test_without_the_extra_the_way_out_is_named() -> None:
    """When it is made; the exact cache needs nothing of it."""
    program = (
        "import sys; sys.modules['numpy'] = None; import scrimp.integrations.langchain as one; "
        "one.ScrimpCache(); one.ScrimpSemanticCache()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert "ConfigError" in done.stderr
    assert "pip install 'scrimp[semantic]'" in done.stderr
