"""Writes down what an older version told, part by part, so that it can be undone and is not told again."""

from typing import Any

from pymongo import UpdateOne

from features.notices.parts import TOLD, new_part, parts_of
from features.notices.people import NOTIFICATIONS
from machine.write.store import Store
from machine.write.upgrade import lots, upgrade

Document = dict[str, Any]


@upgrade
def note_parts(store: Store) -> int:
    """Note for each notification what it was made of, as far as its events are kept; return how many that were."""
    notifications, changed = store.collection(NOTIFICATIONS), 0
    for lot in lots(notifications.find({"event_ids": {"$exists": True}})):
        ids = [id_ for one in lot for id_ in one["event_ids"]]
        events = {one["_id"]: one for one in store.collection("events").find({"_id": {"$in": ids}})}
        people = [one["user"] for one in lot]
        letters = store.services.db["digests"].find({"_id": {"$in": people}}, {"sent_at": 1})
        sent = {one["_id"]: one["sent_at"] for one in letters}
        writes = [
            write
            for one in lot
            for id_ in one["event_ids"]
            if id_ in events and (write := noted(store, one, events[id_], sent.get(one["user"])))
        ]
        if writes:
            parts_of(store).bulk_write(writes, ordered=False)
        done = {"_id": {"$in": [one["_id"] for one in lot]}}
        changed += notifications.update_many(done, {"$unset": {"event_ids": 1}}).modified_count
    return changed


def noted(store: Store, notification: Document, event: Document, sent_at: Any) -> UpdateOne | None:
    """Return what notes that an event was told by a notification; None where its kind is declared no longer."""
    resource = store.registry[event["resource"]]
    notice = next((one for one in resource.notices if one.kind == notification["kind"]), None)
    if notice is None:
        return None
    document = {"_id": event["subject"]}
    if resource.readable_with:
        document[resource.readable_with] = event["within"]
    part = new_part(resource, document, notice, notification["user"], event if notice.on else None)
    part |= {"state": TOLD, "notification": notification["_id"], "at": notification["happened_at"]}
    # A letter that was sent since has told it.
    part["digest"] = "before" if sent_at and sent_at >= notification["happened_at"] else None
    key = {name: part.pop(name) for name in ("subject", "user", "turn")}
    return UpdateOne(key, {"$setOnInsert": part}, upsert=True)
