"""A client that knows two URLs, `/` and `/api/v1/`, and follows links: it reaches every resource and legal action."""

import json
import re
from collections import Counter, deque
from urllib.parse import urlencode

import pytest
from bson import ObjectId

from features.backend import Backend
from machine.declare.registry import Registry
from machine.openapi.calls import read_calls
from machine.write.store import Store
from settings import Settings
from tests.factory import Factory, satisfy
from tests.platform import CLIP, PASSWORD

REGISTRY = Registry.load()
STARTS = ("/", "/api/v1/")
ID = re.compile(r"[0-9a-f]{24}")
MONTH = re.compile(r"\d{4}-\d\d")
# How many documents of one shape of URL are visited.
ENOUGH = 60
# What it holds are examples of links.
DOCUMENT = "/openapi.json"
# What the pipeline gives a film; Alice's other films are given the same file.
MADE = ("media", "thumbnails", "renditions", "hls", "storyboard", "duration", "thumbnail", "cover")

# Where the example of the document does not fit: a film of five seconds, a password that is set, an order of one.
BODIES = {
    "thumbnail": {"at": 1}, "unlock": {"password": PASSWORD}, "password": {"password": PASSWORD},
    "move": {"after": None},
    "uploads": {"mode": "resumable", "bytes": CLIP.stat().st_size}, "views": {"position": 1},
}  # fmt: skip
# The work that these are about was never begun: the state was put there, and the queue knows better.
MADE_UP = ("/retry", "/cancel")


def shape(href):
    return MONTH.sub("{month}", ID.sub("{id}", href.split("?")[0].split("{?")[0]))


class Crawler:
    """Somebody who follows links. `met`: (method, href) of every link -> the URL of the document that offered it."""

    def __init__(self, caller):
        self.caller = caller
        self.met, self.answers, self.templates, self.me = {}, {}, [], None

    def crawl(self, *starts):
        """Follow every GET link from these URLs, templates last, when there is something to fill in."""
        self.follow(starts)
        self.follow([filled for template in self.templates for filled in self.expand(template)])
        return self

    def follow(self, starts):
        queue, visited = deque(starts), Counter()
        while queue:
            href = queue.popleft()
            if href in self.answers or visited[shape(href)] >= ENOUGH:
                continue
            visited[shape(href)] += 1
            queue.extend(self.visit(href))

    def visit(self, href):
        """Follow one link and return those of the answer; a stream without end is not read."""
        asked = {"headers": {"Accept": "application/json"}, "allow_redirects": False, "stream": True}
        with self.caller("GET", href, **asked) as answer:
            self.answers[href] = answer.status_code
            of_ours = answer.headers.get("Content-Type") == "application/json" and href != DOCUMENT
            if href == "/api/v1/me" and answer.ok:
                self.me = answer.json()["_id"]
            return list(self.note(answer.json(), href)) if of_ours else []

    def note(self, body, href):
        """Keep the links of an answer, wherever they stand in it; return those that are read."""
        for links, own in find_links(body, href):
            for link in links.values():
                method = link.get("method", "GET")
                if link.get("templated"):
                    self.templates.append(link["href"])
                    continue
                self.met.setdefault((method, link["href"]), own)
                if method == "GET":
                    yield link["href"]

    def expand(self, template):
        """Fill in a template (RFC 6570) with what was met on the way, as its parameters are documented."""
        path, _, names = template.rstrip("}").partition("{?")
        if "where" in names:
            for where in self.filters(path.rsplit("/", 1)[1]):
                yield f"{path}?{urlencode({'where': json.dumps(where)})}"
            if "deleted" in names:
                yield f"{path}?deleted=true"
            if "sort" in names:
                queries = REGISTRY[path.rsplit("/", 1)[1]].queries
                sorts = {query.sort_text for query in queries if query.view == "all" and not query.filter}
                yield from (f"{path}?sort={sort.removesuffix(',-_id')}" for sort in sorted(sorts))
        else:
            known = {
                "url": f"/api/v1/videos/{self.id_of('videos')}",
                "ids": self.id_of("videos"),
                "q": "film",
            }
            yield f"{path}?{urlencode({name: known[name] for name in names.split(',')})}"

    def filters(self, name):
        """Yield filters over fields that are one of few words, or the id of something that was read."""
        resource = REGISTRY[name]
        for query in resource.queries:
            if len(query.filter) == 1:
                (field,) = query.filter
                ids = [self.id_of(resource.references[field])] if field in resource.references else []
                ids = [self.me] if field == resource.owner else ids
                yield from ({field: value} for value in resource.schema[field].get("allowed", ids) if value)

    def id_of(self, resource):
        """Return the id of a document that was read."""
        pattern = re.compile(rf"/api/v1/{resource}/({ID.pattern})$")
        read = (pattern.match(href) for href, status in self.answers.items() if status == 200)
        return next((found[1] for found in read if found), None)

    def reads(self):
        return {shape(href) for href, status in self.answers.items() if status < 300}


