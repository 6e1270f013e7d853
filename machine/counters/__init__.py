"""Counts that follow documents, and their recount."""
