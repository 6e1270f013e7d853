"""The commands of `run.py`, one module each with a click command called `cli`."""
