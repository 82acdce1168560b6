"""Pure shaping of ledger entries: booking, rollups, reports, explanations."""
