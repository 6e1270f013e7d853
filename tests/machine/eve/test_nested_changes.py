"""A PATCH inside a nested object changes what it names and nothing beside it."""


def test_change_of_one_setting_keeps_the_others(alice):
    mine = f"/users/{alice.get('/me').json['_id']}"
    assert alice.patch(mine, {"settings": {"digest": "daily", "history_paused": False}}).status_code == 200
    changed = alice.patch(mine, {"settings": {"history_paused": True}}).json["settings"]
    assert (changed["digest"], changed["history_paused"]) == ("daily", True)


def test_change_of_one_default_of_a_channel_keeps_the_others(alice, name):
    given = {"handle": name, "name": "n", "defaults": {"visibility": "public", "comment_policy": "approval"}}
    channel = alice.post("/channels", given).json
    changed = alice.patch(f"/channels/{channel['_id']}", {"defaults": {"category": "film"}}).json["defaults"]
    assert changed == {"visibility": "public", "comment_policy": "approval", "category": "film"}