def find_links(node, own):
    """Yield (links, URL of the document that has them) of a body."""
    if isinstance(node, list):
        for one in node:
            yield from find_links(one, own)
    elif isinstance(node, dict):
        links = node.get("_links")
        if isinstance(links, dict) and all(isinstance(one, dict) for one in links.values()):
            own = links.get("self", {}).get("href", own)
            # What is deleted is at its address again once it is restored.
            yield (
                {name: one for name, one in links.items() if name != "self" or not node.get("deleted_at")},
                own,
            )
        for name, one in node.items():
            if name != "_links":
                yield from find_links(one, own)


@pytest.fixture(scope="module")
def alice(platform):
    return platform.sign_up("alice-of-links").make_channel("alice-of-links")


@pytest.fixture(scope="module")
def store(platform):
    services = Backend(Settings.from_env(platform.environ))
    yield Store(services, REGISTRY)
    services.close()


@pytest.fixture(scope="module")
def world(alice, admin, store):
    """Give Alice a film that plays, and a document of every resource in every state that has an action."""
    film = alice.make_video("A film")
    assert alice.upload(film).status_code == 202
    assert alice.await_end(film)["status"] == "READY"
    assert alice.post(f"/videos/{film}/publish").status_code == 200
    assert alice.post(f"/videos/{film}/comments", {"text": "Mine."}).status_code == 201
    stored = store.get("videos", ObjectId(film))
    factory, same_file = Factory(store, stored["owner"]), {name: stored.get(name) for name in MADE}
    for resource in REGISTRY:
        if resource.name in ("users", "sessions", "audit_log"):
            continue
        states = [{}, *(satisfy(action.when) for action in resource.actions.values())]
        for state in states:
            given = {field: value for field, value in state.items() if "." not in field}
            factory.insert(resource.name, stored["owner"], **given)
    store.collection("videos").update_many({"status": "READY"}, {"$set": same_file})
    store.collection("videos").update_many({}, {"$unset": {"pending_media": ""}})
    report = {"target_type": "video", "target": film, "reason": "spam"}
    assert alice.post("/reports", report).status_code == 201
    assert alice.post("/api_keys", {"name": "x", "scopes": ["videos:read"]}).status_code == 201
    gone = alice.make_video("A lost film")
    assert alice.call("DELETE", f"/videos/{gone}", headers={"If-Match": "*"}).status_code == 204


def as_somebody(platform, token=None):
    return lambda method, href, **more: platform.call(method, platform.base + href, token, **more)


@pytest.fixture(scope="module")
def crawlers(platform, alice, admin, world):
    """Return what each caller has met."""
    callers = {"anonymous": None, "alice": alice.token, "admin": admin.token}
    return {name: Crawler(as_somebody(platform, token)).crawl(*STARTS) for name, token in callers.items()}


@pytest.mark.parametrize(("name", "refusals"), [("anonymous", {401}), ("alice", {403}), ("admin", set())])
def test_every_link_that_is_read_answers(platform, crawlers, name, refusals):
    wrong = [
        f"{status} {href}"
        for href, status in crawlers[name].answers.items()
        if status >= 400 and status not in refusals
    ]
    assert not wrong, "\n".join(wrong) + platform.log("api")[-3000:]
    assert len(crawlers[name].answers) > 50


