"""REST v1, by a caller's behaviour."""

import asyncio
import io
import json
import zipfile
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError
from django.test import AsyncClient
from django.utils import timezone

from interpreters.client import AgentMisbehaved, wire
from interpreters.lifecycle import Reason, State
from interpreters.models import Execution, Session
from tenants.models import ApiToken
from tests.edges import Caller, bearer, eventually

pytestmark = pytest.mark.django_db(transaction=True)


# --- Pools and sessions ---


async def test_pools_are_listed_with_what_can_be_had(call: Caller, ready: Any, mine: Session) -> None:
    (found,) = await call.want("GET", "/pools")
    assert (found["name"], found["ready"], found["leased"], found["max"]) == ("python", 0, 1, 5)


async def test_a_ready_instance_is_given_at_once(call: Caller, ready: Any, pool: Any) -> None:
    instance = await sync_to_async(ready)()
    response = await call("POST", "/sessions", {"pool": "python", "identifier": "chat-1"})
    assert (response.status_code, response.json()["state"]) == (201, "leased")
    assert response.json()["id"] == str(instance.pk)
    again = await call("POST", "/sessions", {"pool": "python", "identifier": "chat-1"})
    assert (again.status_code, again.json()["id"]) == (200, response.json()["id"])


async def test_a_cold_start_says_how_far_it_is(call: Caller, pool: Any) -> None:
    response = await call("POST", "/sessions", {"pool": "python", "identifier": "chat-1"})
    body = response.json()
    assert (response.status_code, body["state"], body["phase"], body["position"]) == (202, "starting", "queued", 1)
    assert body["message"]


async def test_a_full_pool_says_when_to_come_again(call: Caller, pool: Any) -> None:
    for number in range(5):
        await call.want("POST", "/sessions", {"pool": "python", "identifier": f"chat-{number}"})
    response = await call("POST", "/sessions", {"pool": "python", "identifier": "one-more"})
    assert (response.status_code, response.json()["error"]) == (429, "pool_full")
    assert int(response["Retry-After"]) > 0


async def test_a_pool_that_cannot_launch_says_so(call: Caller, pool: Any) -> None:
    await sync_to_async(pool.engine_failed)("no engine")
    response = await call("POST", "/sessions", {"pool": "python", "identifier": "chat"})
    assert (response.status_code, response.json()["error"]) == (503, "unavailable")
    assert int(response["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"pool": "python"}, "identifier"),
        ({"pool": "python", "identifier": ""}, "1 to 128"),
        ({"pool": "python", "identifier": "a b"}, "1 to 128"),
        ({"pool": 7, "identifier": "a"}, "pool"),
        ([], "pool"),
    ],
)
async def test_a_bad_wish_is_answered_with_what_to_correct(call: Caller, pool: Any, body: Any, part: str) -> None:
    response = await call("POST", "/sessions", body)
    assert response.status_code == 400
    assert part in response.json()["message"]


async def test_what_is_no_json_is_refused(call: Caller) -> None:
    response = await call("POST", "/sessions", data="{", content_type="application/json")
    assert (response.status_code, set(response.json())) == (400, {"error", "message"})


async def test_an_unknown_pool_is_not_found(call: Caller) -> None:
    assert (await call("POST", "/sessions", {"pool": "cobol", "identifier": "a"})).status_code == 404


async def test_an_unknown_address_is_told_in_the_same_shape(call: Caller) -> None:
    response = await call("GET", "/nothing")
    assert (response.status_code, response.json()["error"]) == (404, "not_found")


async def test_sessions_are_listed_kept_alive_and_closed(call: Caller, mine: Session) -> None:
    assert [s["id"] for s in await call.want("GET", "/sessions")] == [str(mine.pk)]
    before = (await call.want("GET", f"/sessions/{mine.pk}"))["expires_at"]
    assert (await call.want("POST", f"/sessions/{mine.pk}/keep-alive"))["expires_at"] > before
    closed = await call.want("DELETE", f"/sessions/{mine.pk}")
    assert (closed["state"], closed["reason"], closed["message"]) == ("stopping", "closed", "The session was closed.")
    assert (await call("POST", f"/sessions/{mine.pk}/keep-alive")).status_code == 409
    assert await call.want("GET", "/sessions") == []


