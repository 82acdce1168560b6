"""What each lever that is not shown elsewhere takes of the event loop for one call, in one process.

Usage: others.py [--rounds N] [--json FILE]. Chats of 10 KB and of 200 KB, each of another
question, through the levers of a gateway that has all of them switched on, over its own stores,
one by one: what stands below answers at once. `hit` is asked a second time. Not in it: the models
that some of them ask, and the semantic cache but for the key of its scope.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

from msgspec.structs import replace
from uuid_utils import uuid7

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.hotpath.by_size import PARSED, SIZES, Figures, Make, Pair, parsed_us, pass_us, run
from scrimp.app import App, open_app
from scrimp.calls import Call, Reply, ReplyFacts, Trace, Usage
from scrimp.choosing import Wish
from scrimp.dialects import DIALECTS
from scrimp.levers.order import ORDER
from scrimp.ports import Lever, Next
from scrimp.semantics.question import Question, question_of
from scrimp.semantics.scope import ScopeRules, scope_key
from scrimp.settings import load
from tests.support.core import answer_fields, attempt_of, call_of

_SETTINGS = """
[budgets.all]
usd = 1000000
per = "day"
[limits.many]
requests_per_minute = 100000000
[alerts.loop]
times = 1000
within = "1m"
[degrade]
enabled = true
[route]
enabled = true
calls = "all"
models = ["gpt-4o-mini", "gpt-4o"]
depth = "rules"
[cascade]
models = ["gpt-4o-mini"]
[pack]
enabled = true
[defer]
enabled = true
[fallback]
default = ["gpt-4o"]
"""
_ELSEWHERE = frozenset({"trim", "compact", "clamp_output", "prefix_cache", "semantic_cache"})
_USAGE = Usage(input_tokens=500, output_tokens=2)
_FACTS = ReplyFacts(usage=_USAGE, model="gpt-4o", finish="complete", complete=True)
_REPLY = Reply(200, (), answer_fields(), "json", _FACTS, cacheable=True)
_RULES = ScopeRules(secret=b"s" * 32, embedder="words/1")


async def below(call: Call) -> Reply:
    """A provider that answers at once."""
    call.trace.attempts.append(attempt_of(target=call.target, usage=_USAGE))
    return _REPLY


def asked(size: int, salt: str) -> Call:
    """A call of about so many bytes, for a dear model that others may stand in for."""
    rules = {"role": "system", "content": "Be kind to all customers. " * (size // 26)}
    question = {"role": "user", "content": f"Where is my order {salt}?"}
    call = call_of({"model": "gpt-4o", "messages": [rules, question], "temperature": 0})
    return replace(call, id=str(uuid7()), wish=Wish("auto"))


class Scope:
    """The key of the semantic cache's scope, as if a lever did nothing else."""

    name: ClassVar[str] = "semantic_cache, key of the scope"
    fail_closed: ClassVar[bool] = False

    async def __call__(self, call: Call, next: Next) -> Reply:  # noqa: ARG002 (a lever's shape)
        """Cut the question out, and make a key of the rest."""
        dialect = DIALECTS[call.target.dialect]
        question = question_of(call.request, dialect)
        if not isinstance(question, Question):
            raise TypeError(question)
        scope_key(call, question, dialect, _RULES)
        return _REPLY


@asynccontextmanager
async def gateway() -> AsyncIterator[App]:
    """One with every lever, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scrimp.toml"
        path.write_text(f'state_dir = "{folder}"\n{_SETTINGS}')
        async with open_app(load({"OPENAI_API_KEY": "none"}, path)) as app:
            yield app


def once(lever: Lever, size: int) -> Make:
    """Each call is another."""
    return lambda number: (lever, asked(size, f"{lever.name} {number}"))


def again(lever: Lever, size: int) -> Make:
    """All calls are one."""
    return lambda _: (lever, replace(asked(size, lever.name), trace=Trace()))


async def measure(rounds: int) -> Figures:
    """Every lever at both sizes."""
    found: Figures = {}
    async with gateway() as app:
        levers = [app.levers[place.name] for place in ORDER if place.name in app.levers]
        levers.append(Scope())
        for size in SIZES:
            parsed = parsed_us(asked(size, "x"), rounds)
            found.setdefault(PARSED, {})[size] = Pair(parsed, parsed)
            for lever in levers:
                if lever.name in _ELSEWHERE:
                    continue
                first = await pass_us(once(lever, size), below, rounds)
                found.setdefault(lever.name, {})[size] = Pair(first)
            cache = app.levers["exact_cache"]
            await cache(asked(size, cache.name), below)
            hit = await pass_us(again(cache, size), below, rounds)
            found.setdefault("exact_cache, hit", {})[size] = Pair(next=hit)
    return found


if __name__ == "__main__":
    run("a lever", __doc__, "others", measure)
