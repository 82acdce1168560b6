"""The price book in use: the one that ships, or a newer one that `scrimp prices update` wrote."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from scrimp.errors import ConfigError
from scrimp.prices.book import PriceBook, load_book, read_book, shipped_file
from scrimp.sections import Settings


def book_path(settings: Settings) -> Path:
    """Where an updated book is kept."""
    return settings.state_path / "prices.json"


def base_book(settings: Settings) -> PriceBook:
    """The updated book unless the one that ships is newer. Raises ConfigError when it is damaged.

    A running engine keeps the book that it began with.
    """
    updated = updated_book(settings)
    shipped = load_book()
    return shipped if updated is None or updated.compiled_on < shipped.compiled_on else updated


def updated_book(settings: Settings) -> PriceBook | None:
    """The book that an update wrote, used or not; None without one. Raises ConfigError."""
    path = book_path(settings)
    try:
        found = path.stat()
        return _read(path, found.st_ino, found.st_mtime_ns, found.st_size)
    except (FileNotFoundError, NotADirectoryError):  # a state folder that is none is told elsewhere
        return None
    except OSError as error:
        raise ConfigError(f"the price book {path} cannot be read: {error.strerror}") from error
    except ConfigError as error:
        way_out = "scrimp prices update makes it anew; without this file the one that ships is used"
        raise ConfigError(f"{error} ({way_out})") from error


def base_file(settings: Settings) -> bytes:
    """The file of the book in use. Raises ConfigError."""
    return (
        shipped_file() if base_book(settings) is load_book() else book_path(settings).read_bytes()
    )


@lru_cache(maxsize=2)
def _read(path: Path, *which: int) -> PriceBook:  # noqa: ARG001 - the key of what is remembered
    """Read once for as long as it is the same file: `which` tells."""
    return read_book(path.read_bytes(), source=str(path))
