"""Feeds, search and what other programs read: never a private video, whatever is asked and however."""

from urllib.parse import quote
from xml.etree.ElementTree import fromstring

import pytest
from bson import ObjectId

from features.discovery.trending_jobs import compute_trending
from tests.studio import OLD_TEXT, Studio, ids, refused, walk

ATOM = "{http://www.w3.org/2005/Atom}"
WORD = "zanzibar"
HIDDEN = [
    {"visibility": "private"},
    {"visibility": "unlisted"},
    {"status": "DRAFT"},
    {"status": "PROCESSING"},
    {"status": "FAILED"},
    {"status": "BLOCKED"},
    {"deleted": True},
]


@pytest.fixture(scope="module")
def world(app, alice, erin, bob, carol):
    """Films to be seen and to be hidden, all alike, of a channel that bob follows, watched by bob and carol."""
    studio = Studio(app, alice)
    alike = {"title": f"{WORD} film", "title_key": f"{WORD} film", "tags": ["sea"], "category": "travel"}
    shown = [studio.film(**alike) for _ in range(7)]
    hidden = [studio.film(**alike, **{k: v for k, v in facts.items() if k != "deleted"}) for facts in HIDDEN]
    other = Studio(app, erin)
    elsewhere = [other.film(**alike) for _ in range(3)]
    bob.put(f"/channels/{studio.channel}/subscription")
    hours = app.services.db.video_hours
    from datetime import UTC, datetime

    this = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for number, video in enumerate(shown + hidden + elsewhere):
        hours.insert_one({"hour": this, "video": ObjectId(video), "views": number + 1, "engaged": number})
        for who in (bob, carol):
            app.store.put(
                "watch_history",
                {"user": who.user["_id"], "video": ObjectId(video)},
                {"position": 1.0, "completed": False, "watched_at": this},
            )
    alice.delete(f"/videos/{hidden[-1]}")
    compute_trending(app.store)
    return studio, shown, hidden, elsewhere


FEEDS = [
    "/feed/home",
    "/feed/trending",
    "/feed/trending?window=week",
    "/feed/subscriptions",
    "/videos/{film}/related",
    "/search?q=" + WORD,
    "/search",
    "/search?sort=views",
    "/search?tags=sea",
    "/search?tags=sea&match=all&q=" + WORD,
    "/search?category=travel",
    '/videos?where={{"category":"travel"}}',
    "/channels/{channel}/videos",
]


def opened(path, world):
    return path.format(film=world[1][0], channel=world[0].channel)


@pytest.mark.parametrize("who", ["anonymous", "bob", "carol", "alice"])
@pytest.mark.parametrize("path", FEEDS)
def test_hidden_film_is_in_no_feed(request, world, path, who):
    _, shown, hidden, elsewhere = world
    client = request.getfixturevalue(who)
    if who == "anonymous" and "subscriptions" in path:
        refused(client.get(path), 401)
        return
    answer = client.get(opened(path, world) + ("&" if "?" in path else "?") + "max_results=100")
    assert answer.status_code == 200, answer.json
    found = ids(answer.json["_items"])
    own = who == "alice" and path.startswith(("/channels", "/videos?"))
    assert own or not set(found) & set(hidden)
    assert own or not any(film in answer.text for film in hidden)
    assert set(found) & set(shown + elsewhere) or (who != "bob" and "subscriptions" in path)


@pytest.mark.parametrize("path", FEEDS[:11])
def test_every_entry_says_why_it_is_there(world, bob, path):
    items = bob.get(opened(path, world)).json["_items"]
    assert items and all(isinstance(one["reason"], str) and one["reason"] for one in items)
    assert all("title_key" not in one and "hls" not in one and "media" not in one for one in items)


