"""Broken object level authorization, sought over the whole URL map: every rule × caller × state of the document."""

import pytest
from bson import ObjectId

from tests import oracle
from tests.attacks.url_map import DEMANDS, cases, cells, deserved
from tests.cells import who
from tests.conftest import sign_up
from tests.factory import DEFINITIONS
from tests.test_policy import METHODS, leaks

SUBJECTS = [*DEFINITIONS, "uploads", None]
# What ends the session that asks: each gets one of its own.
ENDING = {"auth.logout", "auth.logout_all", "auth.logout_others"}
# Where somebody who may go on is still told no, and why.
NO_TO_THE_RIGHT_ONE = {
    "webhooks.receive_notification": {403},  # Cloudinary alone signs
    "syndication.sitemap": {404},  # there is none of that name
    "syndication.oembed": {404},  # nor of that URL
    "docs.asset": {404},
    "oidc.begin": {404},  # no provider is set up
    "oidc.callback": {404},
    "playback.playback": {401},  # the films of this test are for adults, who are signed in
    "watching.download": {401},
    "watching.unlock": {403},  # no password was sent
    "me.download": {404},  # no export of that name
}
# What a worker has found and made where a video is READY.
FILES = {
    "hls": "sp_full_hd/m3u8",
    "renditions": [{"name": "360p", "width": 640, "height": 360, "bytes": 1000, "eager": "h_360/mp4"}],
    "thumbnails": [{"width": 640, "height": 360, "bytes": 1000, "eager": "so_1/jpg"}],
}


@pytest.fixture(scope="module")
def every(app):
    return cases(app)


def test_every_rule_of_the_url_map_is_a_case(app, every):
    """A rule without a case, or a route about a document without a demand, fails here."""
    methods = {(rule.rule, method) for rule in app.url_map.iter_rules() for method in rule.methods} - {
        (rule.rule, method) for rule in app.url_map.iter_rules() for method in ("HEAD", "OPTIONS")
    }
    assert methods <= {(case.rule, case.method) for case in every}
    assert {case.resource for case in every} <= set(SUBJECTS)
    plain = {case.endpoint for case in every if case.resource and case.spec and not case.spec.action}
    assert plain == set(DEMANDS)
    by_policy = {case.method for case in every if case.endpoint.endswith("|item_lookup")}
    assert by_policy <= set(METHODS)
    assert len(every) > 150


def ask(client, case, document):
    """Send the request of a case, well-formed as far as everyone knows how; return its status and text."""
    body = {} if case.method in ("POST", "PUT", "PATCH") and not (case.spec and case.spec.stream) else None
    answer = send(client, case, document, **({} if body is None else {"json": body}))
    text = "" if answer.is_streamed and answer.mimetype == "text/event-stream" else answer.text
    answer.close()
    return answer.status_code, text


def ask_with(client, case, document, body):
    """Send the request of a case with a body; return its status and what the answer says."""
    answer = send(client, case, document, json=body)
    return answer.status_code, answer.get_json(silent=True) or {}


def send(client, case, document, **more):
    headers = {"Authorization": f"Bearer {client.token}"} if client.token else {}
    return client.http.open(
        case.path(document), method=case.method, headers={"If-Match": "*", **headers}, **more
    )


def take(app, shelf, subject, state, above):
    """Return a document in a state, complete as far as a worker makes it so; only an id where there is none."""
    if subject not in DEFINITIONS:
        return {"_id": ObjectId()}
    document = shelf.take(subject, state, above)
    if subject == "videos" and document["hls"] != FILES["hls"]:
        app.store.change(subject, {"_id": document["_id"]}, set=FILES)
        document = shelf.take(subject, state, above)
    return document


def judge(status, case, wanted):
    """Say what is wrong with an answer, None if nothing is."""
    if status >= 500:
        return "an error of ours"
    if wanted == "own":
        nothing = {204, 404} | ({400, 412} if case.resource == "uploads" else set())
        return None if status in nothing else "told of another's"
    if wanted == "list":
        return None if status not in (404, 405) else "not offered"
    if wanted is not None:
        return None if status == wanted else f"not {wanted}"
    if status in (401, 403, 404, 405) and status not in NO_TO_THE_RIGHT_ONE.get(case.endpoint, ()):
        return "refused to who may"
    return None


def shown_in_urls(subject):
    """Return the fields that stand in the URL of the request itself, and so in its refusal."""
    folded = oracle.policy_of(subject).get("folded", {})
    return {"username", "handle", *(key for key, shown in folded.items() if shown in ("username", "handle"))}


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_each_caller_gets_what_is_declared_and_no_more(app, cast, shelf, every, subject, record_property):
    wrong, tried = [], 0
    for case in (case for case in every if case.resource == subject):
        for state, above, caller in cells(case):
            document = take(app, shelf, subject, state, above)
            wanted = deserved(app.store, case, document, who(cast, caller))
            client = cast[caller]
            if case.endpoint in ENDING and caller != "anonymous":
                client = sign_up(app, f"leaves{tried}", oracle.ROLE_OF[caller])
            status, text = ask(client, case, document)
            tried += 1
            trouble = judge(status, case, wanted)
            if wanted is not None and subject in DEFINITIONS:
                after = app.store.get(subject, document["_id"])
                if after != document:
                    trouble = "a refused request changed the document"
                elif wanted != 409 and leaks(document, set(document) - shown_in_urls(subject), text):
                    trouble = "a refusal tells what it refuses"
            elif subject in DEFINITIONS and status < 400 and case.method != "GET":
                shelf.drop(subject, state, above)
            if trouble:
                wrong.append((case.name, state, above, caller, status, trouble))
    assert not wrong, "\n".join(map(str, wrong[:40]))
    record_property("tried", tried)
    assert tried >= 4
