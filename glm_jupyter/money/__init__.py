"""What answers cost: prices paid, budgets kept, the ledger, and how all of it is shown."""