@pytest.mark.parametrize("path", FEEDS)
@pytest.mark.parametrize("size", [2])
def test_pages_of_a_feed_hold_everything_once(world, bob, path, size):
    where = opened(path, world)
    mark = "&" if "?" in where else "?"
    whole = ids(walk(bob, f"{where}{mark}max_results=100"))
    assert ids(walk(bob, f"{where}{mark}max_results={size}")) == whole
    assert len(whole) == len(set(whole)) >= 3


def test_film_that_is_hidden_leaves_every_feed_at_once(app, world, bob, anonymous):
    _, shown, _, _ = world
    film = shown[3]
    for who in (bob, anonymous):
        who.get("/feed/home"), who.get("/feed/trending")
    app.store.change("videos", {"_id": ObjectId(film)}, set={"visibility": "private"})
    try:
        for path in FEEDS:
            for who in (bob, anonymous):
                if who is anonymous and "subscriptions" in path:
                    continue
                assert film not in who.get(opened(path, world)).text, path
        assert film not in anonymous.get("/sitemap.xml").text
    finally:
        app.store.change("videos", {"_id": ObjectId(film)}, set={"visibility": "public"})


def test_related_of_a_hidden_film_is_404(world, bob, anonymous):
    for film, facts in zip(world[2], HIDDEN, strict=True):
        if facts != {"visibility": "unlisted"}:
            for who in (bob, anonymous):
                refused(who.get(f"/videos/{film}/related"), 404)


def test_suggestions_know_only_what_everyone_may_see(app, world, studio, anonymous, bob):
    studio.film("private", title="Qwertz secret", title_key="qwertz secret")
    studio.film("public", title="Qwertz open", title_key="qwertz open")
    for who in (anonymous, bob):
        found = who.get("/search/suggestions?q=qwertz").json["suggestions"]
        assert [one["text"] for one in found] == ["Qwertz open"]


def test_private_playlist_is_not_found(bob, anonymous, carol):
    bob.post("/playlists", {"title": "Nebelhorn mine", "visibility": "private"})
    bob.post("/playlists", {"title": "Nebelhorn linked", "visibility": "unlisted"})
    shown = bob.post("/playlists", {"title": "Nebelhorn shown", "visibility": "public"}).json["_id"]
    for who in (anonymous, carol, bob):
        assert ids(who.get("/search?type=playlist&q=nebelhorn").json["_items"]) == [shown]


QUERIES = [
    '"',
    '""',
    '"a',
    "-",
    "--",
    "-a",
    '-"a b"',
    "a -a",
    "$where",
    '{"$ne":1}',
    "\\",
    "\\u0000",
    "%00",
    "%00%00a",
    "%FF",
    "%ED%A0%80",
    "a%00b",
    "." * 200,
    "a" * 200,
    "a " * 100,
    "-a " * 66,
    '"a" ' * 50,
    "(" * 50,
    "*",
    "?",
    "/.*/",
    "[a",
    "^",
    "|",
    "&&",
    ";",
    "🦀",
    "%E2%80%AE",
    "\u0130" * 20,
    "ﬃ" * 60,
    "e\u0301" * 60,
    "\ud7ff",
    "\uffff",
    "+",
    "%2B",
    "' or 1=1",
    "<script>",
]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: ascii(query)[:20])
def test_hostile_words_are_just_words(world, anonymous, bob, query):
    q = query if "%" in query else quote(query)
    for kind in ("video", "channel", "playlist"):
        for sort in ("relevance", "newest"):
            answer = anonymous.get(f"/search?q={q}&type={kind}&sort={sort}")
            assert answer.status_code == 200, answer.json
            assert not set(ids(answer.json["_items"])) & set(world[2])
    assert bob.get(f"/search/suggestions?q={q}").status_code in (200, 400)


