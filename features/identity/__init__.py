"""Who somebody is and how they prove it: accounts, sessions, tokens, API keys, second factor, OpenID.

Access tokens live ten minutes and are refused at once when their session ends.
Secrets stand in collections of their own, hashed or sealed, and no answer tells who has an account.
"""

from features.identity.accounts import is_active
from features.identity.passwords import complaint

__all__ = ["complaint", "is_active"]
