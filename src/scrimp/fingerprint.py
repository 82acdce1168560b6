"""Which calls may share an answer, and the key under which they do.

The key covers whatever can change the answer: tenant, target, the whole body (fields that Scrimp
does not know too, the form of delivery apart) and the headers that providers read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

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
    if call.operation not in _ANSWERS:
        return "not_a_chat"
    if call.cache.mode == "no-store":
        return "no_store"
    if request.stateful or request.side_effects:
        return "stateful" if request.stateful else "side_effects"
    if ttl_s <= 0:
        return "task_never_cached" if call.cache.ttl_s is None else "ttl_0"
    if request.n > 1:
        return "several_choices"
    temperature = request.fields.get("temperature")
    too_hot = isinstance(temperature, int | float) and temperature > max_temperature
    return "temperature" if too_hot else ""


def fingerprint(call: Call, dialect: Dialect, body: bytes | None = None) -> bytes:
    """SHA-256 over all that can change the answer, each part behind its length.

    Two calls share it only when tenant, provider, model, dialect, path with its query,
    answer-changing headers, every field of the body and what is asked of the choice of the model
    are equal; the order of the body's fields does not matter. `body` stands for the call's own.
    """
    target = call.target
    texts = [call.caller.tenant, target.provider, target.dialect, call.path]
    if headers := dialect.answer_headers(call.headers):
        texts += [f"{name}:{value}" for name, value in sorted(headers)]
    parts = [text.encode("utf-8", "surrogatepass") for text in texts]
    framed = [b"%d:%b" % (len(part), part) for part in parts]
    if body is None:
        body = body_bytes(call, dialect.cache_fields(call.request))
    wish = b"" if call.wish is NO_WISH or call.wish == NO_WISH else wish_bytes(call.wish)
    return hashlib.sha256(b"".join((*framed, b"|", body, wish))).digest()


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
    """What a call asks of the choice of its model: another choice may give another answer.

    What is answered in company is never remembered, so that wish makes no other call of it.
    """
    if wish.pack is not None:
        wish = replace(wish, pack=None)
    return b"|" + _SORTED.encode(wish) if wish != NO_WISH else b""
