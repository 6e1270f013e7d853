"""The ledger of jobs that have to be done, their runner, the schedule and the sweep."""
