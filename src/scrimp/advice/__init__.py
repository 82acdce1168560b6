"""Missed savings: what calls are known by, and what could have been saved in them. Pure."""
