"""What each kernel can do, as docs/languages.md tells it: asked of the images as they ship."""

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from django.test import override_settings

from interpreters.images import sources
from interpreters.runtime import SandboxSpec
from interpreters.runtime.docker import DockerRuntime
from tests import sandboxes
from tests.services import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1500)]


@dataclass(frozen=True)
class Kernel:
    image: str
    define: str
    typed: str
    completed: str
    known: str
    long: str
    inspects: bool
    aside: bool  # answers while a cell runs
    variables: bool


KERNELS = [
    Kernel("python", "a_name = 1", "a_na", "a_name", "print", "while True: pass", True, True, True),
    Kernel("r", "a_name <- 1", "a_na", "a_name", "print", "while (TRUE) {}", True, False, False),
    Kernel("deno", "const aName = 1;", "aNa", "aName", "aName", "for (;;) await new Promise((d) => setTimeout(d, 9));",
           False, False, False),
    Kernel("bash", "a_name=1", "ech", "echo", "echo", "while true; do sleep 0.1; done", False, False, False),
    Kernel("sql", "CREATE TABLE a_name AS SELECT 1 AS x", "FROM a_na", "a_name", "a_name",
           "SELECT count(*) FROM range(10_000_000) a, range(100_000) b WHERE a.range * b.range % 7 = 3",
           True, True, True),
]  # fmt: skip


@pytest.fixture(params=KERNELS, ids=lambda kernel: kernel.image)
def kernel(request: pytest.FixtureRequest) -> Kernel:
    found: Kernel = request.param
    return found


@pytest.fixture
def sandbox(kernel: Kernel) -> Iterator[UUID]:
    source, runtime = sources.load(kernel.image), DockerRuntime()
    with tempfile.TemporaryDirectory(prefix="thm-") as folder, override_settings(SOCKET_DIR=f"{folder}/s"):
        spec = SandboxSpec(
            uuid4(), f"{os.environ['THERMAE_INSTALLATION']}-conformance", pool=1, revision=1,
            image=sandboxes.image(kernel.image), kernel=source.kernel, warm_up=source.warm_up,
            memory=max(512, source.least_memory),
        )  # fmt: skip
        handle = runtime.create(spec).handle
        try:
            assert sandboxes.wait_until_ready(spec.session)["state"] == "ready"
            yield spec.session
        finally:
            runtime.remove(handle)


def ask(sandbox: UUID, verb: str, code: str) -> tuple[int, dict[str, object]]:
    body = {"code": code, "cursor_pos": len(code)}
    return sandboxes.ask(sandbox, "POST", f"/contexts/default/{verb}", body, timeout=20)


def test_it_does_what_the_table_of_languages_says(kernel: Kernel, sandbox: UUID) -> None:
    sandboxes.run_to_the_end(sandbox, kernel.define)
    # The first completion loads its library, for which a machine under load takes longer than a question may.
    wait_until(lambda: ask(sandbox, "complete", kernel.typed)[0] == 200, "a completion")
    _, reply = ask(sandbox, "complete", kernel.typed)
    assert kernel.completed in str(reply["matches"])
    status, reply = ask(sandbox, "inspect", kernel.known)
    assert (status == 200 and bool(reply.get("found"))) == kernel.inspects
    body = {"about": "variables", "arguments": {}}
    _, answer = sandboxes.ask(sandbox, "POST", "/contexts/default/ask", body, timeout=20)
    assert ("variables" in answer) == kernel.variables, answer
    execution = str(uuid4())
    sandboxes.ask(sandbox, "POST", "/contexts/default/executions", {"id": execution, "code": kernel.long})
    time.sleep(1)
    status, reply = ask(sandbox, "complete", kernel.typed)
    assert (status == 200) == kernel.aside, reply
    sandboxes.ask(sandbox, "POST", "/contexts/default/interrupt", {})
    deadline = time.monotonic() + 15
    while sandboxes.ask(sandbox, "GET", f"/executions/{execution}")[1]["state"] == "running":
        if kernel.image == "deno" and time.monotonic() > deadline:
            return  # it does not always hear an interrupt: then the page offers a restart
        assert time.monotonic() < deadline, "not interrupted"
        time.sleep(0.1)
    assert kernel.completed in str(ask(sandbox, "complete", kernel.typed)[1]["matches"]), "what was defined is kept"
