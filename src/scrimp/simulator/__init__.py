"""A provider to test against: OpenAI and Anthropic shapes, faults, and a bill of its own."""
