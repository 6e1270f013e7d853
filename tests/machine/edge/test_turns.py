"""Who makes an answer that no cache has, and what becomes of the turn."""

import threading

import pytest

from machine.edge.finished_answers import Sharing
from tests.patience import patience

SHARING = Sharing("/x", 30, ("videos",))


@pytest.fixture
def finished_answers(app):
    return app.wsgi_app.finished_answers


def test_turn_of_who_fails_is_free_at_once(finished_answers):
    """Whatever goes wrong while an answer is made: neither this process nor another waits for it."""
    with pytest.raises(ZeroDivisionError), finished_answers.turn("/fails", SHARING, None):
        raise ZeroDivisionError
    assert "/fails" not in finished_answers.flights
    assert finished_answers.cache.try_lock("/fails", 5)


def test_turn_of_who_keeps_nothing_is_free_at_once(finished_answers):
    with finished_answers.turn("/refused", SHARING, None) as turn:
        assert turn.finished is None
    assert "/refused" not in finished_answers.flights
    assert finished_answers.cache.try_lock("/refused", 5)


def test_who_waits_gets_the_page_that_was_made(finished_answers):
    # Measured beforehand: who waits for another gives up after COMPUTING seconds.
    soon, got, waits = patience(5), [], threading.Event()

    def want():
        waits.set()
        with finished_answers.turn("/wanted", SHARING, None) as turn:
            got.append(turn.finished)

    other = threading.Thread(target=want)
    with finished_answers.turn("/wanted", SHARING, None) as turn:
        other.start()
        assert waits.wait(soon)
        made = turn.finish(b"{}")
    other.join(soon)
    assert [finished.answer for finished in got] == [made.answer]


def test_page_that_is_not_shared_is_made_by_each(finished_answers):
    alone = Sharing("/x")
    with (
        finished_answers.turn("/alone", alone, None) as first,
        finished_answers.turn("/alone", alone, None) as second,
    ):
        assert first.finished is None and second.finished is None
