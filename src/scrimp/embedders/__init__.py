"""Adapters that turn texts into vectors. Heavy ones need the extra `scrimp[semantic]`."""
