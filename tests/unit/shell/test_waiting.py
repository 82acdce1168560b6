"""What the header says of a wait: how long, and whether a call that cannot is made at all."""

from __future__ import annotations

import pytest

from scrimp.batches.tables import DeferSection
from scrimp.errors import InvalidRequest
from scrimp.shell.waiting import able_to_wait, only
from scrimp.waiting import Wait
from tests.support.core import call_of

ON = DeferSection(enabled=True)


def wait_of(value: str, section: DeferSection = ON) -> Wait:
    """What a call with this header may wait."""
    return able_to_wait(call_of(), {b"x-scrimp-max-wait": value.encode()}, section).wait


def test_a_time_alone_may_end_in_an_answer_at_once() -> None:
    """It is not `only`."""
    assert (wait_of("24h").seconds, wait_of("24h").only) == (86400, False)


def test_a_job_or_nothing() -> None:
    """The same time; what cannot wait is to be refused."""
    found = wait_of(only("90m"))
    assert (found.seconds, found.only) == (5400, True)


@pytest.mark.parametrize("value", ["24h; maybe", "; only", "24h;only; only", "soon; only"])
def test_what_is_no_time_is_refused(value: str) -> None:
    """With how it is written."""
    with pytest.raises(InvalidRequest, match="x-scrimp-max-wait"):
        wait_of(value)


def test_where_no_call_may_wait_a_job_or_nothing_is_nothing() -> None:
    """Any other call goes live there, as if it had not said anything."""
    off = DeferSection()
    assert wait_of("24h", off).seconds == 0
    with pytest.raises(InvalidRequest, match=r"\[defer\] enabled"):
        wait_of(only("24h"), off)
