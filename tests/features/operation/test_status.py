"""The page at / serves people and machines from the same facts."""

from html.parser import HTMLParser

import pytest

from tests.conftest import Client


class Page(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attributes]

    def handle_data(self, data):
        self.words += data


@pytest.fixture
def page(app):
    answer = Client(app).http.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert answer.status_code == 200 and answer.mimetype == "text/html"
    return answer


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/json, text/html;q=0.5"])
def test_machines_get_json_with_links_that_work(app, accept):
    client = app.test_client()
    answer = client.get("/", headers={"Accept": accept} if accept else {})
    assert answer.mimetype == "application/json" and answer.json["parts"]["mongodb"] == "ok"
    for link in answer.json["_links"].values():
        assert client.get(link["href"]).status_code == 200, link


def test_page_says_the_same_in_words(app, page):
    facts = app.test_client().get("/").json
    words = Page(page.text).words
    assert facts["build"] in words
    assert all(state in words for state in facts["parts"].values())


def test_page_has_what_readers_without_eyes_need(page):
    seen = Page(page.text)
    assert ("html", "lang", "en") in seen.attributes and "title" in seen.tags
    assert seen.tags.count("h1") == 1 and "main" in seen.tags and "caption" in seen.tags
    assert all(scope == ("th", "scope", "row") for scope in seen.attributes if scope[0] == "th")


def test_page_needs_no_script_and_nothing_from_elsewhere(page):
    seen = Page(page.text)
    assert "script" not in seen.tags and "'unsafe" not in page.headers["Content-Security-Policy"]
    targets = [value for _, name, value in seen.attributes if name in ("href", "src")]
    assert targets and all(target.startswith("/") for target in targets)


def test_caches_keep_the_two_forms_apart(page):
    assert "Accept" in page.headers["Vary"] and page.headers["Cache-Control"] == "no-store"
