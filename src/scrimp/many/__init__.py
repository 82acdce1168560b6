"""Many calls at once: what lines of a file ask, how fast they may go, what is kept. Pure."""
