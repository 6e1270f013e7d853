"""What the application remembers through Flask-Caching is never older than what it is made of."""

import time

import pytest

from assembly import create_app
from tests.conftest import Client


@pytest.fixture(scope="module")
def elsewhere(app, settings):
    other = create_app(settings)
    yield Client(other)
    other.services.close()


def suggested(client, start):
    return [one["text"] for one in client.get(f"/search/suggestions?q={start}").json["suggestions"]]


def test_new_handle_is_suggested_at_once_here_and_soon_elsewhere(alice, anonymous, elsewhere, name):
    assert suggested(anonymous, name) == suggested(elsewhere, name) == []
    alice.post("/channels", {"handle": name, "name": "n"})
    assert suggested(anonymous, name) == suggested(alice, name) == [f"@{name}"]
    # Another process may answer strangers from its memory for a moment.
    deadline = time.monotonic() + 0.4
    while suggested(elsewhere, name) == [] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert suggested(elsewhere, name) == [f"@{name}"]


def test_value_is_made_once_and_shared(app, elsewhere):
    made = []

    def make():
        made.append(1)
        return {"n": len(made)}

    for one in (app, elsewhere.app, app):
        with one.app_context():
            assert one.cache.cache.remember("shared", ("some/",), 60, make) == {"n": 1}
    assert made == [1]


def test_value_overtaken_by_a_write_is_not_kept(app):
    with app.app_context():
        backend = app.cache.cache
        assert backend.remember("late", ("some/",), 60, lambda: app.store.bump({"some/"}) or "old") == "old"
        assert backend.remember("late", ("some/",), 60, lambda: "new") == "new"


def test_plain_use_keeps_and_forgets(app):
    with app.app_context():
        assert app.cache.set("plain", [1, 2]) and app.cache.get("plain") == [1, 2]
        assert app.cache.delete("plain") and app.cache.get("plain") is None
        app.cache.set("plain", 3)
        app.cache.clear()
        assert app.cache.get("plain") is None
