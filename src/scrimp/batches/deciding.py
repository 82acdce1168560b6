"""Which calls may travel in a batch, and what becomes of one that a batch did not answer. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from scrimp.budgets.worst import asked, own_tools
from scrimp.calls import Call, Headers
from scrimp.jobs import Job, Lane
from scrimp.ports import Count

_TIERS = (None, "auto", "default", "standard_only")
"""Words for the tier that a call is served at when it says nothing."""
_LANE_HEADERS = (
    "anthropic-beta",
    "anthropic-version",
    "openai-beta",
    "openai-organization",
    "openai-project",
)
"""What a provider reads from headers; all calls of a batch have one request's."""
_DEFAULT_VERSION = "2023-06-01"
_PATHS = {
    "openai.chat": "/v1/chat/completions",
    "openai.responses": "/v1/responses",
    "openai.embeddings": "/v1/embeddings",
    "anthropic.messages": "/v1/messages",
}
_WORDS = {
    "streams": "it asks for a stream",
    "own_credential": "it brings a key of its own, which is never written down",
    "own_purse": "a budget of a program pays for it",
    "only_remembered": "it asks for remembered answers only",
    "stateful": "it depends on state at the provider",
    "own_tier": "it names a service tier itself",
    "provider_tools": "it uses tools that the provider runs",
}
"""What `why_live` says, for people."""


def why_live(call: Call) -> str:
    """What in a call keeps it from being put off, in a word; empty where nothing does."""
    request, fields = call.request, call.request.fields
    reasons = (
        (call.operation not in ("chat", "embeddings"), "not_a_chat"),
        (call.target.dialect not in _PATHS, "dialect"),
        (request.stream, "streams"),
        (call.caller.credential is not None, "own_credential"),
        (not all(purse.lasting for purse in call.caller.purses), "own_purse"),
        (call.cache.mode == "only", "only_remembered"),
        (request.stateful or bool(fields.get("background")), "stateful"),
        (fields.get("service_tier") not in _TIERS or bool(fields.get("speed")), "own_tier"),
        (not own_tools(fields), "provider_tools"),
    )
    found = next((reason for applies, reason in reasons if applies), "")
    return found or _of_provider(call)


def _of_provider(call: Call) -> str:
    ask = asked(call.request, call.target.dialect, Count(0, 0, 0, ""))
    return "provider_tools" if ask.uses or ask.unseen_input else ""


def lane_of(call: Call) -> Lane:
    """What the calls of its batch have in common with it."""
    target = call.target
    return Lane(
        target.provider,
        target.dialect,
        _PATHS[target.dialect],
        target.model,
        _lane_headers(call.headers, target.dialect),
    )


def _lane_headers(headers: Headers, dialect: str) -> Headers:
    whole = with_version(headers, dialect)
    return tuple(sorted((name, value) for name, value in whole if name in _LANE_HEADERS))


def with_version(headers: Headers, dialect: str) -> Headers:
    """The headers of a call, with the version that Anthropic asks for where its client named none.

    A batch has it from us; a call that no batch answered, and that is asked by itself, must, too.
    """
    if dialect != "anthropic.messages" or any(name == "anthropic-version" for name, _ in headers):
        return headers
    return (*headers, ("anthropic-version", _DEFAULT_VERSION))


def refusal(call: Call, why: str, least_s: int) -> str:
    """Why a call is refused that is to wait or not to be made; batches begin at `least_s`."""
    target = call.target
    match why:
        case "too_soon":
            told = f"it may wait {call.wait.seconds} s, and batches begin at {least_s} s"
        case "no_tier":
            told = f"{target.provider} has no batches, known to be cheaper, for {target.model}"
        case _:
            told = _WORDS.get(why, "it is none that waits")
    return f"this call cannot wait for a batch: {told} ({why}); nothing was asked"


Next = Literal["waiting", "single", "expired"]


def after_batch(job: Job, now: datetime, *, most_tries: int, least: timedelta) -> Next:
    """Where a job goes that its batch did not answer: another batch while there is time for one."""
    if now >= job.until:
        return "expired"
    if job.tries + 1 < most_tries and job.until - now >= least:
        return "waiting"
    return "single"
