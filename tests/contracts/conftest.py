"""What contracts share: a clock that stands until it is told to go."""

from __future__ import annotations

import pytest

from tests.support.core import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    """Time by hand."""
    return FakeClock()
