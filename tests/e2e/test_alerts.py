"""Alerts from end to end: real calls, a real outbox, receivers that check what they get."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

import scrimp
from scrimp.app import open_alerts
from scrimp.notices import Alert, Told
from scrimp.settings import Loaded, parse
from scrimp.simulator import Simulator
from tests.support.gateway import RunningGateway
from tests.support.gateway_process import GatewayProcess
from tests.support.library import settings_for
from tests.support.receivers import LOCALHOST, Posted, Receiver, mail_server, receiving
from tests.support.stage import until

SECRET = "a shared secret"
BUDGET = '[exact_cache]\nenabled = false\n[budgets.ci]\nusd = "0.0005"\nper = "month"\n'
UNPRICED = 'prices_as = "nobody"\nany_model = true\n'
"""For the provider's table: no price is known for any of its models."""
QUIET = '[alerts]\nmute = ["forecast"]\n'


def webhook(receiver: Receiver) -> str:
    """The table of a webhook."""
    return f'[alerts.webhook]\nurl = "{receiver.url}"\n'


@contextmanager
def running(
    sim: Simulator,
    more: str,
    *,
    state: Path | None = None,
    secrets: Mapping[str, str] | None = None,
    provider: str = "",
) -> Iterator[RunningGateway]:
    """A gateway in front of a simulator, with alerts as `more` says."""
    with tempfile.TemporaryDirectory(prefix="scrimp-test-") as folder:
        text = (
            f'state_dir = "{state or folder}"\n{more}\n'
            f'[providers.openai]\nbase_url = "{sim.url}/v1"\n'
            f'dialects = ["openai.chat"]\nkey_env = "OPENAI_KEY"\n{provider}'
        )
        settings = parse(text.encode(), source="the test")
        told = {"SCRIMP_WEBHOOK_SECRET": SECRET, **(secrets or {})}
        gateway = RunningGateway(Loaded(settings, "the test", {"openai": "sk-x"}, "", told))
        gateway.start()
        try:
            yield gateway
        finally:
            gateway.stop()


def ask(url: str, text: str, *, model: str = "gpt-4o-mini", **more: Any) -> None:
    """One call. Raises what the SDK raises."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key="sk-x", max_retries=0) as client:
        client.chat.completions.create(
            model=model,
            max_completion_tokens=300,
            messages=[{"role": "user", "content": text}],
            **more,
        )


def spend(url: str, times: int = 60) -> int:
    """Calls until the budget refuses; how many went through."""
    for number in range(times):
        try:
            ask(url, f"Tell me about the number {number}.")
        except openai.RateLimitError:
            return number
    return times


def checked(posted: Posted) -> dict[str, Any]:
    """What a careful receiver makes of a request: it trusts nothing before the signature."""
    headers = posted.headers
    timestamp = headers["x-scrimp-timestamp"]
    assert abs(int(timestamp) - time.time()) < 300
    mac = hmac.new(SECRET.encode(), timestamp.encode() + b"." + posted.body, hashlib.sha256)
    assert hmac.compare_digest(headers["x-scrimp-signature"], f"v1={mac.hexdigest()}")
    told: dict[str, Any] = json.loads(posted.body)
    assert headers["x-scrimp-alert"] == told["id"]
    return told


def levels(receiver: Receiver) -> list[int]:
    """Levels of all alerts about budgets that arrived, checked."""
    told = [checked(one) for one in receiver.posted]
    return [one["facts"]["level"] for one in told if one["kind"] == "budget"]


def kinds(receiver: Receiver) -> set[str]:
    """Kinds of all alerts that arrived, checked."""
    return {checked(one)["kind"] for one in receiver.posted}


def box_of(gateway: RunningGateway) -> tuple[Told, ...]:
    """The gateway's outbox, the newest first."""
    return open_alerts(gateway.loaded.settings).recent(100)


