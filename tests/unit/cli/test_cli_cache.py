"""`scrimp cache`: figures and forgetting, on a file, a Redis, or a gateway's memory."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scrimp.cli.cache_view import size
from scrimp.cli.main import cli
from scrimp.clock import SystemClock
from scrimp.ports import CacheScope, StoredReply
from tests.support.core import reply_of
from tests.support.redis_server import RedisServer
from tests.support.reply_stores import open_redis, open_store
from tests.support.semantic_stores import known
from tests.support.semantic_stores import open_store as open_semantic

ANA, BEN = CacheScope("key:ana", "general"), CacheScope("key:ben", "code_review")


def stored(scope: CacheScope) -> StoredReply:
    """A reply for an hour."""
    now = datetime.now(UTC)
    return StoredReply(reply_of(), now, now + timedelta(hours=1), scope)


def filled(path: Path) -> Path:
    """A cache file with two replies of ana's and one of ben's, each looked up once or twice."""

    async def fill() -> None:
        async with AsyncExitStack() as stack:
            store = await open_store(stack, "sqlite", SystemClock(), (path, ""))
            for key, scope in ((b"a", ANA), (b"b", ANA), (b"c", BEN)):
                await store.put(key, stored(scope))
                await store.get(key, scope)
            await store.get(b"x", BEN)

    asyncio.run(fill())
    return path


def run(tmp_path: Path, *args: str, toml: str = 'engine = "sqlite"', **env: str) -> Result:
    """What the command says."""
    config = tmp_path / "scrimp.toml"
    config.write_text(f'state_dir = "{tmp_path}"\n[exact_cache]\n{toml}\n[server]\nport = 1\n')
    return CliRunner().invoke(cli, ["cache", *args], env={"SCRIMP_CONFIG": str(config), **env})


def test_stats_of_a_file(tmp_path: Path) -> None:
    """Totals and a line for each tenant and task type, without any gateway."""
    filled(tmp_path / "cache.sqlite")
    told = json.loads(run(tmp_path, "stats", "--json").stdout)
    assert (told["engine"], told["entries"], told["hits"], told["misses"]) == ("sqlite", 3, 3, 1)
    assert [(one["tenant"], one["task"], one["entries"]) for one in told["scopes"]] == [
        ("key:ana", "general", 2),
        ("key:ben", "code_review", 1),
    ]
    shown = run(tmp_path, "stats").stdout
    for words in ("3 of 4 look-ups answered (75.0%)", "key:ana", "code_review", "50.0%"):
        assert words in shown


def test_stats_of_one_tenant(tmp_path: Path) -> None:
    """Nobody else's figures."""
    filled(tmp_path / "cache.sqlite")
    told = json.loads(run(tmp_path, "stats", "--tenant", "key:ben", "--json").stdout)
    assert (told["entries"], [one["tenant"] for one in told["scopes"]]) == (1, ["key:ben"])


