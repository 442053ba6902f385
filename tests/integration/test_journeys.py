"""What an integration does with a token, from opening a session to its end, over REST and WebSocket."""

import asyncio
import base64
import json
import subprocess
import time
import uuid
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.client import FINAL, Client, belongs
from tests.integration.conftest import Connect
from tests.stack import Stack

pytestmark = [pytest.mark.docker, pytest.mark.redis, pytest.mark.timeout(600, func_only=True)]
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module", autouse=True)
def all_is_well_afterwards(stack: Stack) -> Iterator[None]:
    yield
    stack.check()


async def test_an_identifier_has_one_session_and_another_one_has_another(client: Client) -> None:
    first, second = uuid.uuid4().hex, uuid.uuid4().hex
    opened = await client.try_open("python", first)
    assert opened.status in (201, 202)
    session = await client.open("python", first)
    again = await client.try_open("python", first)
    other = await client.open("python", second)
    assert (again.status, again.body["id"]) == (200, opened.body["id"])
    assert session == opened.body["id"]
    assert other != session
    await asyncio.gather(client.close(session), client.close(other))


async def test_a_hundred_opens_of_one_identifier_at_once_are_one_session(client: Client) -> None:
    identifier = uuid.uuid4().hex
    answers = await asyncio.gather(*(client.try_open("python", identifier) for _ in range(100)))
    assert {answer.status for answer in answers} <= {200, 201, 202}
    assert len({answer.body["id"] for answer in answers}) == 1
    await client.close(answers[0].body["id"])


async def test_pools_say_how_many_are_ready(client: Client) -> None:
    pools = {pool["name"]: pool for pool in await client.want("GET", "/pools")}
    assert {"ready", "leased", "max"} <= pools["python"].keys() or pools["python"]["ready"] >= 0


async def test_a_cell_returns_what_it_printed_and_its_value(client: Client, shared: str) -> None:
    execution = await client.run(shared, "print('hello')\n6 * 7")
    later = await client.want("GET", f"/executions/{execution['id']}")
    assert execution["state"] == "ok"
    assert [output["output_type"] for output in execution["outputs"]] == ["stream", "execute_result"]
    assert "".join(execution["outputs"][0]["text"]) == "hello\n"
    assert execution["outputs"][1]["data"]["text/plain"] == "42"
    assert later["outputs"] == execution["outputs"]


async def test_an_exception_is_an_error_with_its_traceback(client: Client, shared: str) -> None:
    execution = await client.run(shared, "def broken():\n    raise ValueError('no such thing')\nbroken()")
    assert execution["state"] == "error"
    [output] = execution["outputs"]
    assert (output["output_type"], output["ename"], output["evalue"]) == ("error", "ValueError", "no such thing")
    assert any("broken" in line for line in output["traceback"])


async def test_variables_stay_from_cell_to_cell(client: Client, shared: str) -> None:
    await client.run(shared, "x = 20")
    execution = await client.run(shared, "x + 1")
    assert execution["outputs"][0]["data"]["text/plain"] == "21"


async def test_output_is_streamed_line_by_line_while_the_cell_runs(client: Client, shared: str) -> None:
    async with client.tab(shared) as tab:
        execution = await tab.start(
            "import time\nfor i in range(4):\n    print('line', i)\n    time.sleep(0.3)\ninput('go on? ')"
        )
        for i in range(4):
            await tab.printed(execution, f"line {i}\n")
        assert len(tab.of(execution, "stream")) >= 4
        # It waits for us here, so all of that came before its end.
        assert not [state for state in tab.of(execution, "execution_state") if state["state"] in FINAL]
        await tab.first(lambda message: belongs(message, execution, "input_request"), "question")
        await tab.send(type="input", value="yes")
        ended = await tab.end(execution)
    assert ended["state"] == "ok"


