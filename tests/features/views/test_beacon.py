"""The beacon that a page sends as it is closed: text/plain, since a browser asks no leave for that (Fetch)."""

import pytest

from tests.audience import make_video
from tests.field_reports import reported


@reported(
    "Dates, headers, forms",
    "`navigator.sendBeacon` sends text/plain, and no view was counted",
    sent='text/plain;charset=UTF-8: {"position": 0}',
    back="200",
)
def test_a_beacon_counts_a_view(alice, anonymous, report):
    kind, _, body = report.sent.partition(": ")
    video = make_video(alice)
    answer = anonymous.post(f"/videos/{video}/views", data=body, content_type=kind)
    assert (answer.status_code, answer.json["counted"]) == (int(report.back), True)


def test_a_beacon_is_held_against_the_same_rules(alice, anonymous):
    path = f"/videos/{make_video(alice)}/views"
    for body, status in (
        ("hello", 400),
        ("[]", 400),
        ('{"position": -1}', 422),
        ('{"x": 1}', 422),
        ("", 400),
    ):
        assert anonymous.post(path, data=body, content_type="text/plain").status_code == status, body


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data", "text/html"])
def test_other_types_are_refused_and_told_what_is_taken(alice, anonymous, kind):
    answer = anonymous.post(f"/videos/{make_video(alice)}/views", data='{"position": 0}', content_type=kind)
    assert answer.status_code == 415
    assert "text/plain" in answer.json["detail"]


def test_only_routes_that_declare_it_take_text(app, alice):
    """What a page of another origin may send without being asked is for strangers' beacons alone."""
    declared = {
        view.spec.path
        for view in app.view_functions.values()
        if getattr(view, "spec", None) and view.spec.also
    }
    assert declared == {"/api/v1/videos/<objectid:id_>/views"}
    answer = alice.http.post("/api/v1/auth/login", data="{}", content_type="text/plain")
    assert (answer.status_code, answer.json["reason"]) == (415, "unsupported_media_type")


def test_the_document_tells_of_it(anonymous):
    paths = anonymous.get("/openapi.json").json["paths"]
    (beacon,) = (one for path, one in paths.items() if path.endswith("/videos/{id}/views"))
    assert "text/plain" in beacon["post"]["description"]
