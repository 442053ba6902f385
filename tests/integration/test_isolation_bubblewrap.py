"""What bubblewrap does not contain is known, stands in docs/security.md, and is no more than that."""

import asyncio
import tempfile
from pathlib import Path
from uuid import uuid4

import pytest
from django.test import override_settings

from interpreters.isolation import runner
from interpreters.isolation.base import Act
from interpreters.isolation.probes import TABLE
from interpreters.isolation.sandboxes import label
from interpreters.runtime import SandboxSpec
from interpreters.runtime.bubblewrap import BubblewrapRuntime
from tests import sandboxes

pytestmark = [pytest.mark.bubblewrap, pytest.mark.timeout(180)]

ONE_UID = {
    "signal the agent", "signal pid 1", "the agent in /proc", "files of the agent", "environment of the agent",
    "the agent's socket", "the socket's folder",
}  # fmt: skip
NO_MASKS = {"what the kernel tells"}
# Depends on the machine: a kernel without these files, or one that lets processes trace only their own children.
NO_MORE_THAN = ONE_UID | NO_MASKS | {"ptrace the agent", "memory of the agent", "kallsyms", "filter of calls"}


def test_code_is_kept_in_but_not_from_its_agent() -> None:
    quiet = [probe.name for probe in TABLE if probe.act is Act.QUIET]
    with tempfile.TemporaryDirectory(prefix="thm-") as folder:
        place = Path(folder)
        with override_settings(
            SOCKET_DIR=place / "s", STATE_DIR=place, RUNTIME="bubblewrap", KERNELS_DIR=sandboxes.kernels()
        ):
            spec = SandboxSpec(uuid4(), label(), 1, 1, "bash", "bash", memory=256, disk=16, pids=64)
            verdicts = asyncio.run(runner.check(BubblewrapRuntime(), spec, only=[*quiet, "escape by link"]))
    red = {verdict.probe: verdict.detail for verdict in verdicts if verdict.result.failed}
    assert set(red) >= ONE_UID, red
    assert set(red) <= NO_MORE_THAN, red
