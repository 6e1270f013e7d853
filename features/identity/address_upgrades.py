"""Brings addresses that an older version compared otherwise to the one form of today."""

import logging
from typing import Any

from pymongo.errors import DuplicateKeyError

from clients import addresses
from features.identity.accounts import CREDENTIALS
from machine.write.store import Store
from machine.write.upgrade import upgrade

log = logging.getLogger(__name__)
# Of others the form of today is the same that it always was.
SPECIAL = {"$regex": r"[^\x21-\x7e]|[Xx][Nn]--"}


@upgrade
def fold_addresses(store: Store) -> int:
    """Compare addresses and claims by their form of today; return how many were compared otherwise."""
    users, claims = store.collection("users"), store.services.db[CREDENTIALS]
    return refold(users, "email", "email_key") + refold(claims, "claim", "claim_key")


def refold(collection: Any, shown: str, key: str) -> int:
    """Write the form of today beside each address that has another. Of two that own one, the second is named."""
    changed = 0
    for one in collection.find({shown: SPECIAL}, {shown: 1, key: 1}):
        wanted = addresses.key(one[shown])
        if one.get(key) == wanted:
            continue
        # Where the address has changed meanwhile, its form was written with it.
        match = {"_id": one["_id"], shown: one[shown]}
        try:
            changed += collection.update_one(match, {"$set": {key: wanted}}).modified_count
        except DuplicateKeyError:
            log.warning(
                "the address of user %s belongs to another account, too: change one of them", one["_id"]
            )
    return changed
