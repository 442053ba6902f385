"""`make run` on a machine without a container engine."""

import signal
import tempfile
from pathlib import Path

import pytest

from tests.integration.test_run import Run

pytestmark = [pytest.mark.bubblewrap, pytest.mark.redis, pytest.mark.timeout(900)]


def test_it_says_that_it_is_weaker_runs_a_cell_and_leaves_no_process() -> None:
    with tempfile.TemporaryDirectory(prefix="thm-run-") as name:
        run = Run(Path(name), THERMAE_RUNTIME="", THERMAE_DOCKER_HOST=f"unix://{name}/no-engine.sock")
        run.start()
        try:
            run.wait_until_ready()
            said = run.said()
        finally:
            status = run.stop(signal.SIGTERM)
        assert "no Docker engine answers" in said
        assert "one trusted tenant or a trial" in said
        assert "1 + 1 = 2" in said
        assert status == 0
        assert processes_in(run.folder) == []


def processes_in(folder: Path) -> list[str]:
    """Command lines of what still runs from, or for, this folder."""
    lines = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            lines.append(line)
    return lines
