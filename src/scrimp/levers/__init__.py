"""Ways to spend less, one file each. ORDER (in `order.py`) is the way of a call."""
