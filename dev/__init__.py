"""The embedded stack: it starts real servers and sets the variables that a deployment would set."""
