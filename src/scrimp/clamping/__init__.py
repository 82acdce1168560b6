"""Shorter outputs: limits, what is asked for in words, and what is done where one was cut. Pure."""
