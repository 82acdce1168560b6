"""`Scrimp.record`: what a program tells of a call that it made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict

import msgspec

from scrimp.calls import Usage
from scrimp.errors import InvalidRequest
from scrimp.shell.recording import Told


class RecordOptions(TypedDict, total=False):
    """What may be told beside model and usage."""

    provider: str
    at: datetime
    id: str
    user: str
    task: str
    tags: tuple[str, ...]
    session: str
    service_tier: str
    latency_ms: float
    stream: bool


def told_of(model: str, usage: object, told: RecordOptions) -> Told:
    """Checked as the gateway checks what it is told. Raises InvalidRequest."""
    try:
        return msgspec.convert(
            {"model": model, "usage": _counts(usage), **told}, type=Told, strict=True
        )
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"the call cannot be recorded: {error}") from error


def _counts(usage: object) -> dict[str, Any]:
    """A usage as a mapping: ours, an SDK's object, or a mapping already."""
    if isinstance(usage, Usage):
        values = ((name, getattr(usage, name)) for name in Usage.__struct_fields__)
        return {name: value for name, value in values if type(value) is int}
    if isinstance(usage, Mapping):
        return dict(usage)
    dump = getattr(usage, "model_dump", None)
    if dump is None:
        raise InvalidRequest(f"'usage' is a {type(usage).__name__}, not a mapping of counts")
    dumped: dict[str, Any] = dump(exclude_none=True)
    return dumped
