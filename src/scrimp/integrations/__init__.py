"""Scrimp inside other people's frameworks. Each needs its extra; none is imported by `scrimp`."""
