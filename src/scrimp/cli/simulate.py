"""`scrimp simulate`: a provider that costs nothing, in the foreground."""

from __future__ import annotations

import click

from scrimp.cli.options import examples

DEFAULT_PORT = 4150


@click.command(
    name="simulate",
    short_help="Run a provider to test against.",
    epilog=examples(
        "scrimp simulate",
        "scrimp simulate --port 0 --first-token-ms 0 --per-token-ms 0",
        "scrimp simulate --upstreams 2 --fault u2/503:after=10:count=5",
    ),
)
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True)
@click.option("--first-token-ms", type=click.FloatRange(0), help="Wait before the first token.")
@click.option("--per-token-ms", type=click.FloatRange(0), help="Wait for each token after it.")
@click.option(
    "--upstreams", type=click.IntRange(1, 99), default=1, help="So many, each with its own bill."
)
@click.option(
    "--fault", "faults", multiple=True, help="Such as 429:every=5, or u2/503 for one upstream."
)
def simulate_command(
    port: int,
    first_token_ms: float | None,
    per_token_ms: float | None,
    upstreams: int,
    faults: tuple[str, ...],
) -> None:
    """Run a provider to test against: OpenAI and Anthropic shapes, no model, no bill.

    Answers are believable, repeatable and free. It keeps its own exact bill, and it can fail on
    demand (rate limits, cut streams, hang-ups).
    """
    from dataclasses import replace

    from scrimp.cli.signals import Stopping
    from scrimp.errors import ConfigError
    from scrimp.simulator import BELIEVABLE, run_simulator

    settings = BELIEVABLE
    if first_token_ms is not None:
        settings = replace(settings, first_token_ms=first_token_ms)
    if per_token_ms is not None:
        settings = replace(settings, per_token_ms=per_token_ms)
    with Stopping() as stopping:

        def ready(url: str) -> None:
            stopping.served()
            _greet(url, upstreams)

        try:
            run_simulator(
                port=port, settings=settings, upstreams=upstreams, faults=faults, on_ready=ready
            )
        except ValueError as error:
            raise ConfigError(f"--fault: {error}") from error
        except OSError as error:
            said = error.strerror or str(error)
            raise ConfigError(
                f"cannot listen on 127.0.0.1:{port}: {said} (another port: --port)"
            ) from error


def _greet(url: str, upstreams: int) -> None:
    from scrimp.cli.console import dim, heading, say

    several = f"Or one of {upstreams} upstreams: {url}/u1 to {url}/u{upstreams}"
    say(
        heading(f"A simulated provider answers at {url}"),
        "",
        "Give it to a client (any API key will do):",
        f"  OPENAI_BASE_URL={url}/v1",
        f"  ANTHROPIC_BASE_URL={url}",
        *((several,) if upstreams > 1 else ()),
        "",
        "Or put Scrimp between, with this in scrimp.toml:",
        "  [providers.openai]",
        f'  base_url = "{url}/v1"',
        '  dialects = ["openai.chat", "openai.responses"]',
        '  headers = { authorization = "Bearer simulated" }',
        "",
        "  [providers.anthropic]",
        f'  base_url = "{url}/v1"',
        '  dialects = ["anthropic.messages"]',
        '  headers = { x-api-key = "simulated" }',
        "",
        f"Its own bill:    curl {url}/_sim/bill",
        f"""Make it fail:    curl {url}/_sim/faults -d '{{"fault": "429", "every": 5}}'""",
        dim("Stop it with Ctrl-C."),
    )
