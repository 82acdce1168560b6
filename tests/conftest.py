"""Rules for every test run: no deadlines, and under SCRIMP_CI a skipped test is a failed one.

A missing tool or folder may let a test skip on a developer's machine, which says so in the summary
of the run; the machine that decides whether a change is good has everything and skips nothing.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import hypothesis
import pytest

from tests.support.whole_run import AT_END

# Two shared cores make a wall clock lie; the machine that decides must decide the same way twice.
hypothesis.settings.register_profile(
    "scrimp", deadline=None, derandomize=bool(os.environ.get("SCRIMP_CI")), print_blob=True
)
hypothesis.settings.load_profile("scrimp")

TOLERATED_REASONS: frozenset[str] = frozenset()
"""Reasons for which a test may be skipped even in CI, in full. Add one only with why."""


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip (or an expected failure) into a failure that names its reason."""
    if not report.skipped or not os.environ.get("SCRIMP_CI"):
        return
    reason = str(report.longrepr[-1]) if isinstance(report.longrepr, tuple) else "expected to fail"
    if reason.removeprefix("Skipped: ") not in TOLERATED_REASONS:
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: nothing is skipped under SCRIMP_CI ({reason})"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Look at each phase of each test, once pytest has made up its mind."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Look at files that skip themselves as a whole."""
    report = yield
    _refuse_skip(report)
    return report


def pytest_sessionfinish() -> None:
    """No server outlives the run."""
    AT_END.close()
