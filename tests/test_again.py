"""A second try is for tests of real processes, and is shown; whatever is certain to come out the same has none."""

from types import SimpleNamespace

import pytest

from tests.conftest import pytest_collection_modifyitems


class Item(SimpleNamespace):
    def get_closest_marker(self, name):
        return next((mark for mark in self.marks if mark.name == name), None)

    def add_marker(self, decorator):
        self.marks.append(decorator.mark)


@pytest.mark.parametrize(
    ("marks", "tries"),
    [
        ([], 0),
        ([pytest.mark.slow], 1),
        ([pytest.mark.browser], 1),
        ([pytest.mark.slow, pytest.mark.flaky(reruns=0)], 0),
    ],
)
def test_second_try(marks, tries):
    item = Item(marks=[one.mark for one in marks])
    pytest_collection_modifyitems([item])
    flaky = item.get_closest_marker("flaky")
    assert (flaky.kwargs["reruns"] if flaky else 0) == tries


def test_it_is_shown_with_what_went_wrong(request):
    assert request.config.getoption("rerun_show_tracebacks")
    assert "R" in request.config.getoption("reportchars") or "a" in request.config.getoption("reportchars")
