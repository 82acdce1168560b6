"""Adapters that talk to providers."""
