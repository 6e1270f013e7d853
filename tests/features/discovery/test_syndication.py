"""Atom, oEmbed and sitemaps: public, well-formed, escaped."""

from xml.etree import ElementTree

import pytest
from bson import ObjectId

from tests.audience import make_channel, make_video
from tests.field_reports import reported

ATOM = "{http://www.w3.org/2005/Atom}"
MAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
NASTY = "]]> <script>&amp;\u0007 é"


def make_nasty(app, owner, channel=None):
    """Make a video with a title as an older version took it: a line holds no controls any more."""
    video = make_video(owner, channel, tags=["<x>"])
    app.store.change("videos", {"_id": ObjectId(video)}, set={"title": NASTY})
    return video


def path_of(app, url):
    return url.removeprefix(app.settings.public_url)


def test_feed_holds_the_newest_public_videos_escaped(app, alice, anonymous):
    channel = make_channel(alice)
    first, second = make_video(alice, channel), make_nasty(app, alice, channel)
    make_video(alice, channel, visibility="private", title="Private")
    answer = anonymous.get(f"/channels/{channel}/feed.atom")
    feed = ElementTree.fromstring(answer.data)
    assert answer.mimetype == "application/atom+xml"
    assert [entry.find(f"{ATOM}title").text for entry in feed.iter(f"{ATOM}entry")] == [
        NASTY.replace("\u0007", ""), "A title",
    ]  # fmt: skip
    links = [entry.find(f"{ATOM}link").get("href") for entry in feed.iter(f"{ATOM}entry")]
    assert [link.rsplit("/", 1)[1] for link in links] == [second, first]
    assert anonymous.get(path_of(app, links[0])).status_code == 200


def test_feed_answers_304(alice, anonymous):
    channel = make_channel(alice)
    etag = anonymous.get(f"/channels/{channel}/feed.atom").headers["ETag"]
    headers = {"If-None-Match": etag}
    assert anonymous.get(f"/channels/{channel}/feed.atom", headers=headers).status_code == 304


def test_feed_of_nothing_is_404(anonymous):
    assert anonymous.get(f"/channels/{ObjectId()}/feed.atom").status_code == 404


def test_oembed_describes_a_public_video(app, alice, anonymous):
    video = make_nasty(app, alice)
    answer = anonymous.get(f"/oembed?url={app.settings.public_url}/api/v1/videos/{video}")
    assert (answer.json["version"], answer.json["type"], answer.json["title"]) == ("1.0", "link", NASTY)


@reported(
    "Dates, headers, forms",
    "oEmbed did not know a video by its address with a trailing slash, a query or a fragment",
    sent="/api/v1/videos/{id}/?utm_source=x&t=10#top",
    back="200",
)
def test_oembed_knows_a_video_however_its_address_is_written(app, alice, anonymous, report):
    video, home = make_video(alice), app.settings.public_url
    host = home.partition("://")[2]
    path = f"/api/v1/videos/{video}"
    for url in (
        home + report.sent.replace("{id}", video),
        f"{home}{path}/",
        f"{home}{path}?t=1",
        f"{home}{path}#x",
        f"https://{host.upper()}{path}",
        f"//{host}{path}",
        path + "/",
    ):
        assert anonymous.get("/oembed", query_string={"url": url}).status_code == int(report.back), url


@pytest.mark.parametrize(
    "url",
    ["ftp://{host}{path}", "javascript:{path}", "https://x.{host}{path}", "https://{host}@evil.example{path}",
     "https://{host}:99999999{path}", "https://{host}.evil.example{path}", "{home}{path}//", "{home}{path}/playback"],
)  # fmt: skip
def test_oembed_is_not_misled_by_addresses(app, alice, anonymous, url):
    home = app.settings.public_url
    made = url.format(home=home, host=home.partition("://")[2], path=f"/api/v1/videos/{make_video(alice)}")
    answer = anonymous.get("/oembed", query_string={"url": made})
    assert (answer.status_code, "/api/v1/videos/" in answer.json["detail"]) == (404, True)


def test_oembed_tells_even_the_owner_nothing_of_a_private_video(app, alice):
    video = make_video(alice, visibility="private")
    assert alice.get(f"/oembed?url={app.settings.public_url}/api/v1/videos/{video}").status_code == 404


@pytest.mark.parametrize("url", ["", "x", "https://elsewhere.example/api/v1/videos/" + "0" * 24, "/api/v1/videos/zz",
                                 "http://[", "/api/v1/channels/" + "0" * 24])  # fmt: skip
def test_oembed_knows_only_our_videos(anonymous, url):
    assert anonymous.get("/oembed", query_string={"url": url}).status_code == 404


def test_oembed_offers_only_json(app, alice, anonymous):
    url = f"{app.settings.public_url}/api/v1/videos/{make_video(alice)}"
    assert anonymous.get(f"/oembed?url={url}&format=xml").status_code == 406


def test_sitemap_leads_to_every_public_video_and_no_other(app, alice, anonymous):
    public, private = make_video(alice), make_video(alice, visibility="private")
    unlisted = make_video(alice, visibility="unlisted")
    index = ElementTree.fromstring(anonymous.http.get("/sitemap.xml").data)
    addresses = []
    for place in index.iter(f"{MAP}loc"):
        page = ElementTree.fromstring(anonymous.get(path_of(app, place.text)).data)
        addresses += [one.text.rsplit("/", 1)[1] for one in page.iter(f"{MAP}loc")]
    assert public in addresses and not {private, unlisted} & set(addresses)


@pytest.mark.parametrize("name", ["x", "2026-13", "2026", "..", "99999-01"])
def test_sitemap_that_is_not_is_404(anonymous, name):
    assert anonymous.get(f"/sitemaps/{name}.xml").status_code == 404
