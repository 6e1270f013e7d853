"""What the document calls things: the title of a link, said where its document is not in sight."""

import pytest

from machine.openapi.document import compile_document
from machine.openapi.naming import about_one, noun

TITLES = {
    "Play it": "Play a video",
    "Process it again": "Process a video again",
    "Open it with its password": "Open a video with its password",
    "Its newest videos": "A video's newest videos",
    "Send a test event": "Send a test event",
    "How it is doing": "How a video is doing",
    "Edit the title": "Edit the title",
}


@pytest.mark.parametrize("title", TITLES)
def test_a_title_names_the_document_that_it_means(title):
    assert about_one(title, "video") == TITLES[title]


def test_an_action_is_called_in_the_document_as_in_its_link(app):
    paths = compile_document(app)["paths"]
    for resource in app.registry:
        for action in resource.actions.values():
            operation = paths[f"/api/v1/{resource.name}/{{id}}/{action.path}"][action.method.lower()]
            assert operation["summary"] == about_one(action.title, noun(resource.name))
