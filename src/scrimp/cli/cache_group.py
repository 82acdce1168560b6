"""All of `scrimp cache`: each part adds its command to the group."""

from __future__ import annotations

from scrimp.cli.cache import cache_command
from scrimp.cli.cache_invalidate import invalidate_command
from scrimp.cli.cache_warm import warm_command

__all__ = ["cache_command"]

cache_command.add_command(invalidate_command)
cache_command.add_command(warm_command)
