"""Indexes follow from what a resource says: those that deployments have, and the rules by which they are made."""

import pytest

from machine.declare.derived import derive_indexes
from machine.declare.registry import Registry

# What databases hold for queries and uniqueness: a derived index that differs is built anew in each of them, which
# takes long where documents are many. `!` says unique.
STANDING = {
    "api_keys": {
        "by_user": "user,-_id",
    },
    "audit_log": {
        "by_action": "action,-_id",
        "by_actor": "actor,-_id",
    },
    "blocks": {
        "by_owner": "owner,-_id",
        "by_scope": "scope,-_id",
    },
    "captions": {
        "by_video": "video,_id",
        "by_owner": "owner,-_id",
        "once_per_language": "video,language!",
    },
    "channels": {
        "by_owner": "owner,-_id",
        "one_handle": "handle_key!",
    },
    "comments": {
        "by_video": "video,parent,status,-_id",
        "by_top": "video,parent,status,-counters.likes,-_id",
        "by_parent": "parent,status,_id",
        "held": "video,status,-_id",
        "by_status": "status,-_id",
        "by_author": "author,-_id",
    },
    "events": {
        "by_user": "user,seq,_id",
        "by_user_type": "user,type,seq,_id",
    },
    "jobs": {
        "by_owner": "owner,-_id",
        "by_owner_and_state": "owner,state,-_id",
        "by_state": "state,-_id",
        "by_type_and_state": "type,state,-_id",
    },
    "likes": {
        "by_user": "user,-_id",
        "by_user_value": "user,target_type,value,-_id",
        "one_each": "user,target_type,target!",
    },
    "notifications": {
        "by_user": "user,-happened_at,-_id",
        "by_user_unread": "user,unread,-happened_at,-_id",
    },
    "playlist_items": {
        "in_order": "playlist,position,_id",
        "one_each": "playlist,video!",
    },
    "playlists": {
        "public": "visibility,-_id",
        "public_by_owner": "owner,visibility,-_id",
        "by_owner": "owner,-_id",
    },
    "reports": {
        "by_reporter": "reporter,-_id",
        "by_state": "state,_id",
        "by_target": "target,target_type,-_id",
    },
    "sessions": {
        "by_user": "user,-_id",
    },
    "subscriptions": {
        "by_user": "user,-_id",
        "public_by_channel": "channel,visibility,-_id",
        "public_by_user": "user,visibility,-_id",
        "one_each": "user,channel!",
    },
    "users": {
        "by_status": "status,-_id",
        "one_username": "username_key!",
    },
    "video_stats": {
        "by_views_held": "-views_held,-_id",
        "by_owner": "owner,-day,-_id",
    },
    "videos": {
        "public_by_channel": "channel,visibility,status,deleted_at,-published_at,-_id",
        "public_by_category": "category,visibility,status,deleted_at,-published_at,-_id",
        "public_by_tag": "tag_keys,visibility,status,deleted_at,-published_at,-_id",
        "by_owner": "owner,-_id",
        "by_channel": "channel,-_id",
        "by_status": "status,-_id",
    },
    "watch_history": {
        "by_user": "user,-watched_at,-_id",
        "by_user_completed": "user,completed,-watched_at,-_id",
        "one_each": "user,video!",
    },
    "webhook_deliveries": {
        "by_owner": "owner,-_id",
        "by_webhook": "owner,webhook,-_id",
        "by_state": "owner,webhook,state,-_id",
        "one_each": "webhook,event!",
    },
    "webhooks": {
        "by_owner": "owner,-_id",
    },
}


def in_words(index):
    keys = ",".join(("-" if way < 0 else "") + name for name, way in index.keys)
    return keys + ("!" if index.options.get("unique") else "")


@pytest.mark.parametrize("name", STANDING)
def test_derived_indexes_are_those_that_databases_have(name):
    found = [
        one for one in Registry.load()[name].indexes if one.source.split(".")[0] in ("queries", "unique")
    ]
    assert {one.name: in_words(one) for one in found} == STANDING[name]
    assert all(one.options in ({}, {"unique": True}) for one in found)


def indexes(queries=(), declared=None, **policy):
    """Return the indexes of a small resource that nobody creates by POST, by name."""
    definition = {
        "schema": {},
        "resource_methods": ["GET"],
        "mongo_indexes": declared or {},
        "policy": {"owner": "owner", "queries": list(queries), **policy},
    }
    return {one.name: in_words(one) for one in derive_indexes(definition)}