async def test_what_an_engine_said_is_not_for_users(call: Caller, mine: Session) -> None:
    await sync_to_async(mine.end)(Reason.START_FAILED, "dial unix /var/run/docker.sock")
    assert "docker" not in (await call("GET", f"/sessions/{mine.pk}")).content.decode()


# --- Executions ---


async def test_code_runs_and_its_outputs_come_back(call: Caller, mine: Session) -> None:
    done = await call.want("POST", f"/sessions/{mine.pk}/executions", {"code": "hello", "cell": "c1"})
    assert (done["state"], done["cell"], done["session"]) == ("ok", "c1", str(mine.pk))
    assert done["outputs"] == [{"output_type": "stream", "name": "stdout", "text": "hello\n"}]
    row = await Execution.objects.aget(pk=done["id"])
    assert (row.code, row.outputs, row.status) == ("hello", done["outputs"], "ok")
    assert row.finished_at is not None
    assert await call.want("GET", f"/executions/{done['id']}") == done


async def test_an_error_is_an_output(call: Caller, mine: Session) -> None:
    done = await call.want("POST", f"/sessions/{mine.pk}/executions", {"code": "fail"})
    assert (done["state"], done["outputs"][0]["ename"]) == ("error", "ValueError")


async def test_code_that_takes_longer_than_one_waits_goes_on(call: Caller, mine: Session) -> None:
    response = await call("POST", f"/sessions/{mine.pk}/executions", {"code": "forever", "timeout": 0.05})
    execution = response.json()
    assert (response.status_code, execution["state"]) == (202, "running")
    assert (await call("DELETE", f"/executions/{execution['id']}")).status_code == 202

    async def stopped() -> bool:
        return bool((await call.want("GET", f"/executions/{execution['id']}"))["state"] == "error")

    await eventually(stopped)


async def test_code_may_be_started_and_asked_for_later(call: Caller, mine: Session) -> None:
    response = await call("POST", f"/sessions/{mine.pk}/executions", {"code": "hello", "mode": "async"})
    assert response.status_code == 202
    execution = response.json()["id"]

    async def done() -> Any:
        found = await call.want("GET", f"/executions/{execution}")
        return found if found["state"] == "ok" else None

    assert (await eventually(done))["outputs"][0]["text"] == "hello\n"
    listed = await call.want("GET", f"/sessions/{mine.pk}/executions")
    assert [(e["id"], e["state"]) for e in listed] == [(execution, "ok")]


async def test_sending_an_execution_twice_runs_it_once(call: Caller, mine: Session) -> None:
    body = {"code": "hello", "id": str(uuid4())}
    first = await call.want("POST", f"/sessions/{mine.pk}/executions", body)
    second = await call.want("POST", f"/sessions/{mine.pk}/executions", {**body, "timeout": 0.2})
    assert first["execution_count"] == second["execution_count"] == 1


async def test_input_can_be_given(call: Caller, mine: Session) -> None:
    started = await call.want("POST", f"/sessions/{mine.pk}/executions", {"code": "ask", "mode": "async"})
    path = f"/executions/{started['id']}"

    async def given() -> bool:
        return bool((await call("POST", f"{path}/input", {"value": "Ada"})).status_code == 204)

    await eventually(given)

    async def done() -> Any:
        found = await call.want("GET", path)
        return found if found["state"] == "ok" else None

    assert (await eventually(done))["outputs"][0]["text"] == "you said Ada\n"
    assert (await call("POST", f"{path}/input", {"value": "Ada"})).status_code == 409


async def test_code_that_waits_for_input_in_sync_mode_is_told_that_there_is_none(call: Caller, mine: Session) -> None:
    done = await call.want("POST", f"/sessions/{mine.pk}/executions", {"code": "ask"})
    assert done["outputs"][0]["ename"] == "StdinNotImplementedError"


