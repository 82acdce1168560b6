"""`scrimp cache warm`: answers that are there before anybody asks, given or asked for."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import click
import msgspec

from scrimp.cli.cache import only_own, place_of, tenant_option
from scrimp.cli.engine_run import engine_run
from scrimp.cli.options import config_option, examples, json_option, load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scrimp.cli.cache_warm_run import Planned, Tally
    from scrimp.settings import Loaded

_WORDS = {
    "known": "remembered already",
    "given": "given",
    "asked": "asked for",
    "declined": "asked for, but not to be remembered (refused, cut or too large)",
    "over_budget": "not asked for: the budget is used up",
    "failed": "failed",
}


class WarmOptions(TypedDict):
    """The arguments of the command."""

    file: Path | None
    like: Path | None
    model: str
    tag: tuple[str, ...]
    header: tuple[str, ...]
    ttl: str | None
    from_ledger: bool
    top: int
    tenant: str | None
    budget: str | None
    concurrency: int
    dry_run: bool
    yes: bool
    config: Path | None
    as_json: bool


@click.command(
    name="warm",
    short_help="Remember answers before anybody asks.",
    epilog=examples(
        "scrimp cache warm faq.csv --model gpt-4o-mini --dry-run",
        "scrimp cache warm faq.csv --like body.json --budget 2.00 --tag faq",
        "scrimp cache warm faq.jsonl --tenant key:web --ttl 30d --yes",
        "scrimp cache warm --from-ledger --top 100",
    ),
)
@click.argument("file", type=Path, required=False)
@click.option("--like", type=Path, metavar="BODY", help="JSON body of a call of your app's.")
@click.option("--model", default="", help="For questions that name none.")
@click.option("--tag", multiple=True, metavar="TAG", help="A tag for all of them; may be repeated.")
@click.option(
    "--header",
    multiple=True,
    metavar="NAME:VALUE",
    help="A header that your app sends, see below.",
)
@click.option("--ttl", metavar="TIME", help="How long they are remembered: 24h, 30d.")
@click.option("--from-ledger", is_flag=True, help="The questions that were asked most often.")
@click.option("--top", type=click.IntRange(1, 10_000), default=100, show_default=True)
@tenant_option
@click.option("--budget", metavar="USD", help="Spend no more than this.")
@click.option("--concurrency", type=click.IntRange(1, 64), default=4, show_default=True)
@click.option("--dry-run", is_flag=True, help="Only say what would be done, and what it costs.")
@click.option("--yes", is_flag=True, help="Do not ask before money is spent.")
@config_option
@json_option
def warm_command(**options: Unpack[WarmOptions]) -> None:
    """Remember answers before anybody asks.

    FILE is a CSV with a header line, or JSON lines: question, and if you like answer, model,
    system, task, tags, name. An answer that is given is remembered as it is; the others are asked
    for, after you have seen what that may cost. What is remembered already is skipped, so that a
    run that was broken off can be run again.

    A call is answered from memory when its whole body is equal: model, system, every message and
    parameter. So give the body that your app sends with --like: {question} in it, or else the last
    text of a user, is replaced by each question. Headers that change answers must be equal, too:
    anthropic-version and anthropic-beta, openai-organization, openai-project and openai-beta.
    Without --header, Claude is asked with anthropic-version 2023-06-01; SDKs send one of their own.
    """
    from scrimp.cli.console import print_json

    loaded = load_settings(options["config"])
    budget = _dollars(options["budget"])
    remote = _is_remote(loaded, options["tenant"])
    planned = _planned(loaded, options)
    told = engine_run(_work(loaded, planned, options, budget_nanousd=budget, remote=remote))
    if options["as_json"]:
        print_json({"place": place_of(loaded), **told})
    elif not options["dry_run"]:
        _show_result(told)
    if told.get("failed"):
        raise SystemExit(1)


async def _work(
    loaded: Loaded,
    planned: list[Planned],
    options: WarmOptions,
    *,
    budget_nanousd: int | None,
    remote: bool,
) -> dict[str, Any]:
    """Look, say what it costs, and do it. Raises ScrimpError and what click knows."""
    from scrimp.cli.cache_warm_run import doer, look, run

    async with doer(loaded, options["tenant"], remote=remote) as do:
        looked = await look(planned, do, loaded.settings)
        told = _forecast(looked)
        if not options["as_json"]:
            _show_forecast(told, place_of(loaded))
        if options["dry_run"]:
            return told
        if told["to_ask"] and not options["yes"]:
            _confirm()
        todo = [one for one in looked if one.outcome != "known"]
        with _progress(len(todo), quiet=options["as_json"]) as tell:
            at_once = options["concurrency"]
            tally = await run(todo, do, budget_nanousd=budget_nanousd, at_once=at_once, tell=tell)
        return {**told, **_result(tally)}


def _is_remote(loaded: Loaded, tenant: str | None) -> bool:
    """A gateway's memory is its own; else this process can write what gateways read."""
    if loaded.settings.exact_cache.engine != "memory":
        return False
    only_own(tenant)
    return True


