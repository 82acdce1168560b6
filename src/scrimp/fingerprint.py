"""Which calls may share an answer, and the key under which they do.

The key covers whatever can change the answer: tenant, target, the whole body (fields that Scrimp
does not know too, the form of delivery apart) and the headers that providers read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from scrimp.calls import Call
from scrimp.choosing import NO_WISH, Wish
from scrimp.dialects.base import Dialect
from scrimp.likeness import Ignored, alike_fields

_ANSWERS = ("chat", "embeddings")
_SORTED = msgspec.json.Encoder(order="sorted")


def time_to_live_s(call: Call, ttl_by_task_s: Mapping[str, int]) -> int:
    """Seconds that an answer may be remembered: the request's word, else the task's."""
    if call.cache.ttl_s is not None:
        return call.cache.ttl_s
    return ttl_by_task_s.get(call.task.name, ttl_by_task_s["general"])


def why_not(call: Call, ttl_s: int, *, max_temperature: float) -> str:
    """Why this call must not be answered from memory nor remembered; empty when it may."""
    request = call.request
    temperature = request.fields.get("temperature")
    rules = (
        (call.operation not in _ANSWERS, "not_a_chat"),
        (call.cache.mode == "no-store", "no_store"),
        (request.stateful, "stateful"),
        (request.side_effects, "side_effects"),
        (ttl_s <= 0, "task_never_cached" if call.cache.ttl_s is None else "ttl_0"),
        (request.n > 1, "several_choices"),
        (
            isinstance(temperature, int | float) and temperature > max_temperature,
            "temperature",
        ),
    )
    return next((reason for applies, reason in rules if applies), "")


def fingerprint(call: Call, dialect: Dialect, body: bytes | None = None) -> bytes:
    """SHA-256 over all that can change the answer, each part behind its length.

    Two calls share it only when tenant, provider, model, dialect, path with its query,
    answer-changing headers, every field of the body and what is asked of the choice of the model
    are equal; the order of the body's fields does not matter. `body` stands for the call's own.
    """
    target = call.target
    digest = hashlib.sha256()
    for part in (
        call.caller.tenant,
        target.provider,
        target.dialect,
        call.path,
        *(f"{name}:{value}" for name, value in sorted(dialect.answer_headers(call.headers))),
    ):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(data))
        digest.update(data)
    digest.update(b"|")
    digest.update(body_bytes(call, dialect.cache_fields(call.request)) if body is None else body)
    if call.wish != NO_WISH:
        digest.update(wish_bytes(call.wish))
    return digest.digest()


def body_bytes(call: Call, fields: Mapping[str, Any]) -> bytes:
    """The fields of a body in one order, for the model that the call goes to."""
    return _SORTED.encode({**fields, "model": call.target.model})


def body_alike(call: Call, dialect: Dialect, ignored: frozenset[Ignored]) -> bytes | None:
    """What stands for the body of a call whose prompts have something that is ignored; else None.

    It is no body of any call, so that its key is none of a call that has nothing of the kind.
    """
    fields = dialect.cache_fields(call.request)
    alike = alike_fields(fields, call.target.dialect, ignored)
    return None if alike is None else b"~" + body_bytes(call, alike)


def wish_bytes(wish: Wish) -> bytes:
    """What a call asks of the choice of its model: another choice may give another answer."""
    return b"|" + _SORTED.encode(wish)
