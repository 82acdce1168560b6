"""The ledger beside the provider's own usage and cost exports. Pure: shells read the files."""
