"""What only comments do, where something else happens at the same moment."""

import pytest
from bson import ObjectId

from features.engagement import comment_rules
from machine.http.problem import Problem


def test_an_edit_below_a_video_that_is_erased_meanwhile_is_refused(app):
    original = {"_id": ObjectId(), "video": ObjectId(), "text": "before", "status": "published"}
    with app.test_request_context("/"), pytest.raises(Problem) as refused:
        comment_rules.note_edit({"text": "after"}, original)
    assert refused.value.code == 404
