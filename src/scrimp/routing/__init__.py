"""Which model may answer: features, probabilities, decisions, certificates. Pure."""
