"""The pages of the documentation, in a real browser: whole, offline, quiet, and usable."""

import json
import re
import shutil
import threading

import pytest
from werkzeug.serving import make_server

from machine.http.reasons import REASONS
from tests.conftest import PASSWORD
from tests.patience import patience

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
# Scroll on, let the page draw, and tell whether this is its end.
SCROLL = """async () => {
    scrollBy(0, 400);
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    return scrollY + innerHeight >= document.body.scrollHeight - 1;
}"""


@pytest.fixture(scope="module")
def origin(app):
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


def milliseconds(seconds):
    """Return how long the browser has for what takes so many seconds on a quick machine."""
    return 1000 * patience(seconds)


class Visit:
    """A page with what it asked for and what it complained of."""

    def __init__(self, browser, origin):
        self.context = browser.new_context()
        self.context.set_default_timeout(milliseconds(30))
        self.page = self.context.new_page()
        self.origin = origin
        self.requests, self.complaints = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", self.listen)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def listen(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def open(self, path):
        self.page.goto(self.origin + path)
        if path == "/docs":
            self.page.wait_for_selector(".opblock", timeout=milliseconds(60))

    def operation(self, tag, operation_id):
        """Open the page at an operation, as its links do; return its box, ready to be tried."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.origin}/docs#/{tag}/{operation_id}")
        box = self.page.locator(f"#operations-{tag}-{operation_id}")
        box.get_by_role("button", name="Try it out").click(timeout=milliseconds(60))
        return box

    def send(self, tag, operation_id, body=None, path=None, file=None):
        """Execute an operation; return the status that the page shows. Its answer is in `answer`."""
        box = self.operation(tag, operation_id)
        if path is not None:
            box.locator("tr[data-param-in=path] input").fill(path)
        if body is not None:
            box.locator("textarea.body-param__text").fill(json.dumps(body))
        if file is not None:
            box.locator("input[type=file]").set_input_files(file)
        with self.page.expect_response(
            lambda response: "/api/" in response.url or "/livez" in response.url
        ) as got:
            box.get_by_role("button", name="Execute").click()
        status = box.locator(".live-responses-table tbody td.response-col_status").first
        status.wait_for(timeout=milliseconds(60))
        self.answer = got.value.json()
        return int(status.inner_text().split()[0])

    def shown(self):
        """Scroll to the end; return the ids of all operations that came into sight."""
        # Swagger UI keeps only what is in sight in the page.
        seen, ends = set(), 0
        while ends < 3:
            seen |= set(self.page.locator(".opblock").evaluate_all("all => all.map(one => one.id)"))
            ends = ends + 1 if self.page.evaluate(SCROLL) else 0
        return {one.rsplit("-", 1)[1] for one in seen}


@pytest.fixture
def visit(browser, origin):
    visit = Visit(browser, origin)
    yield visit
    visit.context.close()


def described(app):
    document = app.test_client().get("/openapi.json").json
    return [one["operationId"] for item in document["paths"].values() for one in item.values()]


@pytest.mark.browser
def test_every_operation_is_shown(app, visit):
    visit.open("/docs")
    assert visit.shown() == set(described(app))


@pytest.mark.browser
def test_the_page_asks_no_other_host_and_makes_no_complaint(visit):
    visit.open("/docs")
    visit.shown()
    assert visit.requests
    assert [url for url in visit.requests if not url.startswith((visit.origin, "data:", "blob:"))] == []
    assert visit.complaints == []


@pytest.mark.browser
def test_an_answer_of_a_tried_operation_is_shown(visit):
    assert visit.send("meta", "livez") == 200


@pytest.mark.browser
def test_signing_in_on_the_page_signs_the_page_in_and_lasts(visit, alice):
    assert visit.send("auth", "login", {"login": "alice", "password": PASSWORD}) == 200
    assert visit.send("me", "showMe") == 200


@pytest.mark.browser
def test_a_channel_is_created_from_the_page(visit, alice, name):
    visit.send("auth", "login", {"login": "alice", "password": PASSWORD})
    assert visit.send("channels", "createChannel", {"handle": name, "name": "Woods"}) == 201


@pytest.mark.browser
def test_an_upload_can_choose_a_file(visit):
    box = visit.operation("videos", "uploadVideo")
    assert box.locator("input[type=file]").count() == 1


@pytest.mark.browser
def test_a_reason_is_explained_where_problems_point(visit):
    visit.open("/docs/errors#not_found")
    assert visit.page.locator("[id=not_found]").is_visible()
    assert visit.complaints == []


@pytest.mark.browser
def test_the_page_to_read_is_whole_and_quiet(app, visit):
    visit.open("/docs/read")
    shown = set(visit.page.locator("article").evaluate_all("all => all.map(one => one.id)"))
    assert set(described(app)) <= shown
    assert [url for url in visit.requests if not url.startswith(visit.origin)] == []
    assert visit.complaints == []


def test_every_link_on_the_page_to_read_leads_somewhere(anonymous):
    page = anonymous.get("/docs/read").text
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


def test_every_reason_is_explained(anonymous):
    page = anonymous.get("/docs/errors").text
    assert all(f'id="{word}"' in page for word in REASONS)


def test_the_page_allows_scripts_of_its_own_host_only(anonymous):
    policy = anonymous.get("/docs").headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy and "unsafe-eval" not in policy
    assert "default-src 'none'" in policy
