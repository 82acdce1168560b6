"""`scrimp route explain`: where a call would go, and why; nobody is called."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import click

from scrimp.cli.options import config_option, examples, json_option, load_settings

if TYPE_CHECKING:
    from scrimp.calls import Call, Reply
    from scrimp.choosing import Wish
    from scrimp.dialects.base import Dialect
    from scrimp.identity import KeyStore
    from scrimp.ports import Clock
    from scrimp.settings import Settings
    from scrimp.targets import Targets


class ExplainOptions(TypedDict):
    """The arguments of the command."""

    prompt: str | None
    call: Path | None
    model: str
    wish: str
    task: str
    draft: str | None
    config: Path | None
    as_json: bool


@click.command(
    name="explain",
    short_help="Where a call would go, and why; calls nobody.",
    epilog=examples(
        'scrimp route explain "What is the capital of France?"',
        'scrimp route explain "Prove it." --wish "auto, quality=0.98"',
        "scrimp route explain --call body.json",
        'scrimp route explain "What is 2 + 2?" --draft "It is 4." --model gpt-4o-mini',
    ),
)
@click.argument("prompt", required=False)
@click.option("--call", type=Path, metavar="FILE", help="JSON body of a call, instead of PROMPT.")
@click.option("--model", default="", help="What the call names [default: scrimp/auto].")
@click.option("--wish", default="", help="As x-scrimp-route says it: auto, quality=0.98.")
@click.option("--task", default="", help="As x-scrimp-task says it.")
@click.option("--draft", metavar="TEXT", help="Score this answer of --model, as a cascade would.")
@config_option
@json_option
def explain_command(**options: Unpack[ExplainOptions]) -> None:
    """Where a call would go, and why: rung, candidates, chances, costs, dial, choice.

    It decides as the gateway would, by the same settings and by what was saved last, and calls
    nobody. Counters of the gateway's memory (sessions, length of answers) are not known here.
    With --draft it says how a cascade would score that answer, and whether it would be served.
    """
    from scrimp.cli.console import print_json
    from scrimp.cli.route_explain_view import show_explained
    from scrimp.cli.score_explain import explain_draft

    if (options["prompt"] is None) == (options["call"] is None):
        raise click.UsageError("say PROMPT, or --call FILE, and not both")
    settings = load_settings(options["config"]).settings
    if (draft := options["draft"]) is not None:
        if (prompt := options["prompt"]) is None or options["wish"] or options["task"]:
            raise click.UsageError("--draft goes with PROMPT and --model, and nothing else")
        explain_draft(settings, prompt, draft, options["model"], as_json=options["as_json"])
        return
    if not settings.route.models:
        raise click.ClickException(
            'there is nothing to choose from ([route] models = ["…", "…"] in scrimp.toml)'
        )
    told = asyncio.run(_explained(settings, options))
    if options["as_json"]:
        print_json(told)
    else:
        show_explained(told)


@dataclass(frozen=True, slots=True)
class _Front:
    """What reading a call takes, without an engine."""

    settings: Settings
    dialects: Mapping[str, Dialect]
    targets: Targets
    keys: KeyStore
    clock: Clock


async def _explained(settings: Settings, options: ExplainOptions) -> dict[str, Any]:
    """The lever's own line of the trace. Raises ScrimpError."""
    import msgspec

    from scrimp.app import system_clock
    from scrimp.billing import book_of, places_of, price_names, pricer, trusts_of
    from scrimp.by_choice import Known, lever_of, open_by_choice
    from scrimp.dialects import DIALECTS
    from scrimp.errors import ConfigError
    from scrimp.served import targets_of

    enabled = msgspec.structs.replace(settings.route, enabled=True)
    hypothetical = msgspec.structs.replace(settings, route=enabled)
    book, names = book_of(settings), price_names(settings)
    targets, clock = targets_of(settings, book), system_clock()
    keys: Any = None  # nobody's key is looked up here
    front = _Front(hypothetical, DIALECTS, targets, keys, clock)
    call = _call(front, options)
    priced = pricer(book, names, places_of(settings), trusts_of(settings))
    known = Known(targets, book, names, priced, _nobody, clock, lambda: "explained")
    try:
        opened = await open_by_choice(
            hypothetical, clock
        )  # its helpers are never run: nothing is asked
    except ImportError as error:
        raise ConfigError(
            f"depth '{enabled.depth}' needs pip install 'scrimp[routing]' ({error.name} is missing)"
        ) from error
    lever = lever_of(hypothetical, known, opened)
    await lever(call, _nobody)
    return _told(settings, call)


