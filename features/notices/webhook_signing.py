"""Sign webhook calls as Standard Webhooks 1.0 says, and keep the secrets sealed."""

import base64
import secrets
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from pymongo.database import Database
from standardwebhooks import Webhook

from machine.access.sealing import seal, unseal

COLLECTION, PURPOSE = "webhook_secrets", "webhook secret"
MARK = "whsec_"


def make_secret(db: Database[Any], secret_key: str, webhook: ObjectId) -> str:
    """Draw a new secret for a webhook, keep it sealed, and return it once."""
    secret = MARK + base64.b64encode(secrets.token_bytes(32)).decode()
    sealed = seal(secret_key, PURPOSE, secret.encode())
    db[COLLECTION].update_one({"_id": webhook}, {"$set": {"sealed": sealed}}, upsert=True)
    return secret


def read_secret(db: Database[Any], secret_key: str, webhook: ObjectId) -> str:
    """Return the secret of a webhook; KeyError where it has none."""
    found = db[COLLECTION].find_one({"_id": webhook})
    if found is None:
        raise KeyError(webhook)
    return unseal(secret_key, PURPOSE, found["sealed"]).decode()


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: HMAC-SHA256 over `id.timestamp.body`."""
    return Webhook(secret).sign(message_id, datetime.fromtimestamp(timestamp, UTC), body.decode())
