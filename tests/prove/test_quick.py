"""Every promise is kept in the short form; the long one is `make prove`. That of attacks is tests/attacks itself."""

import pytest

from tests.prove import runner


@pytest.mark.parametrize("name", [name for name in runner.names() if runner.group_of(name) != "attacks"])
def test_promise_is_kept(name):
    rows, _, printed = runner.attempt(name, quick=True)
    print(printed)
    assert rows
    assert [row for row in rows if row.ok is False] == []
