"""What is handed out opens exactly what it was made for, to whom it is due, no longer than its right."""

import re
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from dev.stack import Stack
from features.playback import unlocking
from settings import Settings
from tests.attacks.capabilities import (
    CAPABILITIES,
    DOWNLOAD,
    PASSWORD,
    PLAYBACK,
    Film,
    State,
    claims,
    may,
    own_files,
    states,
)
from tests.cells import who
from tests.conftest import Client
from tests.patience import patience

SCOPES = ["videos:read", "likes:read", "videos:write"]
CALLERS = ["anonymous", "stranger", "unlocked", "owner", "moderator", *SCOPES]
API = "/api/v1"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("capabilities")
    with Stack(folder) as stack:
        # Who calls is made once, and all of it takes more than ten minutes on a busy machine.
        yield Settings.from_env(
            {**stack.env}, rate_limits=False, data_dir=folder, access_token_seconds=4 * 3600
        )


@pytest.fixture(scope="module")
def films(app, alice):
    """Two films of alice's: one shows a picture of its own, the other one from the film."""
    return Film(app, alice, cover=False), Film(app, alice, cover=True)


@pytest.fixture(scope="module")
def everything(films):
    """Return the path of each file of both films, and of what could be made of them."""
    return sorted({path for film in films for paths in film.files().values() for path in paths})


@pytest.fixture(scope="module")
def store(films):
    """Return a function that asks the media store for a URL and tells whether it opens."""
    session = requests.Session()

    def opens(url):
        answer = session.get(url, timeout=patience(60), stream=True)
        _ = answer.content
        assert answer.status_code in (200, 400, 401, 404), (answer.status_code, url)
        return answer.status_code == 200

    yield opens
    session.close()


@pytest.fixture(scope="module")
def callers(app, cast, films):
    """Return name -> (client, caller as the declarations see them)."""
    found = {name: (cast[name], who(cast, name)) for name in ("anonymous", "stranger", "owner", "moderator")}
    found["unlocked"] = found["stranger"]
    for scope in SCOPES:
        made = cast["owner"].post("/api_keys", {"name": scope, "scopes": [scope]}).json
        reads = scope == "videos:read"
        found[scope] = Client(app, made["key"]), who(cast, "owner" if reads else "anonymous")
    for film in films:
        unlocking.set_password(app.services, film.id, PASSWORD)
    return found


def unlock_key(app, film, caller):
    return f"?unlock={unlocking.unlock(app.services, film.id, PASSWORD)[0]}" if caller == "unlocked" else ""


def collect(client, film, capability, key=""):
    """Ask for a capability; return [(kind, URL)] of what was handed out."""
    if capability in ("thumbnail", "oembed"):
        path = f"/videos/{film.id}/thumbnail"
        if capability == "oembed":
            told = client.get(f"/oembed?url={API}/videos/{film.id}")
            if told.status_code != 200:
                return []
            client, path = Client(client.app), urlsplit(told.json["thumbnail_url"]).path
        answer = client.get(path)
        return [("picture", answer.headers["Location"])] if answer.status_code == 302 else []
    answer = client.get(f"/videos/{film.id}/{capability}{key}")
    if answer.status_code != 200:
        assert answer.status_code in (401, 403, 404, 409), answer.text
        return []
    table = PLAYBACK if capability == "playback" else DOWNLOAD
    assert set(holding_urls(answer.json)) == set(table), "each needs a row in the table"
    found = []
    for name, kind in table.items():
        value = answer.json[name]
        rows = [one["url"] for one in value] if isinstance(value, list) else [value]
        assert rows and all(rows), name
        found += [(kind, url) for url in rows]
    return found


def holding_urls(body):
    """Return the fields of an answer in which a URL stands that works without headers."""
    return [name for name, value in body.items() if name != "_links" and "://" in str(value)]


def sheets(client, url):
    """Return the URLs of the pictures that a list of small pictures names."""
    text = client.get(urlsplit(url).path + "?" + urlsplit(url).query).text
    return sorted(set(re.findall(r"(http\S+)#xywh", text)))


