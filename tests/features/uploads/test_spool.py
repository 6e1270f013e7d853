"""Received bytes on disk."""

import os
import time

import pytest
from bson import ObjectId

from features.uploads.spool import Spool


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


def write(spool, upload, data):
    with spool.create(upload) as file:
        file.write(data)
        spool.keep(file)


def test_name_is_our_own_id(spool):
    upload = ObjectId()
    write(spool, upload, b"abc")
    assert [path.name for path in spool.folder.iterdir()] == [f"{upload}.part"]


def test_same_upload_is_not_begun_twice(spool):
    upload = ObjectId()
    write(spool, upload, b"abc")
    with pytest.raises(FileExistsError):
        spool.create(upload)


def test_going_on_cuts_what_was_not_acknowledged(spool):
    upload = ObjectId()
    write(spool, upload, b"abcdef")
    with spool.reopen(upload, 3) as file:
        file.write(b"XY")
    assert spool.path(upload).read_bytes() == b"abcXY"


def test_removing_what_is_not_there_is_fine(spool):
    spool.remove(ObjectId())


def test_stale_files_are_found_and_strange_ones_left_alone(spool):
    old, young = ObjectId(), ObjectId()
    write(spool, old, b"x")
    write(spool, young, b"x")
    (spool.folder / "notes.txt").write_text("mine")
    long_ago = time.time() - 1000
    os.utime(spool.path(old), (long_ago, long_ago))
    os.utime(spool.folder / "notes.txt", (long_ago, long_ago))
    assert list(spool.stale(500)) == [old]


def test_missing_folder_holds_nothing(spool):
    assert list(spool.stale(0)) == []
