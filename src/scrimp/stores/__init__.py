"""Adapters that remember: caches, ledgers, keys."""
