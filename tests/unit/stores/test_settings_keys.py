"""Keys of the settings: found by digest, and counted."""

from __future__ import annotations

from scrimp.identity import VirtualKey
from scrimp.stores.settings_keys import SettingsKeys

ONE, TWO = VirtualKey("one", "aa" * 32), VirtualKey("two", "bb" * 32)


async def test_a_key_is_found_by_its_digest_alone() -> None:
    """Not by its name, not in another case."""
    keys = SettingsKeys([ONE, TWO])
    assert await keys.find("bb" * 32) == TWO
    assert await keys.find("BB" * 32) is None
    assert await keys.find("one") is None
    assert await keys.find("") is None


async def test_whether_there_are_any() -> None:
    """From the first one on every call needs a key."""
    assert await SettingsKeys([ONE]).any()
    assert not await SettingsKeys([]).any()


async def test_closing_changes_nothing() -> None:
    """Nothing is held."""
    keys = SettingsKeys([ONE])
    await keys.close()
    assert await keys.any()
