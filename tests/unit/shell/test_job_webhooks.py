"""Where news of jobs may go: what the settings name, by https, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from scrimp.app import system_clock
from scrimp.batches.tables import DeferSection, JobWebhook, is_allowed, is_safe
from scrimp.cli.doctor_jobs import jobs
from scrimp.cli.finding import Finding
from scrimp.errors import ConfigError, InvalidRequest
from scrimp.gateway.metrics_jobs import job_counts
from scrimp.gateway.metrics_text import exposition
from scrimp.jobs import AS_SET, Standing
from scrimp.notifiers.job_webhook import JobPosts
from scrimp.settings import Loaded, parse
from scrimp.shell.waiting import able_to_wait
from scrimp.stores.sqlite_jobs import SqliteJobs, jobs_file
from tests.support.core import FakeClock, call_of
from tests.support.jobs import deferred, job_at, job_store

ALLOW = ("https://a.example/hook", "https://b.example/jobs/", "http://localhost:8080/")
HOOK = JobWebhook(url="https://own.example/x", allow=ALLOW)


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/hook",
        "https://b.example/jobs/1?token=a-b",
        "http://localhost:8080/anything",
    ],
)
def test_an_address_that_is_allowed(url: str) -> None:
    """As it stands, or below what ends in a slash."""
    assert is_allowed(url, HOOK)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://a.example/hook2",
        "https://a.example/",
        "https://b.example/jobs",
        "https://b.example/jobs/../admin",
        "https://b.example/jobs/%2e%2E/admin",
        "https://b.example/jobs/%252e%252e/admin",
        "https://b.example/jobs/..%2fadmin",
        "https://b.example/jobs/\\..\\admin",
        "https://b.example/jobs/\r\nx: y",
        "https://b.example/jobs/\n",
        "https://b.example/jobs/#x",
        "https://b.example@evil.example/jobs/",
        "https://b.example.evil.example/jobs/",
        "https://b.example:8443/jobs/",
        "http://b.example/jobs/",
        "http://localhost:8081/",
        "http://169.254.169.254/latest/meta-data/",
        "HTTPS://b.example/jobs/",
        "file:///etc/passwd",
    ],
)
def test_an_address_that_is_not_allowed(url: str) -> None:
    """However like an allowed one it looks."""
    assert not is_allowed(url, HOOK)


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://h.example/", True),
        ("https://[2001:db8::1]:8443/x", True),
        ("http://[::1]/x", True),
        ("http://127.0.0.1:1/x", True),
        ("http://127.0.0.1.example/x", False),
        ("http://10.0.0.1/x", False),
        ("https://h.example:99999/", False),
        ("https://h.example", False),
        ("https://user:word@h.example/", False),
        ("ftp://h.example/", False),
    ],
)
def test_an_address_of_the_settings(url: str, *, safe: bool) -> None:
    """By https, or on this machine."""
    assert is_safe(url) is safe


@pytest.mark.parametrize(
    "line", ['url = "http://h.example/"', 'allow = ["https://h"]', 'give_up = "long"']
)
def test_settings_that_cannot_be_are_refused(line: str) -> None:
    """With the name of the field."""
    with pytest.raises(ConfigError, match=rf"defer\.webhook\.{line.partition(' ')[0]}"):
        parse(f"[defer.webhook]\n{line}\n".encode(), source="x")


def told(headers: Mapping[bytes, bytes], webhook: JobWebhook | None) -> str:
    """Who is told of a call that may wait."""
    section = DeferSection(enabled=True, webhook=webhook)
    waits = {b"x-scrimp-max-wait": b"24h", **headers}
    return able_to_wait(call_of(), waits, section).wait.tell


def test_who_is_told_of_a_call() -> None:
    """Whom the settings name; another only where it is allowed; nobody without the table."""
    assert told({}, None) == ""
    assert told({}, HOOK) == AS_SET
    assert told({b"x-scrimp-webhook": ALLOW[0].encode()}, HOOK) == ALLOW[0]


@pytest.mark.parametrize(
    ("named", "webhook"),
    [
        (b"https://evil.example/secret", HOOK),
        (b"", HOOK),
        (b"settings", HOOK),
        (b"https://b.example/jobs/" + b"a" * 2000, HOOK),
        (b"https://b.example/jobs/\xff", HOOK),
        (ALLOW[0].encode(), None),
    ],
)
def test_an_address_elsewhere_is_refused(named: bytes, webhook: JobWebhook | None) -> None:
    """Before anything is put off; what was named is not repeated."""
    with pytest.raises(InvalidRequest, match=r"x-scrimp-webhook: not an address") as refused:
        told({b"x-scrimp-webhook": named}, webhook)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("webhook", "secrets", "address", "why"),
    [
        (HOOK, {"SCRIMP_WEBHOOK_SECRET": "s"}, AS_SET, ""),
        (HOOK, {}, AS_SET, "SCRIMP_WEBHOOK_SECRET is not set"),
        (JobWebhook(), {"SCRIMP_WEBHOOK_SECRET": "s"}, AS_SET, "SCRIMP_JOBS_WEBHOOK_URL is not"),
        (
            JobWebhook(),
            {"SCRIMP_WEBHOOK_SECRET": "s", "SCRIMP_JOBS_WEBHOOK_URL": "http://10.0.0.1/secret"},
            AS_SET,
            "SCRIMP_JOBS_WEBHOOK_URL holds no https address",
        ),
        (HOOK, {"SCRIMP_WEBHOOK_SECRET": "s"}, "https://gone.example/secret", "not allowed any"),
        (None, {"SCRIMP_WEBHOOK_SECRET": "s"}, AS_SET, "not set up any more"),
    ],
)
async def test_nothing_is_sent_where_it_may_not_go(
    webhook: JobWebhook | None, secrets: dict[str, str], address: str, why: str
) -> None:
    """The settings of now hold, whatever held when the call came."""
    posts = JobPosts(webhook, secrets, FakeClock().now)
    said = posts.why_not(address)
    assert why in said
    assert bool(why) is bool(said)
    assert "secret" not in said
    if said:
        sent = await posts.send(address, "a", b"{}")
        assert (sent.ok, sent.said) == (False, said)


def test_metrics_say_how_jobs_stand() -> None:
    """By state, with the age of the oldest; nothing where another worker says it."""
    clock = FakeClock()
    came = clock.now()
    clock.pass_by(90)
    standing = Standing({"waiting": 1, "asking": 2, "batched": 4, "failed": 3}, came, 5, 6)
    lines = exposition(job_counts(standing, clock.now())).decode().splitlines()
    assert {
        'scrimp_jobs{state="waiting"} 3',
        'scrimp_jobs{state="in_batch"} 4',
        'scrimp_jobs{state="done"} 0',
        'scrimp_jobs{state="failed"} 3',
        "scrimp_jobs_overdue 5",
        "scrimp_jobs_untold 6",
    } <= set(lines)
    (wait,) = [line for line in lines if line.startswith("scrimp_jobs_oldest_wait_seconds")]
    assert float(wait.split()[1]) == 90
    assert job_counts(None, clock.now()) == {}


def found(folder: Path, toml: str = "[defer]\nenabled = true\n", **secrets: str) -> list[Finding]:
    """What the doctor says."""
    settings = parse(f'state_dir = "{folder}"\n{toml}'.encode(), source="x")
    return list(jobs(Loaded(settings, "x", {}, "", secrets)))


def test_the_doctor_says_nothing_of_jobs_where_there_are_none(tmp_path: Path) -> None:
    """Or that none was put off yet."""
    assert found(tmp_path, "") == []
    (only,) = found(tmp_path)
    assert (only.status, only.said) == ("ok", "no call was put off yet")


def test_the_doctor_sees_what_is_late(tmp_path: Path) -> None:
    """With how many wait."""
    desk, clock = SqliteJobs(jobs_file(tmp_path / "jobs.sqlite"), system_clock()), FakeClock()
    clock.at = system_clock().now()
    late = job_at(clock, 1, until=clock.at)
    desk.put([(late, deferred()), (job_at(clock, 2), deferred())])
    whole, overdue = found(tmp_path)
    assert whole.status == "ok"
    assert "2 wait, 0 are over" in whole.said
    assert (overdue.status, overdue.said) == ("warn", "1 should have been answered by now")


def test_the_doctor_sees_a_damaged_file(tmp_path: Path) -> None:
    """And that it must not be thrown away."""
    (tmp_path / "jobs.sqlite").write_bytes(b"no database" * 1000)
    (only,) = found(tmp_path)
    assert only.status == "fail"
    assert "keep a copy" in only.way_out


def test_the_doctor_sees_a_webhook_that_cannot_be_signed(tmp_path: Path) -> None:
    """By the name of the variable."""
    toml = '[defer]\nenabled = true\n[defer.webhook]\nurl = "https://h.example/x"\n'
    _, webhook = found(tmp_path, toml)
    assert (webhook.status, "SCRIMP_WEBHOOK_SECRET" in webhook.said) == ("fail", True)
    assert len(found(tmp_path, toml, SCRIMP_WEBHOOK_SECRET="s")) == 1


def test_the_doctor_counts_news_that_were_given_up(tmp_path: Path) -> None:
    """And says where they are listed."""
    clock = FakeClock()
    clock.at = system_clock().now()
    store = job_store(tmp_path / "jobs.sqlite", clock)
    job = job_at(clock, 1)
    store.desk.put([(job, deferred(tell=AS_SET))])
    store.desk.cancel(job.id)
    store.news.later([(one, None) for one in store.news.take(lease_s=60, each=9)])
    _, lost = found(tmp_path)
    assert (lost.status, lost.said) == ("warn", "1 are over, and their webhook was given up")
    assert "--given-up" in lost.way_out