def spread(app, found):
    """Return [(kind, URL of a stored file)] of what was handed out, through our own lists too."""
    stored = [(kind, url) for kind, url in found if "__cld_token__" in url]
    client = Client(app)
    return stored + [("sheet", one) for kind, url in found if kind == "list" for one in sheets(client, url)]


def opened(store, url, paths):
    parts = urlsplit(url)
    return {path for path in paths if store(f"{parts.scheme}://{parts.netloc}{path}?{parts.query}")}


@pytest.mark.parametrize("state", states(), ids=lambda state: state.name)
def test_a_capability_goes_to_whom_it_is_declared_for_and_opens_its_file(
    app, callers, films, store, state, record_property
):
    """Each caller × capability of a video in each state; each URL obtained opens."""
    film, tried, wrong = films[0], 0, []
    document = film.bring(state)
    for caller, (client, seen) in callers.items():
        for capability in CAPABILITIES:
            due = may(app.store, capability, document, seen, unlocked=caller == "unlocked")
            found = collect(client, film, capability, unlock_key(app, film, caller))
            lacks_scope = caller in SCOPES and caller != "videos:read"
            # Actions refuse such a key outright, which is less than a stranger gets.
            if bool(found) != due and not (lacks_scope and not found):
                wrong.append((caller, capability, "obtained" if found else "refused"))
            wrong += [(caller, kind, "shut") for kind, url in spread(app, found) if not store(url)]
            tried += 1
    assert not wrong, wrong
    record_property("tried", tried)


@pytest.mark.parametrize("capability", CAPABILITIES)
@pytest.mark.parametrize("number", [0, 1], ids=["still", "cover"])
@pytest.mark.parametrize("state", [State("public", "READY", True, False), State("public", "READY", False, True)],
                         ids=lambda state: state.name)  # fmt: skip
def test_a_capability_opens_its_own_file_and_no_other(
    app, callers, films, everything, store, state, number, capability, record_property
):
    """Each URL obtained, tried with every file of this and another video: renditions, streams, originals, pictures."""
    film, tried = films[number], 0
    film.bring(state)
    client = callers["anonymous" if capability in ("thumbnail", "oembed") else "owner"][0]
    found = spread(app, collect(client, film, capability))
    assert found
    for kind, url in found:
        path = urlsplit(url).path
        assert opened(store, url, everything) == own_files(film, kind, path), (kind, claims(url))
        tried += len(everything)
    record_property("tried", tried)


@pytest.mark.parametrize(
    "state", [one for one in states() if one.status == "READY"], ids=lambda state: state.name
)
def test_nothing_handed_out_outlives_its_right(app, callers, films, state):
    """All ends with PLAYBACK_SECONDS at the latest; a picture sooner, and sooner still where not all may watch."""
    film = films[0]
    document, life = film.bring(state), app.settings.playback_seconds
    client, seen = callers["moderator"]
    for capability in CAPABILITIES:
        if not may(app.store, capability, document, seen):
            continue
        found = spread(app, collect(client, film, capability))
        assert found, capability
        for kind, url in found:
            left = int(claims(url)["exp"]) - time.time()
            assert 0 < left <= life, (capability, kind)
            if capability == "thumbnail":
                is_open = state == State("public")
                assert left <= (3600 if is_open else 900)
                kept = client.get(f"/videos/{film.id}/thumbnail").headers["Cache-Control"]
                assert int(re.search(r"max-age=(\d+)", kept)[1]) <= left


def test_urls_of_an_unlocked_video_end_with_the_key_that_opened_it(app, callers, films, monkeypatch):
    film = films[0]
    film.bring(State("public", protected=True))
    life = app.settings.playback_seconds
    earlier = time.time() - life + 60
    with monkeypatch.context() as patched:
        patched.setattr(unlocking.time, "time", lambda: earlier)
        key = unlocking.unlock(app.services, film.id, PASSWORD)[0]
    for capability in ("playback", "download"):
        found = collect(callers["stranger"][0], film, capability, f"?unlock={key}")
        assert found
        for _, url in spread(app, found):
            assert int(claims(url)["exp"]) <= int(key.split(".")[0])