@pytest.mark.parametrize(
    ("args", "gone"), [((), 3), (("--tenant", "key:ana"), 2), (("--task", "code_review"), 1)]
)
def test_clear_of_a_file(tmp_path: Path, args: tuple[str, ...], gone: int) -> None:
    """All or a part; it says how many, and they are gone."""
    filled(tmp_path / "cache.sqlite")
    result = run(tmp_path, "clear", *args)
    assert result.exit_code == 0, result.output
    assert f"Forgot {gone} repl" in result.stdout
    assert json.loads(run(tmp_path, "stats", "--json").stdout)["entries"] == 3 - gone
    assert json.loads(run(tmp_path, "clear", *args, "--json").stdout)["cleared"] == 0


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Looking and clearing make none; clearing nothing is no error."""
    result = run(tmp_path, "stats")
    assert result.exit_code == 1
    assert "there is no cache at" in result.stderr
    assert "Forgot 0 replies" in run(tmp_path, "clear").stdout
    assert not list(tmp_path.glob("cache*"))


def test_a_redis(tmp_path: Path) -> None:
    """The same on a server, whose URL comes from the environment and is shown nowhere."""
    with RedisServer("requirepass hush") as server:
        url = f"redis://:hush@127.0.0.1:{server.port}/0"

        async def fill() -> None:
            async with AsyncExitStack() as stack:
                store = open_redis(stack, url, SystemClock(), prefix="scrimp")
                await store.put(b"a", stored(ANA))
                await store.get(b"a", ANA)

        asyncio.run(fill())
        toml = 'engine = "redis"'
        result = run(tmp_path, "stats", toml=toml, SCRIMP_REDIS_URL=url)
        assert "1 of 1 look-ups answered" in result.stdout
        assert "the Redis of $SCRIMP_REDIS_URL" in result.stdout
        cleared = run(tmp_path, "clear", "--json", toml=toml, SCRIMP_REDIS_URL=url)
        assert json.loads(cleared.stdout)["cleared"] == 1
        server.kill()
        gone = run(tmp_path, "stats", toml=toml, SCRIMP_REDIS_URL=url)
        assert gone.exit_code == 1
        assert "cannot be reached" in gone.stderr
        assert "hush" not in f"{result.output}{cleared.output}{gone.output}"


def test_a_redis_without_a_url(tmp_path: Path) -> None:
    """The variable that is missing is named."""
    result = run(tmp_path, "stats", toml='engine = "redis"\nurl_env = "OUR_REDIS"')
    assert result.exit_code == 2
    assert "export OUR_REDIS=redis://HOST:6379/0" in " ".join(result.stderr.split())


def test_memory_without_a_gateway(tmp_path: Path) -> None:
    """It says that the cache lives in a process, and that none answers."""
    for command in ("stats", "clear"):
        result = run(tmp_path, command, toml="")
        assert result.exit_code == 1
        assert "in the memory of a gateway, and none answers at 127.0.0.1:1" in result.stderr
    assert run(tmp_path, "stats", "--tenant", "key:a", toml="").exit_code == 2


def test_help_shows_examples(tmp_path: Path) -> None:
    """Each level has some."""
    for args in (("--help",), ("stats", "--help"), ("clear", "--help")):
        shown = run(tmp_path, *args).stdout
        assert "Examples:" in shown
        assert "scrimp cache stats" in shown or "scrimp cache clear" in shown


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (1 << 30, "1.0 GiB")]
)
def test_bytes_for_people(number: int, text: str) -> None:
    """Exact while small."""
    assert size(number) == text


def test_clear_forgets_by_meaning_too(tmp_path: Path) -> None:
    """All means all: of both caches, or of both the part that is named."""
    filled(tmp_path / "cache.sqlite")
    file, toml = tmp_path / "semantic.sqlite", both("sqlite")
    remembered_by_meaning(file)
    own = json.loads(run(tmp_path, "clear", "--tenant", "key:ana", "--json", toml=toml).stdout)
    assert own["caches"] == {"exact_cache": 2, "semantic_cache": 1}
    remembered_by_meaning(file)
    words, meanings = run(tmp_path, "clear", toml=toml).stdout.splitlines()
    assert words == f"Forgot 1 reply in {tmp_path}/cache.sqlite."
    assert meanings == f"Forgot 3 replies by meaning in {file}."
    again = json.loads(run(tmp_path, "clear", "--json", toml=toml).stdout)
    assert (again["cleared"], list(again["places"])) == (0, ["exact_cache", "semantic_cache"])


def test_invalidate_names_each_cache_with_its_own_number(tmp_path: Path) -> None:
    """Both were asked: of each it is said where it is, and how many went there."""
    filled(tmp_path / "cache.sqlite")
    file = tmp_path / "semantic.sqlite"
    remembered_by_meaning(file)
    args = ("invalidate", "--tenant", "key:ana")
    told = json.loads(run(tmp_path, *args, "--dry-run", "--json", toml=both("sqlite")).stdout)
    assert told == {
        "invalidated": 3,
        "dry_run": True,
        "caches": {"exact_cache": 2, "semantic_cache": 1},
        "places": {"exact_cache": f"{tmp_path}/cache.sqlite", "semantic_cache": str(file)},
    }
    assert run(tmp_path, *args, toml=both("sqlite")).stdout.splitlines() == [
        f"Forgot 2 replies in {tmp_path}/cache.sqlite.",
        f"Forgot 1 reply by meaning in {file}.",
    ]


@pytest.mark.parametrize(
    "args",
    [
        ("invalidate", "--tag", "\udce9"),
        ("invalidate", "--tenant", "\udce9"),
        ("clear", "--tenant", "\udce9"),
    ],
)
def test_signs_that_are_no_text_are_refused(tmp_path: Path, args: tuple[str, ...]) -> None:
    """As a terminal in another encoding sends them: one line, and it ends."""
    filled(tmp_path / "cache.sqlite")
    result = run(tmp_path, *args)
    assert result.exit_code == 1
    assert "no text" in " ".join(result.stderr.split())


def remembered_by_meaning(path: Path) -> None:
    """A file of answers by meaning with one of ana's and one of ben's."""

    async def fill() -> None:
        async with AsyncExitStack() as stack:
            store = await open_semantic(stack, "sqlite", SystemClock(), path)
            for scope in (ANA, BEN):
                assert await store.add_root(b"scope", known(0.1), stored(scope))

    asyncio.run(fill())


def both(exact: str, semantic: str = "sqlite") -> str:
    """Settings with both caches."""
    return f'engine = "{exact}"\n[semantic_cache]\nenabled = true\nengine = "{semantic}"'


def test_stats_of_a_file_by_meaning_beside_a_memory_that_nobody_has(tmp_path: Path) -> None:
    """The file tells its counts; of the memory it is said that it lives in a gateway."""
    remembered_by_meaning(tmp_path / "semantic.sqlite")
    result = run(tmp_path, "stats", "--json", toml=both("memory"))
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert "in the memory of a gateway, and none answers at 127.0.0.1:1" in told["error"]
    assert [(one["tenant"], one["answers"]) for one in told["semantic"]["scopes"]] == [
        ("key:ana", 1),
        ("key:ben", 1),
    ]
    shown = run(tmp_path, "stats", toml=both("memory"))
    assert "exact cache: replies are in the memory of a gateway" in shown.stderr
    assert "Semantic cache" in shown.stdout
    assert "key:ben" in shown.stdout
    assert "Exact cache" not in shown.stdout
    own = run(tmp_path, "stats", "--tenant", "key:ana", "--json", toml=both("memory"))
    assert [one["tenant"] for one in json.loads(own.stdout)["semantic"]["scopes"]] == ["key:ana"]


@pytest.mark.parametrize(
    ("engine", "why"), [("sqlite", "there is no"), ("memory", "in the memory of the gateway")]
)
def test_stats_by_word_without_those_by_meaning(tmp_path: Path, engine: str, why: str) -> None:
    """The exact cache tells its counts where the other cannot be asked, and why it cannot."""
    filled(tmp_path / "cache.sqlite")
    result = run(tmp_path, "stats", "--json", toml=both("sqlite", engine))
    told = json.loads(result.stdout)
    assert (result.exit_code, told["entries"]) == (0, 3)
    assert why in told["semantic"]["error"]
    shown = run(tmp_path, "stats", toml=both("sqlite", engine))
    assert "3 of 4 look-ups answered" in shown.stdout
    assert "semantic cache: " in shown.stderr


def test_stats_where_neither_can_be_asked(tmp_path: Path) -> None:
    """One line, and the exit code says that nothing was told."""
    for engine in ("memory", "sqlite"):
        result = run(tmp_path, "stats", toml=both("memory", engine))
        assert (result.exit_code, result.stdout) == (1, "")
        assert "in the memory of a gateway, and none answers" in result.stderr
