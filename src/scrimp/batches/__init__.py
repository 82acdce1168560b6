"""The providers' batch APIs as words: what is sent to them and what comes back. No I/O."""
