"""Adapters that count tokens."""
