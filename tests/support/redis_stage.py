"""Stores of answers by meaning on one Redis and prefix, and what they said."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import redis

from scrimp.stores.redis_link import LinkOptions
from scrimp.stores.redis_semantic import RedisSemantic, SemanticOptions
from scrimp.stores.semantic_plan import IndexOptions, SemanticLimits
from tests.support.core import FakeClock
from tests.support.redis_server import RedisServer
from tests.support.semantic_stores import running_redis

GRAPHS = IndexOptions(exact_up_to=0)
PATIENT = LinkOptions(20, (0.05,))
QUICK = LinkOptions(0.5, (0.2,))


@dataclass
class Stage:
    """Each store has graphs from its first question on, and works until the stack ends."""

    server: RedisServer
    prefix: str
    stack: AsyncExitStack
    clock: FakeClock = field(default_factory=FakeClock)
    told: list[str] = field(default_factory=list)

    def store(
        self, link: LinkOptions = PATIENT, url: str = "", limits: SemanticLimits | None = None
    ) -> RedisSemantic:
        """One more store, at work."""
        options = SemanticOptions(
            limits or SemanticLimits(), GRAPHS, link, prefix=self.prefix, margin_s=0
        )
        url = url or self.server.url
        return running_redis(
            self.stack, RedisSemantic(url, self.clock, options, tell=self.told.append)
        )

    def ask(self, *command: object) -> object:
        """One answer, past the store."""
        with redis.Redis(port=self.server.port) as link:
            told: object = link.execute_command(*command)
        return told

    def names(self, pattern: str = "*") -> list[str]:
        """What the prefix has."""
        found = self.ask("KEYS", f"{self.prefix}:{pattern}")
        assert isinstance(found, list)
        return sorted(name.decode() for name in found)
