"""Real sandboxes for tests: their images and kernels, made once, and a plain client of the agent inside."""

import functools
import http.client
import json
import os
import time
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from interpreters.runtime.sockets import socket_folder
from tests.capabilities import UnixConnection


@functools.cache
def image(name: str) -> str:
    """The tag of an interpreter image as it is now, built if it is not there."""
    from interpreters.images import builder

    return builder.build_source(name, print)


@functools.cache
def kernels() -> Path:
    """Kernels for bubblewrap, made once for all runs on this machine and kept up to date by their content."""
    from django.test import override_settings

    from interpreters.runtime.bubblewrap import prepare_kernels

    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "thermae-tests" / "kernels"
    with override_settings(KERNELS_DIR=folder):
        prepare_kernels(print)
    return folder


def ask(session: UUID, method: str, path: str, body: object = None, timeout: float = 10.0) -> tuple[int, Any]:
    """One request to the agent: status and JSON. Raises OSError while nobody answers."""
    connection = UnixConnection(str(socket_folder(session) / "agent.sock"), timeout)
    try:
        payload = None if body is None else json.dumps(body)
        connection.request(method, path, payload, {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read()
        return response.status, json.loads(content) if content else None
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()


def health(session: UUID) -> dict[str, Any]:
    answer: dict[str, Any] = ask(session, "GET", "/health")[1]
    return answer


def wait_until_answering(session: UUID, timeout: float = 30.0) -> dict[str, Any]:
    """The agent's health as soon as it has one."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return health(session)
        except OSError:
            assert time.monotonic() < deadline, "the agent does not answer"
            time.sleep(0.01)


def wait_until_ready(session: UUID, timeout: float = 30.0) -> dict[str, Any]:
    """The agent's health once its kernel is warm, or the start has failed."""
    deadline = time.monotonic() + timeout
    while (now := wait_until_answering(session))["state"] == "starting":
        assert time.monotonic() < deadline, f"the kernel does not start: {now}"
        time.sleep(0.01)
    return now


def run_to_the_end(session: UUID, code: str, timeout: float = 30.0) -> dict[str, Any]:
    """Run code in the warm kernel; the execution's record once it is final."""
    execution = str(uuid4())
    status, record = ask(session, "POST", "/contexts/default/executions", {"id": execution, "code": code})
    assert status == 202, record
    deadline = time.monotonic() + timeout
    while record["state"] in ("queued", "running"):
        assert time.monotonic() < deadline, f"it does not end: {record}"
        time.sleep(0.01)
        record = ask(session, "GET", f"/executions/{execution}")[1]
    return {**record, "id": execution}


def outputs(session: UUID, code: str, timeout: float = 30.0) -> list[dict[str, Any]]:
    """Run code and return its messages on iopub."""
    record = run_to_the_end(session, code, timeout)
    answer = ask(session, "GET", f"/executions/{record['id']}/outputs")[1]
    messages: list[dict[str, Any]] = answer["messages"]
    return messages


def run(session: UUID, code: str, timeout: float = 30.0) -> str:
    """Run code and return the text that it printed, errors included."""
    text = []
    for message in outputs(session, code, timeout):
        kind, content = message["header"]["msg_type"], message["content"]
        if kind == "stream":
            text.append(content["text"])
        elif kind == "error":
            text.append(f"{content['ename']}: {content['evalue']}\n")
    return "".join(text)
