"""Who makes a page that no cache has, and what becomes of the turn."""

import threading

import pytest

from machine.edge.pages import Sharing
from tests.patience import patience

SHARING = Sharing("/x", 30, ("videos",))


@pytest.fixture
def pages(app):
    return app.wsgi_app.pages


def test_turn_of_who_fails_is_free_at_once(pages):
    """Whatever goes wrong while a page is made: neither this process nor another waits for it."""
    with pytest.raises(ZeroDivisionError), pages.turn("/fails", SHARING, None):
        raise ZeroDivisionError
    assert "/fails" not in pages.flights
    assert pages.cache.try_lock("/fails", 5)


def test_turn_of_who_keeps_nothing_is_free_at_once(pages):
    with pages.turn("/refused", SHARING, None) as turn:
        assert turn.page is None
    assert "/refused" not in pages.flights
    assert pages.cache.try_lock("/refused", 5)


def test_who_waits_gets_the_page_that_was_made(pages):
    # Measured beforehand: who waits for another gives up after COMPUTING seconds.
    soon, got, waits = patience(5), [], threading.Event()

    def want():
        waits.set()
        with pages.turn("/wanted", SHARING, None) as turn:
            got.append(turn.page)

    other = threading.Thread(target=want)
    with pages.turn("/wanted", SHARING, None) as turn:
        other.start()
        assert waits.wait(soon)
        made = turn.finish(b"{}")
    other.join(soon)
    assert [page.answer for page in got] == [made.answer]


def test_page_that_is_not_shared_is_made_by_each(pages):
    alone = Sharing("/x")
    with pages.turn("/alone", alone, None) as first, pages.turn("/alone", alone, None) as second:
        assert first.page is None and second.page is None
