"""Requests that schemathesis makes up from the live document find nothing that the document does not say."""

import pytest

from tests.fuzz import fuzz
from tests.programs.conftest import TOOLS

EXAMPLES, SEED = 100, 20_261_122


@pytest.mark.timeout(1500)
def test_made_up_requests_are_answered_as_described(platform, tmp_path):
    if not TOOLS.exists():
        pytest.skip("make tests/tools/.venv/installed has not been run")
    well, said, tally = fuzz(platform, tmp_path, "admin", EXAMPLES, SEED, "coverage,fuzzing")
    print(said)
    assert well, said[-8000:]
    # A tool that skipped what it found hard would say nothing of it.
    assert min(tally["operations"].values()) >= EXAMPLES, tally["operations"].most_common()[-5:]
