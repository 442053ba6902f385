"""One cell through the public API with a token, as any integration would run it."""

import http.client
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

CODE = "1 + 1"


class TrialFailed(Exception):
    """The first cell did not run. The message says what the API answered."""


@dataclass(frozen=True, slots=True)
class Trial:
    result: str
    opened: float  # seconds until the session was there
    ran: float  # seconds until its result was


class Api:
    """The few REST calls that a trial needs."""

    def __init__(self, host: str, port: int, token: str) -> None:
        self._host, self._port = host, port
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=90)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, self._headers)
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, json.loads(content) if content else None
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise TrialFailed(f"{method} {path}: {error}") from error
        finally:
            connection.close()

    def live(self) -> bool:
        try:
            return self.call("GET", "/healthz")[0] in (200, 503)
        except TrialFailed:
            return False


def run_cell(api: Api, pool: str) -> Trial:
    """Open a session, run a cell, close the session. Raises TrialFailed."""
    started = time.monotonic()
    session = _open(api, pool, started)
    opened = time.monotonic()
    try:
        status, execution = api.call("POST", f"/api/v1/sessions/{session}/executions", {"code": CODE, "timeout": 60})
        ran = time.monotonic()
        if status != 200:
            raise TrialFailed(f"Running {CODE!r} was answered with {status}: {execution}")
        return Trial(_text(execution), opened - started, ran - opened)
    finally:
        api.call("DELETE", f"/api/v1/sessions/{session}")


def _open(api: Api, pool: str, started: float) -> str:
    wanted = {"pool": pool, "identifier": f"make-run-{secrets.token_hex(4)}"}
    status, session = api.call("POST", "/api/v1/sessions", wanted)
    while status == 202 and time.monotonic() - started < 90:
        time.sleep(0.2)
        status, session = api.call("POST", "/api/v1/sessions", wanted)
    if status not in (200, 201):
        raise TrialFailed(f"Opening a session of the pool {pool} was answered with {status}: {session}")
    return str(session["id"])


def _text(execution: dict[str, Any]) -> str:
    """The plain text of what a cell showed: of nbformat outputs."""
    parts = []
    for output in execution.get("outputs") or []:
        text = output.get("text") or output.get("data", {}).get("text/plain", "")
        parts.append("".join(text))
    if execution.get("state") != "ok":
        raise TrialFailed(f"{CODE!r} ended as {execution.get('state')}: {execution}")
    return "".join(parts).strip()
