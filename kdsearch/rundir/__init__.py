"""The run directory: its files, its ledger and its logs."""
