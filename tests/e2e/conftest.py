"""What many tests with real servers begin with; a module that needs another kind has its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scrimp.simulator import Simulator
from tests.support.library import Library, library


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """A running simulator."""
    with Simulator() as running:
        yield running


@pytest.fixture
def lib() -> Iterator[Library]:
    """A simulator, and the engine in this process in front of it."""
    with library() as both:
        yield both