async def _nobody(call: Call) -> Reply:
    """In a provider's place: no answer."""
    from scrimp.calls import Reply, ReplyFacts

    del call
    return Reply(200, (), None, "json", ReplyFacts(), cacheable=False)


def _call(front: _Front, options: ExplainOptions) -> Call:
    """The call that a client would make. Raises Rejected, ClickException, OSError."""
    from urllib.parse import quote

    from scrimp.calls import HeldSink, Trace
    from scrimp.shell.intake import Asked, Identity, Intake
    from scrimp.shell.routes import ROUTES

    body, dialect = _body(options)
    path = next(place for place, route in ROUTES.items() if route.dialect == dialect)
    headers = {b"content-type": b"application/json"}
    for name, value in (("x-scrimp-route", options["wish"]), ("x-scrimp-task", options["task"])):
        if value:
            headers[name.encode()] = quote(value, safe=" ,=+.:/").encode()
    asked = Asked(
        id="explained",
        identity=Identity(),
        method="POST",
        path=path,
        headers=headers,
        raw=[(b"content-type", b"application/json")],
        body=body,
        sink=HeldSink(),
        trace=Trace(),
    )
    return Intake(front, tenant_secret=b"").call(asked, ROUTES[path])


def _body(options: ExplainOptions) -> tuple[bytes, str]:
    import msgspec

    from scrimp.cli.estimate_call import read_file, with_model

    path, model = options["call"], options["model"]
    if path is not None:
        return with_model(read_file(path), model, path)
    user = {"role": "user", "content": options["prompt"]}
    fields = {"model": model or "scrimp/auto", "messages": [user]}
    return msgspec.json.encode(fields), "openai.chat"


def _told(settings: Settings, call: Call) -> dict[str, Any]:
    from scrimp.dialects import DIALECTS
    from scrimp.routing.question import asked_of
    from scrimp.routing.rungs import complexity
    from scrimp.routing.tables import reference_of

    asked = asked_of(call, DIALECTS[call.target.dialect])
    section = settings.route
    found = complexity(
        asked.text, asked.place.task, words=section.rungs.words, tasks=section.rungs.tasks
    )
    line = next((one for one in call.trace.lines if one.lever == "route"), None)
    numbers = {} if line is None else dict(line.numbers)
    listed = str(numbers.pop("candidates", ""))
    costs = dict(pair.rsplit("=", 1) for pair in listed.split(",") if pair)
    candidates = {
        name: {
            "expected_nanousd": int(cost) if cost.isdecimal() else None,
            "chance": numbers.pop(f"p_{name}", None),
        }
        for name, cost in costs.items()
    }
    return {
        "enabled": section.enabled,
        "asked": call.request.model,
        "headed_for": call.target.model,
        "depth": call.wish.depth or section.depth,
        "dial": _dial(settings, call.wish),
        "reference": reference_of(section),
        "task": asked.place.task,
        "rung": found.rung,
        "rung_reasons": list(found.reasons),
        "input_tokens": asked.input_tokens,
        "candidates": candidates,
        "removed": [pair for pair in str(numbers.pop("removed", "")).split(",") if pair],
        "choice": str(numbers.pop("model", call.target.model)),
        "why": "not_routed" if line is None else line.verdict,
        "numbers": numbers,
    }


def _dial(settings: Settings, wish: Wish) -> dict[str, Any]:
    """The call's own, else the settings'."""
    from scrimp.routing.tables import usual_wish

    own = {"max_loss": wish.max_loss, "floor": wish.floor, "budget_nanousd": wish.budget_nanousd}
    if any(value is not None for value in own.values()):
        return own
    usual = usual_wish(settings.route)
    return {
        "max_loss": usual.max_loss,
        "floor": usual.floor,
        "budget_nanousd": usual.budget_nanousd,
    }
