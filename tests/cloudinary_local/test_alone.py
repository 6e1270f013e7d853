"""The package stands alone: it imports nothing of the rest, and a copy of it in an empty folder serves a real film."""

import ast
import hashlib
import io
import re
import shutil
import sys

import av
import pytest

from tests.cloudinary_local.conftest import ROOT, Media, frames, until

PACKAGE = ROOT / "cloudinary_local"
README = (PACKAGE / "README.md").read_text()
# What is imported by another name than it is installed by.
INSTALLED = {"PIL": "pillow", "imageio_ffmpeg": "imageio-ffmpeg"}


def imported():
    """Return the top names of all that the package imports, inside of functions too."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, path
                found.add(node.module.partition(".")[0])
    return found


def test_it_imports_the_packages_that_its_readme_installs_and_nothing_of_the_rest():
    installed = set(re.search(r"^    pip install (.+)$", README, re.MULTILINE)[1].split())
    foreign = imported() - {"cloudinary_local"} - sys.stdlib_module_names
    assert {INSTALLED.get(name, name) for name in foreign} == installed


def test_its_readme_tells_every_option(capsys):
    from cloudinary_local.__main__ import main

    with pytest.raises(SystemExit):
        main(["--help"])
    options = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert options == set(re.findall(r"^\| `(--[a-z-]+)", README, re.MULTILINE))


@pytest.fixture
def alone(tmp_path):
    """A server that runs from a copy of the package, in a folder that holds nothing else."""
    shutil.copytree(PACKAGE, tmp_path / "only" / "cloudinary_local")
    server = Media(tmp_path / "media", folder=tmp_path / "only")
    yield server
    if server.process.poll() is None:
        server.stop()
    server.http.clear()


def test_it_starts_in_an_empty_folder_and_delivers_a_film_that_was_uploaded(alone, clip):
    made = alone.upload_video(clip, public_id="films/bunny", type="upload")
    assert made["width"] == 1280 and made["duration"] > 5
    original = alone.get(made["url"])
    assert hashlib.sha256(original.data).digest() == hashlib.sha256(clip.read_bytes()).digest()
    url = alone.url("films/bunny", resource_type="video", width=320, crop="limit", format="mp4")
    smaller = until(lambda: (answer := alone.get(url)).status == 200 and answer)
    with av.open(io.BytesIO(smaller.data)) as container:
        assert container.streams.video[0].width == 320
    assert frames(smaller.data) == frames(original.data)
    assert alone.stop() == 0