PUBLIC = {"readable": {"shown": True}, "soft_delete": {"keep": "purge_after_seconds"}}
DELETED = {"deleted": "deleted_at"}
ONE = {"filter": ["channel"], "sort": "-day"}


def test_public_list_fixes_what_makes_a_document_public():
    assert indexes([ONE], **PUBLIC) == DELETED | {"public_by_channel": "channel,shown,deleted_at,-day,-_id"}


def test_owned_list_begins_with_the_owner():
    assert indexes([ONE | {"view": "owned"}], **PUBLIC) == DELETED | {
        "by_owner_channel": "owner,channel,-day,-_id"
    }


def test_owner_that_is_found_by_the_filter_is_not_repeated():
    assert indexes([ONE], owner="channel.owner") == {"by_channel": "channel,-day,-_id"}


def test_list_of_all_fixes_only_its_filter():
    assert indexes([ONE | {"view": "all"}]) == {"by_channel": "channel,-day,-_id"}


def test_list_of_all_by_day_is_named_by_its_sort():
    assert indexes([{"filter": [], "sort": "day", "view": "all"}]) == {"by_day": "day,_id"}


def test_list_by_id_needs_none():
    assert indexes([{"filter": [], "sort": "-_id", "view": "all"}]) == {}
    assert indexes([{"filter": ["_id"], "sort": "-_id"}], readable={"shown": True}) == {}


def test_sort_by_what_is_fixed_is_no_second_key():
    assert indexes([{"filter": ["day"], "sort": "-day", "view": "all"}]) == {"by_day": "day,-_id"}


def test_folded_field_is_found_by_its_copy():
    query = {"filter": ["name"], "sort": "-_id", "view": "all"}
    assert indexes([query], folded={"name_key": "name"}) == {"by_name_key": "name_key,-_id"}


def test_condition_that_is_no_value_stays_out_of_the_index():
    made = indexes([ONE], readable={"shown": True, "locked": {"$ne": True}})
    assert made == {"public_by_channel": "channel,shown,-day,-_id"}


def test_two_queries_of_one_order_share_one():
    assert len(indexes([ONE | {"view": "all"}, ONE | {"view": "hosted"}])) == 1


ALL = ONE | {"view": "all"}
SPECIAL = {
    "just so": ([("channel", 1), ("day", -1), ("_id", -1)], {}),
    "backwards": ([("channel", 1), ("day", 1), ("_id", 1)], {}),
    "with more behind": ([("channel", 1), ("day", -1), ("_id", -1), ("name", 1)], {}),
}
NO_USE = {
    "sparse": ([("channel", 1), ("day", -1), ("_id", -1)], {"sparse": True}),
    "partial": ([("channel", 1), ("day", -1), ("_id", -1)], {"partialFilterExpression": {"shown": True}}),
    "half backwards": ([("channel", 1), ("day", 1), ("_id", -1)], {}),
    "by another field first": ([("name", 1), ("channel", 1), ("day", -1), ("_id", -1)], {}),
    "without the id": ([("channel", 1), ("day", -1)], {}),
}


@pytest.mark.parametrize("kind", SPECIAL)
def test_declared_index_that_serves_takes_the_place(kind):
    assert set(indexes([ALL], {"mine": SPECIAL[kind]})) == {"mine"}


@pytest.mark.parametrize("kind", NO_USE)
def test_declared_index_that_does_not_serve_does_not(kind):
    assert set(indexes([ALL], {"mine": NO_USE[kind]})) == {"mine", "by_channel"}


def test_order_of_what_is_fixed_does_not_matter():
    mine = {"mine": [("shown", 1), ("deleted_at", 1), ("channel", 1), ("day", -1), ("_id", -1)]}
    assert set(indexes([ONE], mine, **PUBLIC)) == {"mine", "deleted"}


UNIQUE = {"unique": [{"fields": ["user", "video"], "reason": "not_unique"}]}


def test_uniqueness_has_its_index():
    assert indexes(**UNIQUE) == {"one_each": "user,video!"}


def test_unique_index_of_ones_own_takes_the_place_and_another_does_not():
    mine = [("video", 1), ("user", -1)]
    assert set(indexes(declared={"mine": (mine, {"unique": True})}, **UNIQUE)) == {"mine"}
    assert set(indexes(declared={"mine": mine}, **UNIQUE)) == {"mine", "one_each"}


def test_what_is_said_elsewhere_has_its_index_too():
    made = indexes(
        states={"status": {"start": "new", "moves": {}}}, soft_delete={"keep": "purge_after_seconds"}
    )
    assert made == {"status_deadline": "status_deadline", "deleted": "deleted_at"}
