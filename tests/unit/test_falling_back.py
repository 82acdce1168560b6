"""How long retries may wait, and where the health of upstreams is kept."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from scrimp.budgets.worst import WorstCase
from scrimp.choosing import Wish
from scrimp.errors import UpstreamError
from scrimp.falling_back import FallingBack, falling_back, store_of
from scrimp.levers.retry import Retry, RetrySettings
from scrimp.served import targets_of
from scrimp.settings import Settings, parse
from scrimp.stores.memory_health import MemoryHealth
from scrimp.stores.sqlite_health import SqliteHealth
from tests.support.budgets import book
from tests.support.core import FakeClock, call_of, numbers, reply_of, verdicts

TOML = """
[fallback.models]
"gpt-4o-mini" = ["gpt-4o"]
[providers.openai]
base_url = "http://127.0.0.1:9/v1"
"""


def spawn(work: Coroutine[Any, Any, None]) -> Any:
    """Nothing runs beside."""
    raise RuntimeError(work)


def put_together(toml: str, clock: FakeClock | None = None) -> FallingBack:
    """By these settings."""
    settings = parse(toml.encode(), source="the test")
    worst = WorstCase(book(), {}, {})
    return falling_back(settings, targets_of(settings, book()), worst, clock or FakeClock(), spawn)


def test_patience_is_short_while_another_stands_ready() -> None:
    """A second; for the last of a chain, and without one, as long as retry's settings say."""
    patience = put_together(TOML).patience
    assert patience(call_of()) == 1.0
    assert patience(call_of(wish=Wish(fallback=False))) is None
    assert put_together(TOML + "[fallback]\nenabled = false\n").patience(call_of()) is None


def test_patience_ends_with_the_deadline() -> None:
    """That of the call, else that of the settings; behind it there is none."""
    clock = FakeClock()
    patience = put_together(TOML, clock).patience
    of_settings = put_together(f"[fallback]\ndeadline_ms = 30000\n{TOML}").patience
    assert of_settings(call_of(wish=Wish(fallback=False))) == 30.0
    call = call_of(wish=Wish(deadline_ms=5_000, fallback=False))
    assert patience(call) == 5.0
    clock.pass_by(4.5)
    assert patience(call) == 0.5
    clock.pass_by(9)
    assert patience(call) == 0.0


async def test_a_long_wait_is_left_to_the_fallback() -> None:
    """`Retry-After: 15`, and another target stands ready: the first error goes up at once."""
    clock, call = FakeClock(), call_of()
    retry = Retry(clock, lambda: 0.5, RetrySettings(), put_together(TOML, clock).patience)

    async def limited(_: object) -> Any:
        raise UpstreamError("no", status=429, headers=(("retry-after", "15"),))

    with pytest.raises(UpstreamError):
        await retry(call, limited)
    assert clock.slept == []
    assert verdicts(call, "retry") == ["too_long"]
    assert numbers(call, "retry") == {"wait_ms": 15125, "most_ms": 1000}


async def test_a_short_wait_is_waited() -> None:
    """Half of a quarter of a second is quicker than anybody else."""
    clock, call, tries = FakeClock(), call_of(), [UpstreamError("no", status=503)]
    retry = Retry(clock, lambda: 0.5, RetrySettings(), put_together(TOML, clock).patience)

    async def once(_: object) -> Any:
        if tries:
            raise tries.pop()
        return reply_of()

    assert (await retry(call, once)).status == 200
    assert clock.slept == [0.125]


@pytest.mark.parametrize(("workers", "kind"), [(1, MemoryHealth), (2, SqliteHealth)])
def test_several_workers_share_a_file(workers: int, kind: type[object], tmp_path: Path) -> None:
    """One needs none; nothing is made before something is to be told."""
    toml = f'state_dir = "{tmp_path}"\n[server]\nworkers = {workers}\n'
    assert isinstance(store_of(parse(toml.encode(), source="the test")), kind)
    assert list(tmp_path.iterdir()) == []


def test_without_chains_the_lever_is_there_for_calls_that_name_their_own() -> None:
    """It costs others next to nothing."""
    assert put_together(TOML.partition("[providers")[0] + "[providers.openai]\n").lever
    assert Settings().fallback.enabled
