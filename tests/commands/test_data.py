"""`seed`, `backup`, `restore` and `shell`: data in bulk, out, and in again."""

import contextlib
import json
import re
import stat
import zipfile

import click
import pytest
from bson import encode
from click.testing import CliRunner

from commands.restore import open_archive, read_manifest
from machine.declare.indexes import missing_indexes
from run import cli


@pytest.fixture
def run(app, settings, monkeypatch):
    for name in ("mongo_uri", "redis_url", "secret_key", "data_dir", "public_url", "cloudinary_url"):
        monkeypatch.setenv(name.upper(), str(getattr(settings, name)))

    def invoke(*arguments, status=0):
        done = CliRunner().invoke(cli, [str(word) for word in arguments])
        assert done.exit_code == status, done.output
        return done.output

    return invoke


def everything(app):
    """Return every document of every collection, as bytes, in an order that does not depend on the disk."""
    db = app.services.db
    names = [name for name in db.list_collection_names() if not name.startswith("system.")]
    return {name: sorted(encode(one) for one in db[name].find()) for name in names if db[name].find_one()}


def test_seeded_videos_are_listed_found_and_commented(run, anonymous):
    said = run("seed", "--videos", 120, "--comments", 2)
    assert "3 users, 3 channels, 120 videos, 240 comments" in said
    page = anonymous.get("/videos?max_results=100").json
    assert len(page["_items"]) == 100 and page["_links"]["next"]
    video = page["_items"][0]
    assert len(anonymous.get(f"/videos/{video['_id']}/comments").json["_items"]) == 2
    assert anonymous.get(f"/channels/{video['channel']}").json["counters"]["videos"] in (50, 20)
    assert anonymous.get(f"/search?q={video['title'].split()[0]}").json["_items"]


def test_counters_of_seeded_data_are_right(run, monkeypatch):
    import machine.counters.recount

    monkeypatch.setattr(machine.counters.recount.verify, "__defaults__", (False, 0.01, lambda: None))
    assert re.search(r" 0 drifts", run("counters", "verify"))


def test_production_is_not_seeded(run, monkeypatch):
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("MEDIA_TOKEN_KEY", "00" * 32)
    assert "This is production" in run("seed", "--videos", 1, status=1)


def test_a_backup_comes_back_as_it_was(app, run, alice, tmp_path):
    file = tmp_path / "marquee.zip"
    before = everything(app)
    told = json.loads(run("backup", file, "--json"))
    assert told["documents"] == sum(map(len, before.values())) > 300
    alice.post("/channels", {"handle": "afterwards", "name": "x"})
    run("restore", file, "--replace")
    assert everything(app) == before
    assert missing_indexes(app.store) == []
    assert alice.get("/me").status_code == 200


def test_a_backup_is_for_its_maker_alone(run, tmp_path):
    run("backup", tmp_path / "b.zip")
    assert stat.S_IMODE((tmp_path / "b.zip").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["b.zip"]


def test_restore_refuses_a_database_that_holds_something(app, run, tmp_path):
    run("backup", tmp_path / "b.zip")
    before = everything(app)
    assert "--replace" in run("restore", tmp_path / "b.zip", status=1)
    assert everything(app) == before


@pytest.mark.parametrize("harm", ["truncated", "foreign", "flipped"])
def test_a_damaged_backup_is_refused_before_anything_is_deleted(app, run, tmp_path, harm):
    file = tmp_path / "b.zip"
    run("backup", file)
    before, raw = everything(app), bytearray(file.read_bytes())
    if harm == "truncated":
        file.write_bytes(raw[: len(raw) // 2])
    elif harm == "flipped":
        raw[len(raw) // 2] ^= 0xFF
        file.write_bytes(raw)
    else:
        with zipfile.ZipFile(file, "w") as other:
            other.writestr("readme.txt", "nothing of ours")
    assert "backup" in run("restore", file, "--replace", status=1)
    assert everything(app) == before


def test_no_single_changed_byte_of_a_backup_gets_through_unnoticed(app, run, tmp_path):
    """Wherever the byte is: a sentence and nothing else, or a file that still says the same."""
    file = tmp_path / "b.zip"
    run("backup", file)
    whole = file.read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 400)):
        raw = bytearray(whole)
        raw[place] ^= 0xFF
        file.write_bytes(raw)
        with contextlib.suppress(click.ClickException), open_archive(file) as archive:
            read_manifest(archive)


def test_shell_has_the_store_at_hand(run):
    assert run("shell", "-c", "print(len(list(registry)), services.db.name)").split()[1] == "marquee"
