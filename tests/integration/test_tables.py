"""The table formatter in the image that it is part of: there is pandas, and nowhere else."""

import subprocess
from pathlib import Path

import pytest

from tests import sandboxes

CHECKS = Path(__file__).resolve().parents[1] / "tables_in_kernel.py"


@pytest.mark.docker
@pytest.mark.timeout(240)
def test_tables_of_all_kinds_become_data_and_pages() -> None:
    command = ["docker", "run", "--rm", "--network", "none", "-v", f"{CHECKS}:/checks.py:ro", "-w", "/tmp"]
    done = subprocess.run([*command, sandboxes.image("python"), "python", "/checks.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.endswith("ok\n")
