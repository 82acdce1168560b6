"""Several providers behind one address: `/u1`, `/u2` …, each with its own health and bill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scrimp.simulator.app import Provider, Receive, Scope
from scrimp.simulator.delivery import Send
from scrimp.simulator.faults import Rule, parse
from scrimp.simulator.link import Links
from scrimp.simulator.settings import Settings

_PREFIX: Final = "/u"


class Fleet:
    """The ASGI application. A path without a number is the first provider's."""

    def __init__(self, settings: Sequence[Settings]) -> None:
        self.links = Links()
        self.providers = tuple(
            Provider(one, self.links, base_path(number) if number > 1 else "")
            for number, one in enumerate(settings, 1)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request by the provider that it is for."""
        head, slash, _ = scope["path"][1:].partition("/")
        number = int(head[1:]) if slash and head[:1] == "u" and head[1:].isdigit() else 0
        if not 1 <= number <= len(self.providers):
            await self.providers[0](scope, receive, send)
            return
        size = len(head) + 1
        scope["path"] = scope["path"][size:]
        scope["raw_path"] = scope["raw_path"][size:]
        await self.providers[number - 1](scope, receive, send)

    def plan(self, text: str) -> None:
        """Plan a fault for all, or with `u2/` before it for one. Raises ValueError."""
        head, slash, rest = text.partition("/")
        if not slash or head[:1] != "u" or not head[1:].isdigit():
            for provider in self.providers:
                provider.plan.add(Rule(parse(text)))
            return
        number = int(head[1:])
        if not 1 <= number <= len(self.providers):
            raise ValueError(
                f"fault {text!r} is for upstream {number}, but there are {len(self.providers)}"
            )
        self.providers[number - 1].plan.add(Rule(parse(rest)))


def base_path(number: int) -> str:
    """Where the provider of that number (from 1) is found."""
    return f"{_PREFIX}{number}"
