"""Every process of a host counts where the others can see it, whichever module it imports first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clients.metrics import __file__ as metrics

ROOT = Path(metrics).parents[1]
COUNT = "from clients.metrics import JOBS_ENDED; JOBS_ENDED.labels('process', 'succeeded').inc()"
FLOORS = ("clients", "commands", "features", "hooks", "machine", "schemas", "tasks")


@pytest.mark.parametrize(
    "process", ["tasks.app", "features", "features.operation.gauges", "machine.jobs.sweep"]
)
def test_process_leaves_its_counts_in_the_shared_folder(process, tmp_path):
    environ = {**os.environ, "METRICS_DIR": str(tmp_path), "PYTHONWARNINGS": "ignore"}
    environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    subprocess.run([sys.executable, "-c", f"import {process}; {COUNT}"], cwd=ROOT, env=environ, check=True)
    assert any(b"marquee_job_attempts_total" in path.read_bytes() for path in tmp_path.glob("counter_*.db"))


def test_one_module_alone_imports_the_library_of_the_metrics():
    paths = [path for floor in FLOORS for path in (ROOT / floor).rglob("*.py")]
    users = [path for path in paths if "prometheus_client" in path.read_text()]
    assert users == [Path(metrics)]