def _dollars(text: str | None) -> int | None:
    from scrimp.money import parse_usd

    if text is None:
        return None
    try:
        return parse_usd(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--budget") from error


def _planned(loaded: Loaded, options: WarmOptions) -> list[Planned]:
    """Every call of the list, once. Raises InvalidRequest, StoreError, UsageError."""
    from scrimp.cli.cache_warm_run import Planned
    from scrimp.settings import ttl_seconds
    from scrimp.shell.warm_items import body_of, read_items
    from scrimp.shell.warming import WarmForm

    if options["from_ledger"] == (options["file"] is not None):
        raise click.UsageError("say FILE, or --from-ledger, and not both")
    ttl_s = None if options["ttl"] is None else ttl_seconds(options["ttl"])
    if options["from_ledger"]:
        return _from_ledger(loaded, options, ttl_s)
    file = options["file"]
    assert file is not None  # noqa: S101 - told to the type checker
    data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    headers = _headers(options["header"])
    template = None if options["like"] is None else options["like"].read_bytes()
    seen: dict[bytes, Planned] = {}
    for item in read_items(data, str(file)):
        body = body_of(item, template, options["model"])
        form = WarmForm(
            body=msgspec.Raw(body),
            answer=item.answer,
            name=item.name,
            tags=(*item.tags, *options["tag"]),
            task=item.task,
            headers=headers,
            ttl_s=ttl_s,
        )
        seen.setdefault(body, Planned(f"{file}, line {item.line}", form))
    return list(seen.values())


def _headers(texts: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not name.strip():
            raise click.BadParameter(f"{text!r} is not NAME:VALUE", param_hint="--header")
        found[name.strip().lower()] = value.strip()
    return found


def _from_ledger(loaded: Loaded, options: WarmOptions, ttl_s: int | None) -> list[Planned]:
    from scrimp.app import open_ledger_reader
    from scrimp.cli.cache_warm_run import Planned
    from scrimp.shell.warming import WarmForm

    if options["like"] is not None or options["model"]:
        raise click.UsageError("--from-ledger takes no --like and no --model")
    reader = open_ledger_reader(loaded.settings)
    rows = reader.frequent(options["top"], options["tenant"] or "")
    if not rows:
        kept = loaded.settings.ledger.keep_content
        why = "nothing was asked since" if kept else "ledger.keep_content is false in scrimp.toml"
        raise click.ClickException(
            f"the ledger holds no texts of calls ({why}): what was asked most cannot be told"
        )
    headers, tags = _headers(options["header"]), options["tag"]
    return [
        Planned(
            f"call {number} of the ledger (asked {asked:,} times)",
            WarmForm(
                body=msgspec.Raw(text.encode()), task=task, tags=tags, headers=headers, ttl_s=ttl_s
            ),
        )
        for number, (text, task, asked) in enumerate(rows, 1)
    ]


def _forecast(looked: Sequence[Planned]) -> dict[str, Any]:
    found = Counter(one.outcome for one in looked)
    asks = [one for one in looked if one.outcome == "asked"]
    return {
        "calls": len(looked),
        "already": found["known"],
        "to_give": found["given"],
        "to_ask": found["asked"],
        "expected_nanousd": sum(one.expected_nanousd or 0 for one in asks),
        "upper_nanousd": sum(one.upper_nanousd or 0 for one in asks),
        "unpriced": sum(one.upper_nanousd is None for one in asks),
    }


def _show_forecast(told: dict[str, Any], place: str) -> None:
    from scrimp.cli.console import say
    from scrimp.money import format_usd

    say(
        f"{told['calls']:,} calls for {place}: {told['already']:,} remembered already, "
        f"{told['to_give']:,} with an answer, {told['to_ask']:,} to be asked."
    )
    if told["to_ask"]:
        expected, upper = (
            format_usd(told[name], places=6) for name in ("expected_nanousd", "upper_nanousd")
        )
        unknown = f"; {told['unpriced']:,} have no price" if told["unpriced"] else ""
        say(f"Asking costs about {expected}, at most {upper}{unknown}.")


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("this spends money: say --yes, or look first with --dry-run")
    click.confirm("Go on?", abort=True, err=True)


class _Quiet:
    """No progress to be shown."""

    def __enter__(self) -> Callable[[Tally], None]:
        return lambda _: None

    def __exit__(self, *_: object) -> None:
        return None


class _Shown:
    """One line on a terminal, written over and over."""

    def __init__(self, total: int) -> None:
        self._total = total

    def __enter__(self) -> Callable[[Tally], None]:
        return self._tell

    def __exit__(self, *_: object) -> None:
        sys.stderr.write("\n")

    def _tell(self, tally: Tally) -> None:
        from scrimp.money import format_usd

        spent = format_usd(tally.spent_nanousd, places=4)
        sys.stderr.write(f"\r{tally.done:,} of {self._total:,}, {spent} spent ")
        sys.stderr.flush()


def _progress(total: int, *, quiet: bool) -> _Quiet | _Shown:
    dumb = os.environ.get("TERM") == "dumb"
    return _Quiet() if quiet or dumb or not sys.stderr.isatty() else _Shown(total)


def _result(tally: Tally) -> dict[str, Any]:
    counts = {name: tally.counts.get(name, 0) for name in _WORDS}
    return {
        **counts,
        "spent_nanousd": tally.spent_nanousd,
        "of_unknown_cost": tally.unknown,
        "failures": tally.failures,
    }


def _show_result(told: dict[str, Any]) -> None:
    from scrimp.cli.console import note, say
    from scrimp.money import format_usd

    for name, words in _WORDS.items():
        if told[name]:
            say(f"  {told[name]:>7,}  {words}")
    unknown = told["of_unknown_cost"]
    most = f" (of {unknown:,} the most they may cost)" if unknown else ""
    say(f"Spent {format_usd(told['spent_nanousd'])}{most}.")
    for failure in told["failures"]:
        note(failure)