async def test_what_a_closed_tab_had_started_is_kept_whole_and_outlives_its_sandbox(client: Client) -> None:
    session = await client.open("python", uuid.uuid4().hex)
    async with client.tab(session) as tab:
        started = [await tab.start("import time; time.sleep(1)")]
        # More than an agent's log holds.
        started += [await tab.start(f"print('{letter}' * 1_000_000)") for letter in "abcdefghijklmnopqrstuvwxyz"]
    for _ in range(300):
        listed = {row["id"]: row for row in await client.want("GET", f"/sessions/{session}/executions")}
        if all(listed[execution]["state"] in FINAL for execution in started):
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)  # for what is saved a moment after its end
    subprocess.run(["docker", "rm", "-f", f"thermae-{session}"], check=True, capture_output=True)
    kept = [await client.want("GET", f"/executions/{execution}") for execution in started[1:]]
    assert [(row["state"], len(row["outputs"][0]["text"])) for row in kept] == [("ok", 1_000_001)] * 26


@pytest.mark.parametrize("accept", ["application/x-ndjson", "text/event-stream"])
async def test_rest_streams_a_cell_as_entries(client: Client, shared: str, accept: str) -> None:
    body = {"code": "for i in range(3): print('line', i)", "mode": "stream"}
    path = f"/api/v1/sessions/{shared}/executions"
    async with client.http.post(path, json=body, headers={"Accept": accept}) as response:
        assert response.status == 200
        assert response.content_type == accept
        lines = [line.decode().strip() async for line in response.content]
    if accept == "text/event-stream":
        lines = [line.removeprefix("data:") for line in lines if line.startswith("data:")]
    entries = [json.loads(line) for line in lines if line]
    streams = [e["content"]["text"] for e in entries if e.get("header", {}).get("msg_type") == "stream"]
    states = [e["content"]["state"] for e in entries if e.get("header", {}).get("msg_type") == "execution_state"]
    assert "".join(streams) == "line 0\nline 1\nline 2\n"
    assert states[-1] == "ok"


async def test_a_plot_is_a_png(client: Client, shared: str) -> None:
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\nplt.show()"
    async with client.tab(shared) as tab:
        execution = await tab.start(code)
        assert (await tab.end(execution))["state"] == "ok"
        [shown] = tab.of(execution, "display_data")
    assert base64.b64decode(shown["data"]["image/png"]).startswith(PNG)


async def test_input_is_asked_and_answered_over_rest(client: Client, shared: str) -> None:
    body = {"code": "print('you are', input('name? '))", "mode": "async"}
    started = await client.call("POST", f"/sessions/{shared}/executions", body)
    assert started.status == 202
    execution = started.body["id"]
    async with asyncio.timeout(30):
        while (await client.call("POST", f"/executions/{execution}/input", {"value": "Ada"})).status == 409:
            await asyncio.sleep(0.05)
        while (answer := await client.want("GET", f"/executions/{execution}"))["state"] not in FINAL:
            await asyncio.sleep(0.05)
    assert answer["state"] == "ok"
    assert "you are Ada" in "".join(output.get("text", "") for output in answer["outputs"])


async def test_an_asynchronous_cell_is_polled_to_its_end(client: Client, shared: str) -> None:
    body = {"code": "import time; time.sleep(0.5); print('done')", "mode": "async"}
    started = await client.call("POST", f"/sessions/{shared}/executions", body)
    assert started.status == 202
    statuses = [started.body["state"]]
    async with asyncio.timeout(30):
        while statuses[-1] not in FINAL:
            execution = await client.want("GET", f"/executions/{started.body['id']}")
            statuses.append(execution["state"])
            await asyncio.sleep(0.05)
    assert statuses[-1] == "ok"
    assert set(statuses[:-1]) <= {"queued", "running"}
    assert execution["outputs"][0]["text"] == "done\n"


async def test_a_synchronous_cell_that_takes_longer_goes_on_without_its_caller(client: Client, shared: str) -> None:
    async with client.tab(shared) as tab:
        answer = await client.call(
            "POST",
            f"/sessions/{shared}/executions",
            {"code": "import time; time.sleep(2); print('done')", "timeout": 0.5},
        )
        assert answer.status == 202
        assert answer.body["state"] in ("queued", "running")
        assert (await tab.end(answer.body["id"]))["state"] == "ok"
        assert tab.text(answer.body["id"]) == "done\n"


async def test_an_interrupt_ends_a_loop_and_keeps_the_kernel(client: Client, shared: str) -> None:
    async with client.tab(shared) as tab:
        await tab.run("kept = 1")
        execution = await tab.start("print('in', flush=True)\nwhile True: pass")
        await tab.printed(execution, "in\n")
        began = time.monotonic()
        await tab.send(type="interrupt")
        ended = await tab.end(execution)
        took = time.monotonic() - began
        after = await client.run(shared, "kept")
    assert (ended["state"], ended["error"]["ename"]) == ("error", "KeyboardInterrupt")
    assert took < 2
    assert after["outputs"][0]["data"]["text/plain"] == "1"


