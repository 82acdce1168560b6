"""What lasts for all tests of a run, and ends with it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

AT_END: Final = ExitStack()
"""Closed by `tests/conftest.py` when the last test is over: a worker of xdist runs no `atexit`."""