@pytest.mark.parametrize(
    "after",
    [State("private"), State("public", "BLOCKED"), State("public", deleted=True), State("public", protected=True),
     State("public", age_restricted=True)],
    ids=lambda state: state.name,
)  # fmt: skip
def test_what_we_serve_ourselves_ends_when_others_may_watch(app, anonymous, callers, films, after):
    """Captions and the list of small pictures, once the video is unpublished, blocked, deleted or locked."""
    film = films[0]
    film.bring(State("public"))
    mine = [url for kind, url in collect(anonymous, film, "playback") if kind in ("list", "captions")]
    paths = [f"{urlsplit(url).path}?{urlsplit(url).query}" for url in mine]
    assert len(paths) == 2 and all(anonymous.get(path).status_code == 200 for path in paths)
    film.bring(after)
    assert [anonymous.get(path).status_code for path in paths] == [403, 403]


@pytest.mark.parametrize("kind", ["list", "captions"])
def test_a_signature_of_ours_opens_its_own_text_only(anonymous, films, kind):
    """The query of one, tried on the other kind and on the other video."""
    for film in films:
        film.bring(State("public"))
    urls = {(i, k): urlsplit(u) for i, f in enumerate(films) for k, u in collect(anonymous, f, "playback")}
    own = urls[0, kind]
    for place in [(i, k) for i in (0, 1) for k in ("list", "captions")]:
        answer = anonymous.get(f"{urls[place].path}?{own.query}")
        assert answer.status_code == (200 if place == (0, kind) else 403), place
    for name in ("expires", "state", "signature"):
        bent = re.sub(
            rf"{name}=(.)", lambda found: found[0][:-1] + ("1" if found[1] != "1" else "2"), own.query
        )
        assert bent != own.query and anonymous.get(f"{own.path}?{bent}").status_code == 403


def rows_of():
    """Return row -> states of the video, as docs/security.md groups them."""
    ready = [one for one in states() if one.status == "READY" and not one.deleted]
    seen = [one for one in ready if one.visibility != "private"]
    return {
        "public, unlisted": [one for one in seen if not one.protected and not one.age_restricted],
        "protected": [one for one in seen if one.protected and not one.age_restricted],
        "age-restricted": [one for one in seen if one.age_restricted and not one.protected],
        "private": [one for one in ready if one.visibility == "private"],
        "not READY": [one for one in states() if one.status != "READY"],
        "deleted": [one for one in states() if one.deleted],
    }


def test_the_table_of_the_docs_is_what_is_declared(app, callers, films):
    text = (ROOT / "docs/security.md").read_text().partition("| video | anonymous |")[2].partition("\n\n")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]
    columns = [["anonymous"], ["stranger"], ["unlocked"], ["owner", "moderator"]]
    words = {"thumbnail": "picture", "playback": "playback", "download": "download"}
    assert {row for row, *_ in lines} == set(rows_of())
    for row, *cells in lines:
        for state in rows_of()[row]:
            document = films[0].bring(state)
            for names, cell in zip(columns, cells, strict=True):
                for name in names:
                    got = [words[one] for one in words
                           if may(app.store, one, document, callers[name][1], unlocked=name == "unlocked")]  # fmt: skip
                    assert (", ".join(got) or "−") == cell, (row, state.name, name)


def test_urls_to_stored_files_are_made_in_one_place():
    """Whoever wants one calls `MediaStore.url`, which takes no token: none can be used for another file."""
    folders = ("clients", "commands", "features", "hooks", "machine", "tasks")
    texts = {path: path.read_text() for folder in folders for path in (ROOT / folder).rglob("*.py")}
    found = {str(path.relative_to(ROOT)) for path, text in texts.items()
             if re.search(r"auth_token|cloudinary_url\(|__cld_token__|\.url\([^)]*token", text)}  # fmt: skip
    assert found == {"clients/media_urls.py"}
