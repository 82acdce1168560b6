"""The engine that keeps an error bound: features and verdicts in, decisions out. Pure."""
