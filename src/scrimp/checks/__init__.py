"""Whether an answer is good enough, as far as that can be checked without another model. Pure."""
