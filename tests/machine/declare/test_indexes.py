"""`db migrate` brings the indexes of an older version to what is declared, and leaves those that are right alone."""

import pytest
from pymongo import ASCENDING

from machine.declare.indexes import absent_indexes, build_indexes, missing_indexes, undeclared_indexes

BY_DATE = [("visibility", 1), ("status", 1), ("deleted_at", 1), ("published_at", -1), ("_id", -1)]


@pytest.fixture
def videos(app):
    yield app.services.db["videos"]
    build_indexes(app.store)


def keys(collection):
    return {name: one["key"] for name, one in collection.index_information().items()}


def test_nothing_is_missing_after_a_build_and_a_second_one_builds_nothing(app):
    assert missing_indexes(app.store) == [] == build_indexes(app.store) == undeclared_indexes(app.store)


def test_index_whose_keys_have_changed_is_replaced(app, videos):
    videos.drop_index("public_by_date")
    videos.create_index(BY_DATE, name="public_by_date")
    assert missing_indexes(app.store) == ["videos.public_by_date"]
    assert build_indexes(app.store) == ["videos.public_by_date"]
    assert missing_indexes(app.store) == []
    assert BY_DATE not in keys(videos).values()
    assert (*BY_DATE, ("channel", 1)) == tuple(keys(videos)["public_by_date_2"])


def test_version_before_serves_on_while_the_next_has_migrated(app, videos):
    """It looks for what it declares by name: the index in its new form is no reason to be taken out."""
    videos.drop_index(next(name for name in ("public_by_date", "public_by_date_2") if name in keys(videos)))
    videos.create_index(BY_DATE, name="public_by_date_2")
    assert missing_indexes(app.store) == ["videos.public_by_date"] and absent_indexes(app.store) == []
    videos.drop_index("public_by_date_2")
    assert absent_indexes(app.store) == ["videos.public_by_date"]


def test_index_that_changes_twice_goes_back_to_its_name(app, videos):
    for name in ("public_by_date_2", "public_by_date"):
        if name in keys(videos):
            videos.drop_index(name)
    videos.create_index(BY_DATE, name="public_by_date_2")
    build_indexes(app.store)
    assert "public_by_date" in keys(videos) and "public_by_date_2" not in keys(videos)


def test_index_that_became_unique_is_replaced(app):
    channels = app.services.db["channels"]
    unique = next(
        name for name, one in channels.index_information().items() if one.get("unique") and name != "_id_"
    )
    same = channels.index_information()[unique]["key"]
    channels.drop_index(unique)
    channels.create_index(same, name=unique)
    assert missing_indexes(app.store) == [f"channels.{unique}"]
    build_indexes(app.store)
    assert missing_indexes(app.store) == []


def test_text_index_whose_weights_have_changed_is_replaced(app, videos):
    videos.drop_index("words")
    videos.create_index([("title", "text")], name="words")
    assert missing_indexes(app.store) == ["videos.words"]
    build_indexes(app.store)
    assert missing_indexes(app.store) == []


def test_index_that_nobody_declares_is_named_and_kept(app, videos):
    videos.create_index([("extra", ASCENDING)], name="of_the_operator")
    try:
        assert undeclared_indexes(app.store) == ["videos.of_the_operator"]
        build_indexes(app.store)
        assert "of_the_operator" in keys(videos)
    finally:
        videos.drop_index("of_the_operator")
