"""A user's word on an answer: what it does to answers by meaning, and to the choice of a model."""

from __future__ import annotations

from typing import Annotated

import msgspec

from scrimp.app import App
from scrimp.errors import InvalidRequest, NotThere
from scrimp.pipeline.semantic_servings import Word


class Said(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The JSON body of `POST /v1/scrimp/feedback`: `id` is the answer's `x-scrimp-id`."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    verdict: Word


class Done(msgspec.Struct, frozen=True):
    """What was done.

    `quarantined`: nobody gets that answer again · `noted` · `learned`: by the choice of a model ·
    `not_by_meaning`: nothing to do.
    """

    id: str
    done: str


def read_said(body: bytes) -> Said:
    """Raises InvalidRequest with the field at fault."""
    try:
        return msgspec.json.decode(body, type=Said)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(
            f'feedback is {{"id": "…", "verdict": "up", "down" or "regenerate"}}: {error}'
        ) from error


async def take(app: App, tenant: str, said: Said) -> Done:
    """Raises InvalidRequest, NotThere for a call that is not the asker's, StoreError."""
    routed = None if app.choice is None else app.choice.feedback
    if routed is not None and routed.take(said.id, tenant, said.verdict):
        return Done(said.id, "learned")
    if app.meanings is None and routed is None:
        raise InvalidRequest(
            "nothing here learns from feedback ([semantic_cache] or [route] enabled)"
        )
    done, entry = "not_by_meaning", None
    if app.meanings is not None:
        done = await app.meanings.feedback.take(said.id, tenant, said.verdict, ())
    if done == "not_by_meaning":
        entry = await app.ledger.find(said.id)
        if entry is None or entry.tenant != tenant:
            raise NotThere(f"no call {said.id!r} here")
        if app.meanings is not None:
            feedback = app.meanings.feedback
            done = await feedback.take(said.id, tenant, said.verdict, entry.trace)
    return Done(said.id, done)
