"""What may wait makes way: parts and ffmpeg take a low share as sessions too, which Linux weighs first."""

import subprocess
import sys
from pathlib import Path

import pytest

from dev.cloudinary import confine
from dev.parts import BEHIND

SESSION = Path("/proc/self/autogroup")
LOOK = "import os, pathlib; print(os.getpriority(os.PRIO_PROCESS, 0), pathlib.Path('/proc/self/autogroup').read_text())"


def priorities(*before):
    """Return (the nice value of a process, that of its session)."""
    command = [*map(str, before), sys.executable, "-c", LOOK]
    run = subprocess.run(command, capture_output=True, text=True, check=True, start_new_session=True)
    own, session = run.stdout.split(maxsplit=1)
    return int(own), int(session.split()[-1])


@pytest.mark.skipif(not SESSION.exists(), reason="no autogroups here: nice alone is enough")
def test_part_behind_is_behind_as_a_session():
    assert priorities(*BEHIND) == (10, 10)


@pytest.mark.skipif(not SESSION.exists(), reason="no autogroups here: nice alone is enough")
@pytest.mark.parametrize("first", [(), BEHIND])
def test_ffmpeg_is_behind_everything(first):
    script = f"import os, sys; os.execv({sys.executable!r}, [{sys.executable!r}, {confine.__file__!r}, " + (
        "str(os.getppid()), '1000000', '60', *sys.argv[1:]])"
    )
    assert priorities(*first, sys.executable, "-c", script) == (19, 19)
