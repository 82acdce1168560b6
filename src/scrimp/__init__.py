"""Scrimp makes LLM bills small and keeps them honest. Importing it does nothing."""

__version__ = "0.1.0"