async def test_a_restart_forgets_variables(client: Client, shared: str) -> None:
    await client.run(shared, "x = 1")
    await client.want("POST", f"/sessions/{shared}/restart")
    execution = await client.run(shared, "x")
    assert (execution["state"], execution["outputs"][0]["ename"]) == ("error", "NameError")


async def test_two_tabs_see_the_same_log_and_a_late_one_all_of_it(client: Client, shared: str) -> None:
    async with client.tab(shared) as one, client.tab(shared) as two:
        execution = await one.start("for i in range(20): print(i, flush=True)")
        await asyncio.gather(one.end(execution), two.end(execution))
        async with client.tab(shared) as late:
            await late.end(execution)
            assert one.text(execution) == two.text(execution) == late.text(execution)
            entries = {m["seq"]: m for m in late.messages if "seq" in m}
            assert all(entries[m["seq"]] == m for m in one.messages if "seq" in m and m["seq"] in entries)


async def test_a_tab_that_comes_back_gets_only_what_it_missed(client: Client, shared: str) -> None:
    async with client.tab(shared) as tab:
        await tab.run("print('first')")
        seen = tab.seq
    missed = await client.run(shared, "print('second')")
    async with client.tab(shared, after=seen) as tab:
        await tab.end(missed["id"])
        assert min(m["seq"] for m in tab.messages if "seq" in m) == seen + 1
        assert tab.text(missed["id"]) == "second\n"


async def test_completion_and_inspection_answer(client: Client, shared: str) -> None:
    async with client.tab(shared) as tab:
        await tab.run("greeting = 'hello'")
        await tab.send(type="complete", id="c", code="greeting.up", cursor_pos=11)
        await tab.send(type="inspect", id="i", code="greeting", cursor_pos=8)
        completed, inspected = await tab.told("reply", id="c"), await tab.told("reply", id="i")
    assert any(match.endswith("upper") for match in completed["content"]["matches"])
    assert "hello" in inspected["content"]["data"]["text/plain"]


async def test_a_terminal_echoes_shares_files_and_is_there_after_a_reload(client: Client, shared: str) -> None:
    async with client.terminal(shared) as terminal:
        await terminal.type("echo from-$((40 + 2)) | tee made.txt\n")
        await terminal.shows("from-42")
    execution = await client.run(shared, "print(open('made.txt').read())")
    async with client.terminal(shared) as again:
        await again.shows("from-42")
        await again.type("exit\n")
    assert "from-42" in execution["outputs"][0]["text"]


async def test_files_go_in_and_come_out_as_they_were(client: Client, shared: str) -> None:
    content = bytes(range(256)) * 4096
    files, name = f"/sessions/{shared}/files", "data/in ä%20.bin"
    await client.want("PUT", f"{files}/{quote(name)}", data=content)
    execution = await client.run(shared, f"data = open({name!r}, 'rb').read(); open('out.bin', 'wb').write(data[::-1])")
    assert execution["state"] == "ok"
    listing = await client.want("GET", f"{files}?path=data")
    whole = await client.call("GET", f"{files}/out.bin")
    part = await client.call("GET", f"{files}/out.bin", headers={"Range": "bytes=10-19"})
    archive = await client.call("GET", f"/sessions/{shared}/archive?path=data")
    deleted = await client.call("DELETE", f"{files}/data")
    gone = await client.call("GET", f"{files}/{quote(name)}")
    assert [(entry["path"], entry["size"]) for entry in listing["entries"]] == [(name, len(content))]
    assert whole.body == content[::-1]
    assert (part.status, part.body) == (206, content[::-1][10:20])
    assert archive.body.startswith(b"PK")
    assert deleted.status < 300
    assert gone.status == 404


