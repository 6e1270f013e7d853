"""Brings claims of addresses that an older version compared otherwise to the one form of today."""

from pymongo import UpdateOne

from clients import addresses
from features.backend import backend_of
from features.identity.accounts import CREDENTIALS
from machine.write.store import Store
from machine.write.upgrade import lots, upgrade

# Of other claims the form of today is the same that it always was.
SPECIAL = {"$regex": r"[^\x21-\x7e]|[Xx][Nn]--"}


@upgrade
def fold_claims(store: Store) -> int:
    """Compare claims by their form of today, as addresses of accounts are; return how many were compared otherwise."""
    claims, changed = backend_of(store).db[CREDENTIALS], 0
    for lot in lots(claims.find({"claim": SPECIAL}, {"claim": 1, "claim_key": 1})):
        updates = [
            # Where the claim has changed meanwhile, its form was written with it.
            UpdateOne(one, {"$set": {"claim_key": key}})
            for one in lot
            if (key := addresses.key(one["claim"])) != one.get("claim_key")
        ]
        if updates:
            changed += claims.bulk_write(updates, ordered=False).modified_count
    return changed
