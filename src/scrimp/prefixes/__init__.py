"""Beginnings of prompts that a provider's prefix cache keeps: rules, memory, plans. Pure."""