def test_a_budget_that_fills_up_is_told_level_by_level_and_when_it_refuses() -> None:
    """Rising levels, each once, then that calls are refused; signed, with the numbers."""
    with Simulator() as sim, receiving() as receiver:
        with running(sim, BUDGET + QUIET + webhook(receiver)) as gateway:
            assert 0 < spend(gateway.url) < 60
            until(lambda: "refused" in kinds(receiver))
            spend(gateway.url, 3)
        told = [checked(one) for one in receiver.posted]
        found = levels(receiver)
        assert found == sorted(set(found))
        assert found
        assert len([one for one in told if one["kind"] == "refused"]) == 1
        facts = told[0]["facts"]
        assert facts["scope"] == "everyone"
        assert facts["limit"] == 500_000
        assert "of $0.0005 spent" in told[0]["text"]
        assert "month" in told[0]["text"]


def test_a_dead_receiver_harms_no_call_and_loses_no_alert() -> None:
    """It fails, and is there again after a restart: each alert arrives, once."""
    with Simulator() as sim, tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        with receiving(503) as broken:
            with running(sim, BUDGET + QUIET + webhook(broken), state=state) as gateway:
                assert spend(gateway.url) > 0
                until(lambda: len(broken.posted) > 0)
                waiting = box_of(gateway)
            assert waiting
        ids = {told.alert.id for told in waiting}
        with (
            receiving() as receiver,
            running(sim, BUDGET + QUIET + webhook(receiver), state=state) as gateway,
        ):
            until(lambda: ids <= {checked(one)["id"] for one in receiver.posted}, limit_s=30)
            until(lambda: all(_delivered(told) for told in box_of(gateway)))
            arrived = [checked(one)["id"] for one in receiver.posted]
        assert len(arrived) == len(set(arrived))


def _delivered(told: Told) -> bool:
    return all(one.state == "delivered" for one in told.deliveries)


