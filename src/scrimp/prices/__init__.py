"""The price book and exact pricing: integers only, time is an argument."""