BAD = [
    "type=user",
    "type=",
    "sort=random",
    "sort=-_id",
    "min_duration=-1",
    "min_duration=nan",
    "min_duration=inf",
    "max_duration=x",
    "max_duration=1e400",
    "after=yesterday",
    "after=0001-01-01T00:00:00%2B23:59",
    "before=99999-01-01",
    "before=9999-12-31T23:59:59-23:59",
    "match=none&tags=a",
    "tags=" + ",".join("abcdefghijklmnopqrstu"),
    "q=" + "a" * 201,
    "cursor=x",
    "cursor=" + "A" * 2000,
    "max_results=0",
    "max_results=101",
    "max_results=1e2",
    "where={}",
    "page=2",
    "q=a&q=b",
    "type=video&type=channel",
    "fields=password",
    "embedded=x",
    "type=channel&tags=a",
    "$where=1",
    "tags[$ne]=x",
    "type=playlist&captions=1",
]


@pytest.mark.parametrize("query", BAD)
def test_bad_parameter_is_refused(world, anonymous, query):
    refused(anonymous.get(f"/search?{query}"), 400)


@pytest.mark.parametrize(
    "query",
    [
        "after=2020-01-01",
        "before=2030-01-01T00:00:00Z",
        "min_duration=1&max_duration=1000",
        "tags=sea,x&match=any",
    ],
)
def test_filter_keeps_what_fits(world, anonymous, query):
    found = ids(anonymous.get(f"/search?q={WORD}&{query}").json["_items"])
    assert set(found) == set(world[1] + world[3])


@pytest.mark.parametrize(
    "query",
    [
        "after=2030-01-01",
        "before=2020-01-01",
        "min_duration=1000",
        "max_duration=1",
        "tags=sea,x&match=all",
        "language=fr",
        "category=news",
        "captions=true",
    ],
)
def test_filter_drops_what_does_not_fit(world, anonymous, query):
    assert anonymous.get(f"/search?q={WORD}&{query}").json["_items"] == []


def test_words_sort_by_weight(studio, anonymous):
    below = studio.film(title="Other", description="quokka")
    above = studio.film(title="Quokka")
    tagged = studio.film(title="Other", tags=["quokka"])
    assert ids(anonymous.get("/search?q=quokka").json["_items"]) == [above, tagged, below]


# Feeds


@pytest.mark.parametrize("path", ["/feed/home", "/feed/trending", "/feed/subscriptions"])
@pytest.mark.parametrize(
    "query",
    [
        "where={}",
        "sort=_id",
        "page=2",
        "window=year",
        "max_results=x",
        "cursor=%00",
        "window=day&window=week",
    ],
)
def test_feed_refuses_what_it_does_not_offer(bob, path, query):
    refused(bob.get(f"{path}?{query}"), 400)


def test_feed_cursor_of_one_person_is_of_no_use_to_another(world, bob, carol):
    link = bob.get("/feed/home?max_results=1").json["_links"]["next"]["href"]
    assert refused(carol.get(link), 400) == "bad_cursor"


def test_subscription_feed_follows_what_is_followed(app, world, town):
    one = town.newcomer()
    assert one.get("/feed/subscriptions").json["_items"] == []
    one.put(f"/channels/{world[0].channel}/subscription")
    assert ids(one.get("/feed/subscriptions").json["_items"]) == world[1][::-1]
    one.delete(f"/channels/{world[0].channel}/subscription")
    assert one.get("/feed/subscriptions").json["_items"] == []


# For other programs


@pytest.fixture(scope="module")
def hostile(app, erin):
    studio = Studio(app, erin)
    film = studio.film(description="\x00\x0b\ufffe" + OLD_TEXT, tags=['"><x a="', "\x08&"])
    # As an older version took them: a line holds no controls any more.
    names = {"name": OLD_TEXT, "description": "]]>" + OLD_TEXT}
    app.store.change("channels", {"_id": ObjectId(studio.channel)}, set=names)
    app.store.change("videos", {"_id": ObjectId(film)}, set={"title": OLD_TEXT + "]]><!--"})
    secret = studio.film("private", title="Behind closed doors")
    return studio, film, secret


