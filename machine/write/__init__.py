"""The one write path: the store, its transactions, and what follows from a write."""
