"""What may wait makes way: as a process, and as a session, which Linux weighs first."""

import subprocess
import sys
from pathlib import Path

import pytest

from cloudinary_local.encoder import LAST
from cloudinary_local.launch import launcher
from dev.parts import BEHIND, CLOUDINARY, WORKER

SESSION = Path("/proc/self/autogroup")
LOOK = "import os, pathlib; print(os.getpriority(os.PRIO_PROCESS, 0), pathlib.Path('/proc/self/autogroup').read_text())"


@pytest.mark.skipif(not SESSION.exists(), reason="no autogroups here: nice alone is enough")
@pytest.mark.parametrize("nice", [0, BEHIND, LAST])
def test_what_is_started_behind_is_behind_as_a_session_too(nice):
    command = [*launcher(0, nice), sys.executable, "-c", LOOK]
    run = subprocess.run(command, capture_output=True, text=True, check=True, start_new_session=True)
    own, session = run.stdout.split(maxsplit=1)
    assert (int(own), int(session.split()[-1])) == (nice, nice)


def test_workers_and_the_media_server_are_behind():
    assert WORKER.nice == CLOUDINARY.nice == BEHIND


def test_file_that_grows_too_large_ends_its_program(tmp_path):
    script = f"open({str(tmp_path / 'big')!r}, 'wb').write(bytes(3_000_000))"
    run = subprocess.run(
        [*launcher(0, file_bytes=1_000_000), sys.executable, "-c", script], capture_output=True
    )
    assert run.returncode != 0
    assert (tmp_path / "big").stat().st_size <= 1_000_000
