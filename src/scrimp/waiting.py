"""What a call says of how long its answer may take, and the call as it was asked. Pure."""

from __future__ import annotations

from typing import ClassVar

from scrimp.values import Value


class Wait(Value, frozen=True):
    """`seconds` is the longest that the client would wait (0: it waits now).

    `ref` is the client's own name for the call: asked again by it, it is the same job. `provider`,
    `model` and `body` are where it was headed, and what it said, before any lever changed it.
    `tell` is who is told when the answer is here: an address, `jobs.AS_SET`, or nobody. `only`: a
    job or nothing; a call that cannot wait is refused, and never made at its plain price.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"body", "ref", "tell"})

    seconds: int = 0
    ref: str = ""
    provider: str = ""
    model: str = ""
    body: bytes = b""
    tell: str = ""
    only: bool = False


NO_WAIT = Wait()