async def test_a_stream_is_a_line_for_each_entry(call: Caller, mine: Session) -> None:
    response = await call("POST", f"/sessions/{mine.pk}/executions", {"code": "hello", "mode": "stream"})
    assert response["Content-Type"] == "application/x-ndjson"
    lines = [json.loads(line) async for line in response]
    assert [e["content"]["text"] for e in lines if e["header"]["msg_type"] == "stream"] == ["hello\n"]
    assert lines[-1]["content"]["state"] == "ok"
    execution = lines[0]["parent_header"]["msg_id"]

    async def saved() -> bool:
        return (await Execution.objects.aget(pk=execution)).outputs is not None

    await eventually(saved)


async def test_an_event_stream_can_be_taken_up_again(call: Caller, mine: Session) -> None:
    headers = {"Accept": "text/event-stream"}
    body = {"code": "hello", "mode": "stream"}
    response = await call("POST", f"/sessions/{mine.pk}/executions", body, headers=headers)
    events = b"".join([part async for part in response]).decode().split("\n\n")
    entries = [event for event in events if event.startswith("id: ")]
    assert "event: end" in events[-2]
    number, data = entries[1].split("\n")
    execution = json.loads(data.removeprefix("data: "))["parent_header"]["msg_id"]
    headers["Last-Event-ID"] = number.removeprefix("id: ")
    again = await call("GET", f"/executions/{execution}/stream", headers=headers)
    rest = b"".join([part async for part in again]).decode().split("\n\n")
    assert [e for e in rest if e.startswith("id: ")] == entries[2:]


async def test_code_over_its_limit_is_refused(call: Caller, mine: Session, settings: Any) -> None:
    settings.MAX_CODE_BYTES = 1000
    for code in ("x" * 1001, "é" * 501):
        response = await call("POST", f"/sessions/{mine.pk}/executions", {"code": code})
        assert (response.status_code, response.json()["error"]) == (413, "too_large")
    assert (await call("POST", f"/sessions/{mine.pk}/executions", {"code": "é" * 500})).status_code == 200


@pytest.mark.parametrize("part", [{"code": "\ud800"}, {"cell": "\ud800"}, {"cell": "\0"}, {"cell": "x" * 129}])
async def test_text_that_no_database_keeps_is_refused(call: Caller, mine: Session, part: dict[str, str]) -> None:
    body = json.dumps({"code": "hello", **part})
    response = await call("POST", f"/sessions/{mine.pk}/executions", data=body, content_type="application/json")
    assert response.status_code == 400


