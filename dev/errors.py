"""The one exception of the embedded stack."""


class StackError(Exception):
    """What is wrong and what to do about it, in a sentence for the person at the terminal."""