def test_atom_feed_is_well_formed_whatever_the_titles_say(app, hostile, anonymous):
    studio, film, secret = hostile
    answer = anonymous.get(f"/channels/{studio.channel}/feed.atom")
    assert answer.status_code == 200 and answer.mimetype == "application/atom+xml"
    feed = fromstring(answer.data)
    (entry,) = feed.findall(f"{ATOM}entry")
    title = (OLD_TEXT + "]]><!--").replace("\u0007", "")
    assert entry.findtext(f"{ATOM}title") == title
    assert feed.findtext(f"{ATOM}title") == OLD_TEXT.replace("\u0007", "")
    assert entry.findtext(f"{ATOM}id").endswith(film) and secret not in answer.text
    assert {child.tag.removeprefix(ATOM) for child in entry} <= {
        "id",
        "title",
        "published",
        "updated",
        "link",
        "summary",
        "category",
    }


def test_atom_feed_answers_304(hostile, anonymous):
    path = f"/channels/{hostile[0].channel}/feed.atom"
    etag = anonymous.get(path).headers["ETag"]
    assert anonymous.get(path, headers={"If-None-Match": etag}).status_code == 304


def test_sitemaps_lead_to_public_films_alone(app, hostile, world, anonymous):
    answer = anonymous.http.get("/sitemap.xml")
    assert answer.status_code == 200
    index = fromstring(answer.data)
    places = [one.text for one in index.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]
    assert places
    text = "".join(anonymous.get(place.partition("/api/v1")[2]).text for place in places)
    assert hostile[1] in text and set(world[1]) <= {film for film in world[1] if film in text}
    assert not [film for film in [hostile[2], *world[2]] if film in text]


@pytest.mark.parametrize(
    "name",
    ["9999-12", "0001-01", "2026-13", "2026-00", "x", "..", "2026-11%00", "２０２６-11", "-1", "99999-01"],
)
def test_odd_sitemap_is_none(anonymous, name):
    answer = anonymous.get(f"/sitemaps/{name}.xml")
    assert answer.status_code in (200, 400, 404), answer.json


def test_oembed_tells_the_title_as_it_is(app, hostile, anonymous):
    url = f"{app.settings.public_url}/api/v1/videos/{hostile[1]}"
    answer = anonymous.get(f"/oembed?url={quote(url, safe='')}")
    assert answer.status_code == 200, answer.json
    assert (
        answer.json["title"] == OLD_TEXT + "]]><!--"
        and answer.json["type"] == "link"
        and "html" not in answer.json
    )


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "http://[",
        "http://[::1",
        "https://evil.example/api/v1/videos/{film}",
        "//evil.example/api/v1/videos/{film}",
        "{base}/api/v1/videos/{secret}",
        "{base}/api/v1/videos/" + "f" * 24,
        "{base}/api/v1/videos/aa aa aa aa" + "a" * 13,
        "{base}/api/v1/channels/{film}",
        "javascript:alert(1)",
        "%00",
        "http://a" + "/" * 3000,
        "http://\u2100/",
        "{base}:99999999/api/v1/videos/{film}",
    ],
)
def test_odd_oembed_address_is_404(app, hostile, anonymous, url):
    _, film, secret = hostile
    url = url.format(film=film, secret=secret, base=app.settings.public_url)
    refused(anonymous.get(f"/oembed?url={quote(url, safe='%')}"), 404, 400)


@pytest.mark.parametrize(
    "query",
    [
        "maxwidth=0",
        "maxwidth=-1",
        "maxwidth=x",
        "maxheight=1e3",
        "maxwidth=99999999999999999999",
        "format=xml",
        "maxwidth=²",
    ],
)
def test_odd_oembed_size_is_refused(app, hostile, anonymous, query):
    url = quote(f"{app.settings.public_url}/api/v1/videos/{hostile[1]}", safe="")
    answer = anonymous.get(f"/oembed?url={url}&{query}")
    assert answer.status_code < 500
    assert query == "maxwidth=99999999999999999999" or answer.status_code in (400, 406, 501)
