"""What somebody wants forgotten, from a form to all caches: the same for HTTP and events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from scrimp.errors import ConfigError, InvalidRequest
from scrimp.remembered import Chosen, Forgets, check_chosen
from scrimp.settings import ttl_seconds
from scrimp.tasks import TTL_S

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class Choice(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What a JSON body may say of the answers that are meant; all that is said must hold."""

    key: Text | None = None
    tag: Text | None = None
    pattern: Text | None = None
    model: Text | None = None
    task: Text | None = None
    older_than: Text | None = None


def chosen_of(choice: Choice, tenant: str, now: datetime) -> Chosen:
    """What is meant, of one tenant or (empty) of all. Raises InvalidRequest."""
    if choice.task is not None:
        check_task(choice.task)
    before = None
    if choice.older_than is not None:
        try:
            before = now - timedelta(seconds=ttl_seconds(choice.older_than))
        except ConfigError as error:
            raise InvalidRequest(f"older_than: {error}") from error
    chosen = Chosen(
        key=choice.key or "",
        tag=choice.tag or "",
        pattern=choice.pattern or "",
        model=choice.model or "",
        task=choice.task or "",
        stored_before=before,
    )
    check_chosen(chosen)
    return msgspec.structs.replace(chosen, tenant=tenant)


def check_task(task: str) -> None:
    """Raise InvalidRequest for what is no task type."""
    if task not in TTL_S:
        raise InvalidRequest(f"{task[:60]!r} is no task type (one of: {', '.join(TTL_S)})")


async def invalidate(
    caches: Mapping[str, Forgets], chosen: Chosen, *, dry_run: bool = False
) -> dict[str, int]:
    """Forget, or count, in every cache; how many, by its name. Raises InvalidRequest, StoreError.

    A pattern is refused where no cache finds any, and one of them keeps no texts to look in.
    """
    found: dict[str, int] = {}
    refused: list[InvalidRequest] = []
    for name, cache in caches.items():
        try:
            found[name] = await cache.invalidate(chosen, dry_run=dry_run)
        except InvalidRequest as error:
            refused.append(error)
            found[name] = 0
    if refused and not any(found.values()):
        raise refused[0]
    return found
