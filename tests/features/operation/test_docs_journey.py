"""The first upload of somebody who has nothing but the page at /docs: sign up, sign in, create, upload, play."""

from pathlib import Path

import pytest

from tests.features.operation.test_docs_page import Visit, browser  # noqa: F401  a fixture
from tests.platform import CLIP, PASSWORD, Person

pytestmark = pytest.mark.browser
PICTURES = Path(__file__).resolve().parents[3] / "docs" / "pictures"


@pytest.fixture(scope="module")
def platform(journeys):
    return journeys


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Where screenshots go: the documentation's own are taken anew by removing them."""
    return tmp_path_factory.mktemp("pictures") if PICTURES.exists() else PICTURES


def test_first_upload_is_made_from_the_page_alone(platform, browser, pictures):  # noqa: F811
    visit = Visit(browser, platform.base)
    account = {"username": "ada", "email": "ada@example.org", "password": PASSWORD}
    assert visit.send("auth", "register", account) == 201
    assert visit.send("auth", "login", {"login": "ada", "password": PASSWORD}) == 200
    ada = Person(platform, visit.answer["access_token"])
    visit.page.screenshot(path=pictures / "sign-in.png")
    assert visit.send("channels", "createChannel", {"handle": "ada-films", "name": "Ada's films"}) == 201
    channel = visit.answer["_id"]
    assert visit.send("videos", "createVideo", {"channel": channel, "title": "A walk in the woods"}) == 201
    video = visit.answer["_id"]
    assert visit.send("videos", "uploadVideo", path=video, file=CLIP) == 202
    visit.page.screenshot(path=pictures / "upload.png")
    # Looked for beside the page: a browser that asks all the time would take the worker's time, which stands behind it.
    ada.await_end(video, seconds=90)
    assert visit.send("videos", "getVideo", path=video) == 200 and visit.answer["status"] == "READY"
    assert visit.send("videos", "playbackVideo", path=video) == 200
    visit.page.screenshot(path=pictures / "playback.png")
    assert visit.page.request.get(visit.answer["hls"]).ok
    assert visit.complaints == []
    visit.context.close()
