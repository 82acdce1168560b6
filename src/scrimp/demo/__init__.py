"""A day of traffic in half a minute, through the vendors' own SDKs."""
