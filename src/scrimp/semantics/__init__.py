"""What may be answered by meaning, and under which scope: pure functions over calls."""