async def test_a_database_that_is_away_is_told(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("no database")

    monkeypatch.setattr(Session.objects, "filter", away)
    response = await call("GET", "/sessions")
    assert (response.status_code, response.json()["error"]) == (503, "database")


async def test_code_in_a_session_that_ended_says_why(call: Caller, mine: Session) -> None:
    await sync_to_async(mine.end)(Reason.COOLDOWN)
    response = await call("POST", f"/sessions/{mine.pk}/executions", {"code": "hello"})
    assert (response.status_code, response.json()["error"]) == (409, "session_ended")
    assert "idle" in response.json()["message"]


async def test_code_waits_for_a_session_that_is_being_started(call: Caller, pool: Any, agents: Any) -> None:
    opened = await call.want("POST", "/sessions", {"pool": "python", "identifier": "cold"})
    session = await Session.objects.aget(pk=opened["id"])

    async def start() -> Any:
        now = timezone.now()
        leased = {"leased_at": now, "last_used_at": now}
        return await sync_to_async(session.move)(State.STARTING, State.LEASED, **leased)

    running = asyncio.create_task(call.want("POST", f"/sessions/{session.pk}/executions", {"code": "x"}))
    await asyncio.sleep(0)
    await start()
    assert (await running)["state"] == "ok"


async def test_an_agent_that_misbehaves_costs_its_session(call: Caller, mine: Session, agents: Any) -> None:
    agents[mine.pk].fault = AgentMisbehaved("nonsense")
    response = await call("POST", f"/sessions/{mine.pk}/executions", {"code": "hello"})
    assert (response.status_code, response.json()["error"]) == (502, "sandbox_misbehaved")
    await mine.arefresh_from_db()
    assert (mine.state, mine.reason) == ("stopping", "misbehaved")


async def test_an_agent_that_is_silent_is_told_as_such(call: Caller, mine: Session, agents: Any) -> None:
    agents[mine.pk].gone = True
    response = await call("POST", f"/sessions/{mine.pk}/executions", {"code": "hello"})
    assert (response.status_code, response["Retry-After"]) == (503, "2")


async def test_completion_inspection_interrupt_and_restart(call: Caller, mine: Session) -> None:
    question = {"code": "pri", "cursor_pos": 3}
    assert "print" in (await call.want("POST", f"/sessions/{mine.pk}/complete", question))["matches"]
    assert (await call.want("POST", f"/sessions/{mine.pk}/inspect", question))["found"]
    far = await call("POST", f"/sessions/{mine.pk}/complete", {"code": "pri", "cursor_pos": 4})
    assert far.status_code == 400
    asked = await call.want("POST", f"/sessions/{mine.pk}/ask", {"about": "variables"})
    assert [row["name"] for row in asked["variables"]] == ["x"]
    assert (await call.want("POST", f"/sessions/{mine.pk}/ask", {"about": "weather"}))["error"] == "bad"
    for bad in ({}, {"about": "a b"}, {"about": "table", "arguments": [1]}, {"about": "x", "context": "../x"}):
        assert (await call("POST", f"/sessions/{mine.pk}/ask", bad)).status_code == 400
    large = {"about": "table", "arguments": {"search": "x" * 70_000}}
    assert (await call("POST", f"/sessions/{mine.pk}/ask", large)).status_code == 413
    for verb in ("interrupt", "restart"):
        assert (await call("POST", f"/sessions/{mine.pk}/{verb}")).status_code == 204
        assert (await call("POST", f"/sessions/{mine.pk}/{verb}?context=none")).status_code == 404
        assert (await call("POST", f"/sessions/{mine.pk}/{verb}?context=../x")).status_code == 400


# --- Files ---


async def test_files_go_up_and_come_down(call: Caller, mine: Session) -> None:
    base = f"/sessions/{mine.pk}/files"
    body = bytes(range(256)) * 2000
    put = await call("PUT", f"{base}/data/a%20b.bin", data=body, content_type="application/octet-stream")
    assert put.status_code == 204
    listing = await call.want("GET", f"{base}?path=data")
    assert [(e["name"], e["size"]) for e in listing["entries"]] == [("a b.bin", len(body))]
    got = await call("GET", f"{base}/data/a%20b.bin")
    assert b"".join([part async for part in got]) == body
    assert got["Content-Disposition"].startswith("attachment")
    assert got["Content-Length"] == str(len(body))
    assert (await call("POST", f"{base}/folder")).status_code == 201
    assert (await call("DELETE", f"{base}/data")).status_code == 204
    assert (await call("GET", f"{base}/data/a%20b.bin")).status_code == 404


@pytest.mark.parametrize("name", ["page.html", "image.svg", "page.xhtml", "a.js", "a\x1b[2J.html", 'q".html'])
async def test_what_a_sandbox_made_is_no_page_of_ours(call: Caller, mine: Session, agents: Any, name: str) -> None:
    agents[mine.pk].contents[name] = b"<script>alert(1)</script>"
    for headers in ({}, {"Range": "bytes=0-3"}, {"Accept": "text/html"}):
        got = await call("GET", f"/sessions/{mine.pk}/files/{quote(name)}", headers=headers)
        assert got.status_code in (200, 206)
        assert got["Content-Type"] == "application/octet-stream"
        assert got["X-Content-Type-Options"] == "nosniff"
        assert got["Content-Disposition"].startswith("attachment; ")
        assert got["Content-Disposition"].isprintable()
        assert got["Content-Security-Policy"] == "sandbox; default-src 'none'"


@pytest.mark.parametrize(
    ("wanted", "status", "part", "range_"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=0-", 200, b"0123456789", None),
        ("bytes=0-0", 206, b"0", "bytes 0-0/10"),
        ("lines=1-2", 200, b"0123456789", None),
        ("bytes=-99", 200, b"0123456789", None),
    ],
)
async def test_a_part_of_a_file(
    call: Caller, mine: Session, agents: Any, wanted: str, status: int, part: bytes, range_: str | None
) -> None:
    agents[mine.pk].contents["a.txt"] = b"0123456789"
    got = await call("GET", f"/sessions/{mine.pk}/files/a.txt", headers={"Range": wanted})
    assert (got.status_code, b"".join([p async for p in got]), got.get("Content-Range")) == (status, part, range_)
    assert got["Content-Length"] == str(len(part))


async def test_an_empty_file_is_a_file(call: Caller, mine: Session) -> None:
    path = f"/sessions/{mine.pk}/files/empty"
    assert (await call("PUT", path, data=b"", content_type="text/plain")).status_code == 204
    got = await call("GET", path)
    assert (got["Content-Length"], b"".join([p async for p in got])) == ("0", b"")


async def test_a_folder_comes_as_a_zip(call: Caller, mine: Session, agents: Any) -> None:
    agents[mine.pk].contents["data/a.txt"] = b"hi"
    got = await call("GET", f"/sessions/{mine.pk}/archive?path=data")
    assert got["Content-Disposition"] == 'attachment; filename="data.zip"'
    assert b"".join([p async for p in got]).startswith(b"PK")


async def test_an_archive_is_unpacked(call: Caller, mine: Session, agents: Any, settings: Any) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("b/c.txt", b"hi")
    path, options = f"/sessions/{mine.pk}/archive?path=data", {"content_type": "application/zip"}
    assert await call.want("POST", path, data=packed.getvalue(), **options) == {"files": 1}
    assert agents[mine.pk].contents == {"data/b/c.txt": b"hi"}
    refused = await call("POST", path, data=b"no archive", **options)
    assert (refused.status_code, refused.json()["error"]) == (400, "bad_archive")
    settings.MAX_UPLOAD_BYTES = 10
    assert (await call("POST", path, data=packed.getvalue(), **options)).status_code == 413


@pytest.mark.parametrize("path", ["../etc/passwd", "a/../../b", "a%00b", "%2e%2e/x", "x" * 300, "a/" * 3000 + "b"])
async def test_a_path_that_leads_astray_is_refused(call: Caller, mine: Session, path: str) -> None:
    for method in ("GET", "PUT", "DELETE", "POST"):
        response = await call(method, f"/sessions/{mine.pk}/files/{path}", data=b"", content_type="text/plain")
        assert response.status_code in (400, 404), (method, response.status_code)
    assert (await call("GET", f"/sessions/{mine.pk}/archive?path={path}")).status_code == 400


async def test_an_upload_over_its_limit_is_refused(call: Caller, mine: Session, agents: Any, settings: Any) -> None:
    settings.MAX_UPLOAD_BYTES = 1000
    path = f"/sessions/{mine.pk}/files/big"
    assert (await call("PUT", path, data=b"x" * 1001, content_type="text/plain")).status_code == 413
    assert "big" not in agents[mine.pk].contents


# --- Who calls ---


async def test_nobody_is_let_in(pool: Any) -> None:
    response = await AsyncClient().get("/api/v1/sessions")
    assert (response.status_code, response.json()["error"]) == (401, "not_signed_in")
    assert response["WWW-Authenticate"] == "Bearer"


async def test_a_cookie_needs_its_csrf_header(alice: Any, pool: Any) -> None:
    client = AsyncClient(enforce_csrf_checks=True)
    await client.aforce_login(alice)
    body = json.dumps({"pool": "python", "identifier": "a"})
    refused = await client.post("/api/v1/sessions", body, content_type="application/json")
    assert (refused.status_code, refused.json()["error"]) == (403, "csrf_failed")
    client.cookies["csrftoken"] = "a" * 32
    headers = {"X-CSRFToken": "a" * 32}
    taken = await client.post("/api/v1/sessions", body, content_type="application/json", headers=headers)
    assert taken.status_code == 202
    assert (await client.get("/api/v1/sessions")).status_code == 200


async def test_a_token_needs_no_csrf_header(alice: Any, token: Any, pool: Any) -> None:
    client = AsyncClient(enforce_csrf_checks=True)
    await client.aforce_login(alice)
    body = json.dumps({"pool": "python", "identifier": "a"})
    options = {"content_type": "application/json", "headers": bearer(await sync_to_async(token)(alice))}
    assert (await client.post("/api/v1/sessions", body, **options)).status_code == 202


async def test_a_session_token_opens_that_session_only(call: Caller, mine: Session) -> None:
    issued = await call.want("POST", f"/sessions/{mine.pk}/tokens", {"lifetime": 60})
    limited = Caller(issued["token"])
    assert (await limited("GET", f"/sessions/{mine.pk}")).status_code == 200
    assert (await limited.want("POST", f"/sessions/{mine.pk}/executions", {"code": "hello"}))["state"] == "ok"
    assert (await limited("POST", "/sessions", {"pool": "python", "identifier": "b"})).status_code == 403
    assert (await limited("GET", "/sessions")).status_code == 403
    assert (await limited("POST", f"/sessions/{mine.pk}/tokens", {})).status_code == 403
    await ApiToken.objects.filter(session=mine.pk).aupdate(expires_at=timezone.now() - timedelta(seconds=1))
    assert (await limited("GET", f"/sessions/{mine.pk}")).status_code == 401


@pytest.mark.parametrize("lifetime", [0, 59, 86401, -1])
async def test_a_session_token_lives_a_minute_to_a_day(call: Caller, mine: Session, lifetime: int) -> None:
    assert (await call("POST", f"/sessions/{mine.pk}/tokens", {"lifetime": lifetime})).status_code == 400


async def test_the_interactive_page_takes_everything_from_us(client: Any) -> None:
    page = (await AsyncClient().get("/api/v1/docs")).content.decode()
    assert "swagger-ui" in page
    assert "//" not in page.replace("http://testserver", "")
    schema = (await AsyncClient().get("/api/v1/openapi.json")).json()
    assert "/api/v1/sessions/{session}/executions" in schema["paths"]


# --- Beside the kernel ---


async def test_servers_and_terminals_in_the_sandbox_are_listed(call: Caller, mine: Session, agents: Any) -> None:
    assert await call.want("GET", f"/sessions/{mine.pk}/ports") == []
    agents[mine.pk].servers[8501] = None
    assert await call.want("GET", f"/sessions/{mine.pk}/ports") == [{"port": 8501}]
    async with agents[mine.pk].terminal("work", 24, 80):
        assert await call.want("GET", f"/sessions/{mine.pk}/terminals") == [{"name": "work"}]
        assert (await call("DELETE", f"/sessions/{mine.pk}/terminals/work")).status_code == 204
    assert await call.want("GET", f"/sessions/{mine.pk}/terminals") == []
    assert (await call("DELETE", f"/sessions/{mine.pk}/terminals/work")).status_code == 404
    assert (await call("DELETE", f"/sessions/{mine.pk}/terminals/a%20b")).status_code == 400


async def test_what_a_sandbox_says_of_ports_and_terminals_is_checked() -> None:
    assert wire.ports(b'[{"port": 80, "more": "x"}]') == [80]
    assert len(wire.ports(json.dumps([{"port": 80}] * 1000).encode())) == wire.MOST_LISTED
    for wrong in (b'[{"port": 0}]', b'[{"port": 70000}]', b'[{"port": "80"}]', b'{"port": 80}', b"[80]"):
        with pytest.raises(AgentMisbehaved):
            wire.ports(wrong)
    assert wire.terminals(b'[{"name": "a.b-1", "rows": 24}]') == ["a.b-1"]
    for wrong in (b'[{"name": "../x"}]', b'[{"name": ""}]', b'[{"rows": 24}]'):
        with pytest.raises(AgentMisbehaved):
            wire.terminals(wrong)