async def test_a_token_for_one_session_opens_that_one_only(client: Client, connect: Connect, shared: str) -> None:
    async with client.session() as other:
        limited = await client.want("POST", f"/sessions/{shared}/tokens", {"lifetime": 60})
        async with connect("limited", limited["token"]) as guest:
            assert (await guest.run(shared, "1 + 1"))["state"] == "ok"
            async with guest.tab(shared) as tab:
                assert (await tab.run("print('in')"))[1] == "in\n"
            refusals = [
                await guest.call("GET", f"/sessions/{other}"),
                await guest.call("POST", f"/sessions/{other}/executions", {"code": "1"}),
                await guest.call("POST", "/sessions", {"pool": "python", "identifier": "mine"}),
                await guest.call("POST", f"/sessions/{shared}/tokens", {"lifetime": 60}),
            ]
    assert {refusal.status for refusal in refusals} <= {403, 404}


async def test_above_the_maximum_it_is_429_with_a_time_to_come_back(client: Client, stack: Stack) -> None:
    with stack.pool("small", ready_instances=1, max_concurrent=1) as pool:
        session = await client.open(pool)
        refused = await client.try_open(pool)
        assert refused.status == 429
        assert int(refused.headers["Retry-After"]) > 0
        assert {"error", "message"} <= refused.body.keys()
        await client.close(session)
        await client.close(await client.open(pool))


async def test_a_cold_start_shows_its_phases_on_the_way(client: Client, stack: Stack) -> None:
    with stack.pool("cold", ready_instances=0, max_concurrent=2) as pool:
        opened = await client.try_open(pool)
        assert opened.status == 202
        assert opened.body["state"] == "starting"
        assert opened.body["phase"] in ("queued", "creating", "starting kernel")
        async with client.tab(opened.body["id"]) as tab:
            await tab.told("state", state="leased")
            phases = [m["phase"] for m in tab.messages if m.get("type") == "state"]
            assert (await tab.run("print(1)"))[1] == "1\n"
        await client.close(opened.body["id"])
    assert phases[-1] == ""
    assert {"creating", "starting kernel"} & set(phases[:-1])


async def test_idle_for_its_cooldown_a_session_ends_says_why_and_the_next_is_fresh(
    client: Client, stack: Stack
) -> None:
    with stack.pool("brief", cooldown=10, ready_instances=2) as pool:
        idle, kept = await asyncio.gather(client.open(pool, "idle"), client.open(pool, "kept"))
        async with client.tab(idle) as tab:
            await tab.run("x = 1")
            began = time.monotonic()
            keeping = asyncio.create_task(keep_alive(client, kept))
            gone = await tab.told("state", state="gone")
            took = time.monotonic() - began
            code = await tab.closed()
        keeping.cancel()
        alive = await client.want("GET", f"/sessions/{kept}")
        ended = await client.want("GET", f"/sessions/{idle}")
        fresh = await client.open(pool, "idle")
        execution = await client.run(fresh, "x")
        await asyncio.gather(client.close(fresh), client.close(kept))
    assert (gone["reason"], code) == ("cooldown", 4409)
    assert gone["message"]
    assert 9 < took < 16
    assert (ended["state"], ended["reason"]) == ("gone", "cooldown")
    assert alive["state"] == "leased"
    assert fresh != idle
    assert execution["outputs"][0]["ename"] == "NameError"


async def keep_alive(client: Client, session: str) -> None:
    while True:
        await client.want("POST", f"/sessions/{session}/keep-alive")
        await asyncio.sleep(1)


async def test_a_running_cell_is_not_idle(client: Client, stack: Stack) -> None:
    with stack.pool("busy", cooldown=10) as pool:
        session = await client.open(pool)
        async with client.tab(session) as tab:
            ended, text = await tab.run("import time; time.sleep(14); print('still here')")
        await client.close(session)
    assert (ended["state"], text) == ("ok", "still here\n")


async def test_outputs_outlive_their_session(client: Client) -> None:
    async with client.session() as session:
        done = await client.run(session, "print('kept')")
        running = await client.want(
            "POST",
            f"/sessions/{session}/executions",
            {"code": "print('half', flush=True)\nwhile True: pass", "mode": "async"},
        )
        async with client.tab(session) as tab:
            await tab.printed(running["id"], "half\n")
    kept, lost = await client.settled(done["id"]), await client.settled(running["id"])
    assert (kept["state"], kept["outputs"]) == ("ok", done["outputs"])
    assert (lost["state"], lost["outputs"][0]["text"]) == ("lost", "half\n")
    assert lost["reason"]