def test_two_workers_tell_each_level_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes of a gateway and a second gateway on the same state: no level is doubled."""
    monkeypatch.setenv("SCRIMP_WEBHOOK_SECRET", SECRET)
    with Simulator() as sim, receiving() as receiver:
        more = f"{BUDGET}{QUIET}{webhook(receiver)}[server]\nworkers = 2\n"
        state = tmp_path / "state"
        with GatewayProcess(sim.url, state, more=more) as one:
            with GatewayProcess(sim.url, state, more=more) as two:
                for number in range(60):
                    try:
                        ask((one, two)[number % 2].url, f"Tell me about the number {number}.")
                    except openai.RateLimitError:
                        if "refused" in kinds(receiver):
                            break
                until(lambda: "refused" in kinds(receiver))
                two.terminate()
            one.terminate()
        found = levels(receiver)
        assert found
        assert len(found) == len(set(found))
        told = [checked(one)["kind"] for one in receiver.posted]
        assert told.count("refused") == 1


def test_a_loop_is_told_and_where_it_may_refused() -> None:
    """The same call, answered from memory or not; another call goes on."""
    block = '[alerts.loop]\ntimes = 3\nwithin = "1h"\nblock = true\n'
    with Simulator() as sim, receiving() as receiver:
        with running(sim, webhook(receiver) + block) as gateway:
            for _ in range(3):
                ask(gateway.url, "What is the capital of France?")
            with pytest.raises(openai.RateLimitError, match="the same call came 4 times within"):
                ask(gateway.url, "What is the capital of France?")
            ask(gateway.url, "What is the capital of Spain?")
            until(lambda: "loop" in kinds(receiver))
            entry = gateway.entries()[3]
        assert entry.status == 429
        assert [line.verdict for line in entry.trace if line.lever == "watch"] == ["refused"]


def test_a_model_without_a_price_is_told() -> None:
    """Once, however often it is called."""
    with Simulator() as sim, receiving() as receiver:
        with running(sim, webhook(receiver), provider=UNPRICED) as gateway:
            for number in range(3):
                ask(gateway.url, f"Hello {number}")
            until(lambda: kinds(receiver) == {"unpriced"})
        assert len(receiver.posted) == 1


def test_redirects_are_not_followed() -> None:
    """An alert goes where the settings say, and nowhere that a server likes to send it."""
    with (
        Simulator() as sim,
        receiving() as elsewhere,
        receiving(307, headers={"location": elsewhere.url}) as receiver,
    ):
        with running(sim, webhook(receiver), provider=UNPRICED) as gateway:
            ask(gateway.url, "Hello")
            until(lambda: any(one.said for told in box_of(gateway) for one in told.deliveries))
            (told,) = box_of(gateway)
        assert "it answered 307: a redirect, which is not followed" in told.deliveries[0].said
        assert elsewhere.posted == []


def test_mail_goes_encrypted_with_a_password_and_a_clean_subject() -> None:
    """STARTTLS with a checked certificate before the password; names add no header."""
    with Simulator() as sim, mail_server(password="mail password") as box:
        more = (
            f'[alerts.email]\nhost = "localhost"\nport = {box.port}\nca_file = "{LOCALHOST}"\n'
            'sender = "scrimp@example.com"\nto = ["ops@example.com"]\nuser = "scrimp"\n'
        )
        secrets = {"SCRIMP_SMTP_PASSWORD": "mail password"}
        with running(sim, more, secrets=secrets, provider=UNPRICED) as gateway:
            ask(gateway.url, "Hello")
            until(lambda: len(box.mails) == 1)
            until(lambda: _delivered(box_of(gateway)[0]))
        (mail,) = box.mails
        assert mail["Subject"] == "[Scrimp] no price is known for openai/gpt-4o-mini"
        assert mail["To"] == "ops@example.com"
        assert "answered and has no price" in mail.get_content()
        assert [one.partition(" ")[0] for one in box.plain_commands] == ["ehlo", "STARTTLS"]


def test_a_program_is_told_by_its_own_function(tmp_path: Path) -> None:
    """`Scrimp(on_alert=…)`: also what was found at the very end, before `close` returns."""
    got: list[Alert] = []
    with Simulator() as sim:
        more = {"budgets": {"ci": {"calls": 4, "per": "month"}}}
        settings = settings_for(sim.url, tmp_path, more)
        with scrimp.Scrimp(settings, on_alert=got.append) as engine:
            for country in ("France", "Spain"):
                engine.ask(f"Tell me about {country}.", model="gpt-4o-mini", max_tokens=300)
    assert [one.title for one in got if one.kind == "budget"] == [
        "50 % of budget 'ci' used (everyone, month)"
    ]


def test_a_function_that_breaks_is_tried_again_by_the_next_program(tmp_path: Path) -> None:
    """What it raises harms no call; the alert waits in the outbox."""
    got: list[Alert] = []

    def broken(alert: Alert) -> None:
        raise ValueError(alert.title)

    with Simulator() as sim:
        more = {"budgets": {"ci": {"calls": 4, "per": "month"}}}
        settings = settings_for(sim.url, tmp_path, more)
        with scrimp.Scrimp(settings, on_alert=broken) as engine:
            for country in ("France", "Spain"):
                engine.ask(f"Tell me about {country}.", model="gpt-4o-mini", max_tokens=300)
        with scrimp.Scrimp(settings, on_alert=got.append) as engine:
            engine.ask("Tell me about Spain.", model="gpt-4o-mini", max_tokens=300)
            until(lambda: any(one.kind == "budget" for one in got), limit_s=20)


def command(config: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """`scrimp alerts …` as it is typed."""
    return subprocess.run(
        [sys.executable, "-m", "scrimp", "alerts", *args, "--config", str(config)],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_test_alert_says_what_became_of_it(tmp_path: Path) -> None:
    """Each notifier for itself; exit code 1 when one fails; nothing secret is shown."""
    config = tmp_path / "scrimp.toml"
    with receiving() as hook, receiving(404) as chat:
        config.write_text(f'state_dir = "{tmp_path}"\n{webhook(hook)}[alerts.slack]\n')
        env = {"SCRIMP_WEBHOOK_SECRET": SECRET, "SCRIMP_SLACK_URL": chat.url}
        result = command(config, "test", **env)
        assert result.returncode == 1, result.stderr
        assert result.stdout.splitlines() == [
            "sent    webhook",
            "failed  slack      it answered 404",
        ]
        told = json.loads(command(config, "test", "--json", **env).stdout)
        assert [(one["notifier"], one["ok"]) for one in told["notifiers"]] == [
            ("webhook", True),
            ("slack", False),
        ]
        assert checked(hook.posted[0])["kind"] == "test"
        assert json.loads(chat.posted[0].body)["text"] == "○ a test alert"
    gone = command(config, "test", **env)
    assert gone.stdout.count("cannot be reached: Connection refused") == 2
    assert "/hook" not in gone.stdout + gone.stderr
