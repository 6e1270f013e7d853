"""What somebody types to say who they are: a user name or an address, in the one form in which each is compared."""

from clients import addresses
from machine.text.folding import fold

# Said of an address at the door, as far as is known there whether mail can go to it.
NOT_CARRIED = (
    "cannot be reached by this site's mail server: take one with plain letters (a to z) before the @"
)


def trim(text: str) -> str:
    """Return a name without the spaces and invisible characters that keyboards and tables leave around it."""
    return addresses.trim(text)


def name_key(username: str) -> str:
    """Return the form in which user names are compared, that of every word."""
    return fold(username)


def login_key(login: str) -> str:
    """Return the form in which logins are compared: no user name holds an @."""
    return addresses.key(login) if "@" in login else name_key(login)
