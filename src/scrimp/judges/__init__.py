"""Judges: whether two answers to one question would do the same for who asked."""