def test_every_resource_is_reached_by_links_alone(crawlers):
    reached = set().union(*(crawler.reads() for crawler in crawlers.values()))
    wanted = {f"/api/v1/{resource.name}" for resource in REGISTRY}
    wanted |= {f"/api/v1/{resource.name}/{{id}}" for resource in REGISTRY}
    wanted |= {f"/api/v1/{m.parent}/{{id}}/{m.segment}" for resource in REGISTRY for m in resource.mounts}
    assert wanted - reached == set()


def test_every_action_is_offered_to_somebody(crawlers):
    met = {(method, shape(href)) for crawler in crawlers.values() for method, href in crawler.met}
    wanted = {
        (action.method, f"/api/v1/{resource.name}/{{id}}/{action.path}")
        for resource in REGISTRY
        for action in resource.actions.values()
    }
    assert wanted - met == set()


class Actor:
    """Does what links offer, with the body that the document shows as the example."""

    def __init__(self, crawler, document):
        self.crawler = crawler
        calls = read_calls(json.loads(document.read_text()))
        self.examples = {
            (call.method, re.sub(r"\{\{\w+\}\}", "{id}", call.url.removeprefix("{{base}}"))): call
            for call in calls
        }

    def act(self, method, href):
        """Send what a link asks for; return the status and what was said."""
        call = self.examples[method, shape(href)]
        name = href.rsplit("/", 1)[1]
        more = {"json": BODIES.get(name, self.filled(call.body))} if call.media == "application/json" else {}
        if call.media == "multipart/form-data":
            more = {"files": {"file": ("film.mp4", CLIP.read_bytes())}}
        elif call.media and not more:
            more = {"data": b"", "headers": {"Content-Type": call.media}}
        if "If-Match" in call.headers:
            more["headers"] = {"If-Match": "*"}
        answer = self.crawler.caller(method, href, **more)
        return answer.status_code, f"{answer.status_code} {method} {href} {answer.text[:300]}"

    def filled(self, body):
        """Put ids of what was met where the example has variables."""
        text = json.dumps(body)
        return json.loads(
            re.sub(r"\{\{(\w+)\}\}", lambda found: str(self.crawler.id_of(f"{found[1]}s")), text)
        )

    def still_offered(self, method, href, own):
        """Tell whether the document offers it still, after all that was done meanwhile."""
        answer = self.crawler.caller("GET", own)
        offered = [links for links, _ in find_links(answer.json(), own)] if answer.ok else []
        return any(
            link["href"] == href and link.get("method") == method
            for links in offered
            for link in links.values()
        )


@pytest.mark.parametrize("name", ["alice", "admin"])
def test_what_a_document_offers_can_be_done(crawlers, document, name):
    actor, done, busy, wrong = Actor(crawlers[name], document), Counter(), set(), []
    for (method, href), own in crawlers[name].met.items():
        if method == "GET" or not ID.search(href) or done[method, shape(href)] >= 2:
            continue
        # A video takes one upload at a time.
        if not actor.still_offered(method, href, own) or ("/upload" in href and own in busy):
            continue
        busy |= {own} if "/upload" in href else set()
        status, said = actor.act(method, href)
        done[method, shape(href)] += 1
        if status >= 300 and not (status == 409 and href.endswith(MADE_UP)):
            wrong.append(said)
    assert not wrong, "\n".join(wrong)
    assert len(done) > {"alice": 25, "admin": 5}[name]


def test_what_the_entry_point_offers_is_there(platform, document, crawlers):
    """Each form is sent as the example shows it: nothing is missing, of another method, or broken."""
    person = platform.sign_up("visitor-of-links")
    home = Crawler(as_somebody(platform, person.token))
    home.follow(["/api/v1/me", "/api/v1/"])
    forms = sorted(link for link, own in home.met.items() if link[0] != "GET" and own == "/api/v1/")
    last = [form for form in forms if "logout" in form[1] or form == ("DELETE", "/api/v1/me")]
    actor = Actor(home, document)
    told = [actor.act(*form) for form in [*(form for form in forms if form not in last), *last]]
    assert len(told) > 20
    assert not [said for status, said in told if status in (404, 405) or status >= 500]
