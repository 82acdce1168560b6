"""What joins levers to a way: the chain with its guard, the attempt at its end, the outbox."""
