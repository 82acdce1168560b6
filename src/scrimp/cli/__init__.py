"""The command line: thin commands over the app, the ledger and the price book."""
