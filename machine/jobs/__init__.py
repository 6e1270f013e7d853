"""The ledger of jobs owed, their runner, the schedule and the sweep."""
