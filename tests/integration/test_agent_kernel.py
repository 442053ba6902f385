"""The agent with Python's kernel: running, asking, interrupting, restarting, and bad input."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.agent_process import AgentProcess, Channel, Talk, ends, kind, said, talk, text

LOOP = "import time\nwhile True: time.sleep(0.01)"


@pytest.fixture(scope="module")
def agent() -> Iterator[AgentProcess]:
    pytest.importorskip("ipykernel")
    process = AgentProcess(environment={"COLOUR": "blue"}).wait()
    yield process
    process.stop()


@pytest.fixture
async def kernel(agent: AgentProcess) -> AsyncIterator[Talk]:
    async with talk(agent) as one:
        yield one
        await one.until(lambda: idle(one))


async def idle(one: Talk) -> bool:
    """Whatever a test has left running is stopped: the ladder does the rest."""
    health = await one.ask("GET", "/health")
    if health["busy"]:
        await one.ask("POST", "/contexts/default/interrupt", {}, 202)
        await asyncio.sleep(0.2)
    return not health["busy"]


async def test_an_execution_tells_its_whole_story_in_order(kernel: Talk) -> None:
    async with kernel.channel() as channel:
        await channel.op("execute", id="story", code="print('hi'); 1 + 1", cell="c7")
        entries = await channel.to_end("story")
    mine = [entry for entry in entries if entry["parent_header"].get("msg_id") == "story"]
    assert [kind(entry) for entry in mine if entry["channel"] != "shell"] == [
        "execution_state", "status", "execute_input", "stream", "execute_result", "status", "execution_state",
    ]  # fmt: skip
    first, last = mine[0]["content"], mine[-1]["content"]
    assert (first["state"], last["state"], last["cell"], last["error"]) == ("running", "ok", "c7", None)
    assert first["queued_at"] <= first["started_at"] <= last["finished_at"]
    assert last["execution_count"] >= 1
    assert "".join(map(said, mine)) == "hi\n2"


async def test_what_is_printed_first_is_heard_before_the_cell_ends(kernel: Talk) -> None:
    async with kernel.channel() as channel:
        await channel.op("execute", id="line", code="print('now', flush=True)\n" + LOOP)
        await channel.take(lambda entry: said(entry) == "now\n")
        await channel.op("interrupt")
        assert (await channel.to_end("line"))[-1]["content"]["error"]["ename"] == "KeyboardInterrupt"


async def test_the_same_id_runs_once(kernel: Talk) -> None:
    first = await kernel.run("import random; random.random()")
    body = {"id": first["id"], "code": "never"}
    assert await kernel.ask("POST", "/contexts/default/executions", body, 202) == first
    async with kernel.channel() as channel:
        for _ in range(3):
            await channel.op("execute", id="twice", code="print('once')")
        await channel.op("execute", id="behind", code="")
        assert text(await channel.to_end("behind")) == "once\n"


async def test_executions_wait_in_line_and_can_be_taken_from_it(kernel: Talk) -> None:
    running = await kernel.start(LOOP)
    second, third = await kernel.start("2"), await kernel.start("3", stop_on_error=False)
    assert [(await kernel.record(one))["position"] for one in (running, second, third)] == [0, 1, 2]
    assert (await kernel.ask("DELETE", f"/executions/{second}"))["state"] == "cancelled"
    assert (await kernel.record(third))["position"] == 1
    await kernel.ask("DELETE", f"/executions/{running}")
    assert (await kernel.in_state(running, "error"))["error"]["ename"] == "KeyboardInterrupt"
    assert (await kernel.record(third))["reason"] == "error_before"


async def test_an_error_stops_what_waits_unless_told_otherwise(kernel: Talk) -> None:
    fails = "import time; time.sleep(0.3); 1/0"
    failed, behind = await kernel.start(fails), await kernel.start("1")
    assert (await kernel.in_state(behind, "aborted"))["reason"] == "error_before"
    assert (await kernel.record(failed))["error"] == {"ename": "ZeroDivisionError", "evalue": "division by zero"}
    _, behind = await kernel.start(fails, stop_on_error=False), await kernel.start("1")
    assert (await kernel.in_state(behind, "ok", "aborted"))["state"] == "ok"


async def test_a_timeout_interrupts_and_says_so(kernel: Talk) -> None:
    record = await kernel.run(LOOP, timeout=0.3)
    assert (record["state"], record["reason"]) == ("error", "timeout")


async def test_input_is_seen_by_two_followers_and_answered_once(kernel: Talk) -> None:
    async with kernel.channel() as first, kernel.channel() as second:
        await first.op("execute", id="ask", code="name = input('who? '); print('hello', name)")
        for channel in (first, second):
            asked = (await channel.take(lambda entry: kind(entry) == "input_request"))[-1]
            assert (asked["channel"], asked["content"]["prompt"]) == ("stdin", "who? ")
        assert (await kernel.ask("GET", "/contexts"))[0]["waiting_for_input"]
        await second.op("input", value="Ada")
        for channel in (first, second):
            answered = (await channel.take(lambda entry: kind(entry) == "input_reply"))[-1]
            assert answered["content"] == {"value": "Ada"}
            assert "hello Ada" in text(await channel.to_end("ask"))
        await first.op("input", value="late")
        assert (await first.take(lambda entry: "error" in entry))[-1]["error"] == "no_input"


async def test_a_password_is_not_written_down(kernel: Talk) -> None:
    async with kernel.channel() as channel:
        await channel.op("execute", id="pass", code="import getpass; len(getpass.getpass())")
        await channel.take(lambda entry: kind(entry) == "input_request")
        await kernel.ask("POST", "/contexts/default/input", {"value": "hunter2"}, 204)
        entries = await channel.to_end("pass")
    assert "hunter2" not in json.dumps(entries)
    assert "7" in "".join(map(said, entries))


async def test_an_interrupt_while_it_waits_for_input(kernel: Talk) -> None:
    name = await kernel.start("input()")
    await kernel.until(lambda: waits(kernel))
    await kernel.ask("POST", "/contexts/default/interrupt", {}, 202)
    assert (await kernel.in_state(name, "error"))["error"]["ename"] == "KeyboardInterrupt"
    assert not await waits(kernel)


async def waits(one: Talk) -> bool:
    return bool((await one.ask("GET", "/contexts"))[0]["waiting_for_input"])


async def test_completion_and_inspection_also_while_a_cell_runs(kernel: Talk) -> None:
    await kernel.run("a_long_name = 1")
    question = {"code": "a_lo", "cursor_pos": 4}
    assert "a_long_name" in (await kernel.ask("POST", "/contexts/default/complete", question))["matches"]
    running = await kernel.start(LOOP)
    await kernel.in_state(running, "running")
    reply = await kernel.ask("POST", "/contexts/default/complete", question)
    assert "a_long_name" in reply["matches"]
    body = {"code": "len", "cursor_pos": 3, "detail_level": 0}
    assert (await kernel.ask("POST", "/contexts/default/inspect", body))["found"]
    body = {"code": "for x in y:"}
    assert (await kernel.ask("POST", "/contexts/default/is_complete", body))["status"] == "incomplete"
    assert (await kernel.record(running))["state"] == "running"


async def test_questions_leave_no_trace_in_the_log(kernel: Talk) -> None:
    await kernel.run("1")
    before = await kernel.seq()
    await kernel.ask("POST", "/contexts/default/complete", {"code": "pri", "cursor_pos": 3})
    await kernel.run("1")
    log = (await kernel.ask("GET", "/log", params={"after": str(before)})).decode()
    assert "complete" not in log


async def test_a_restart_is_a_new_kernel_in_place(kernel: Talk) -> None:
    await kernel.run("x = 1")
    running, waiting = await kernel.start(LOOP), await kernel.start("1")
    async with kernel.channel() as channel:
        restarted = await kernel.ask("POST", "/contexts/default/restart", {})
        states = [entry["content"]["state"] for entry in await channel.take(lambda e: is_kernel(e, "idle"))
                  if kind(entry) == "kernel_state"]  # fmt: skip
    assert states == ["restarting", "idle"]
    assert restarted["state"] == "idle"
    for name in (running, waiting):
        record = await kernel.record(name)
        assert (record["state"], record["reason"]) == ("aborted", "restarted")
    assert "NameError" in await kernel.output("x")


def is_kernel(entry: dict[str, Any], state: str) -> bool:
    return kind(entry) == "kernel_state" and entry["content"]["state"] == state


async def test_an_interrupt_is_not_behind_a_restart(kernel: Talk) -> None:
    async with kernel.channel() as channel:
        await channel.op("restart")
        await channel.op("interrupt")
        await channel.op("execute", id="after", code="'fresh'")
        assert "fresh" in "".join(map(said, await channel.to_end("after")))


async def test_contexts_are_apart_and_bounded(kernel: Talk) -> None:
    made = await kernel.ask("POST", "/contexts", {"id": "second", "cwd": ""}, 201)
    assert (made["id"], made["state"], made["kernel"]) == ("second", "idle", "python3")
    await kernel.run("x = 'mine'", "second")
    assert "NameError" in await kernel.output("x")
    assert "mine" in await kernel.output("x", "second")
    assert (await kernel.ask("POST", "/contexts", {"id": "second"}, 409))["error"] == "exists"
    running = await kernel.start(LOOP, "second")
    await kernel.ask("DELETE", "/contexts/second", status=204)
    assert (await kernel.record(running))["state"] == "aborted"
    await kernel.ask("POST", "/contexts/second/executions", {"id": "x", "code": ""}, 404)
    await kernel.ask("DELETE", "/contexts/second", status=404)


async def test_a_context_may_start_in_a_folder_of_its_own(kernel: Talk, agent: AgentProcess) -> None:
    (agent.work / "sub").mkdir()
    await kernel.ask("POST", "/contexts", {"id": "sub", "cwd": "sub"}, 201)
    assert str(agent.work / "sub") in await kernel.output("import os; os.getcwd()", "sub")
    await kernel.ask("DELETE", "/contexts/sub", status=204)
    climbed = await kernel.ask("POST", "/contexts", {"id": "out", "cwd": "../.."}, 201)
    assert climbed["state"] == "dead"
    await kernel.ask("DELETE", "/contexts/out", status=204)


async def test_the_environment_is_what_was_given_and_none_of_ours(kernel: Talk) -> None:
    found = await kernel.output("import os; print(os.environ['COLOUR'], sorted(k for k in os.environ if 'THERMAE' in k"
                                " or k in ('PYTHONPATH', 'PYTHONSAFEPATH')))")  # fmt: skip
    assert found == "blue []\n"


async def send_comm(channel: Channel, number: int, msg_type: str, content: dict[str, Any]) -> None:
    header = {"msg_id": f"w{number}", "msg_type": msg_type, "session": "s", "username": "u", "version": "5.3"}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
    await channel.op("message", channel="shell", msg=message)


async def test_what_a_widget_has_begun_is_busy_and_can_be_interrupted(kernel: Talk) -> None:
    code = f"""
def work(comm, message):
    @comm.on_msg
    def begin(_):
        {LOOP.replace(chr(10), chr(10) + " " * 8)}
get_ipython().kernel.comm_manager.register_target('work', work)
"""
    await kernel.run(code)
    async with kernel.channel() as channel:
        await send_comm(channel, 0, "comm_open", {"comm_id": "k", "target_name": "work", "data": {}})
        await send_comm(channel, 1, "comm_msg", {"comm_id": "k", "data": 1})
        await channel.take(lambda e: kind(e) == "kernel_state" and e["content"]["state"] == "busy")
        assert (await kernel.ask("GET", "/health"))["busy"]
        await channel.op("interrupt")
        await channel.take(lambda e: kind(e) == "kernel_state" and e["content"]["state"] == "idle")
    assert not (await kernel.ask("GET", "/health"))["busy"]
    assert await kernel.run("1 + 1")


async def test_widgets_talk_both_ways(kernel: Talk) -> None:
    code = """
from ipykernel.comm import Comm
def echo(comm, message): comm.on_msg(lambda m: comm.send({'echo': m['content']['data']}, buffers=[b'\\x00\\x01']))
get_ipython().kernel.comm_manager.register_target('echo', echo)
"""
    await kernel.run(code)
    async with kernel.channel() as channel:
        await send_comm(channel, 0, "comm_open", {"comm_id": "c", "target_name": "echo", "data": {}})
        await send_comm(channel, 1, "comm_msg", {"comm_id": "c", "data": 7})
        echo = (await channel.take(lambda entry: kind(entry) == "comm_msg"))[-1]
    assert echo["content"]["data"] == {"echo": 7}
    assert echo["buffers"] == ["AAE="]
    assert echo["parent_header"]["msg_id"] == "w1"


async def test_a_clients_own_execute_request_waits_in_the_same_line(kernel: Talk) -> None:
    running = await kernel.start(LOOP)
    async with kernel.channel() as channel:
        header = {"msg_id": "raw1", "msg_type": "execute_request", "session": "s", "username": "u", "version": "5.3"}
        content = {"code": "1 + 41", "silent": False, "stop_on_error": True, "user_expressions": {"e": "2 * 3"}}
        await channel.op("message", channel="shell", msg={"header": header, "content": content})
        queued = (await channel.take(lambda e: e["parent_header"].get("msg_id") == "raw1"))[-1]
        assert (queued["content"]["state"], queued["content"]["position"]) == ("queued", 1)
        await kernel.ask("DELETE", f"/executions/{running}")
        await channel.to_end("raw1")
        header["msg_id"] = "raw2"
        await channel.op("message", channel="shell", msg={"header": header, "content": content})
        entries = await channel.to_end("raw2")
    reply = next(entry for entry in entries if kind(entry) == "execute_reply")
    assert "42" in "".join(map(said, entries))
    assert reply["content"]["user_expressions"]["e"]["data"]["text/plain"] == "6"


async def test_the_log_is_replayed_from_anywhere(kernel: Talk) -> None:
    before = await kernel.seq()
    await kernel.run("for i in range(20): print(i, flush=True)")
    whole = (await kernel.ask("GET", "/log", params={"after": str(before)})).splitlines()
    for skip in range(0, len(whole), 3):
        assert (await kernel.ask("GET", "/log", params={"after": str(before + skip)})).splitlines() == whole[skip:]
    lines: list[bytes] = []
    async with kernel.http.get("/log", params={"after": str(before), "follow": "1"}) as response:
        async for line in response.content:
            lines.append(line.rstrip(b"\n"))
            if len(lines) == len(whole):
                break
    assert lines == whole


async def test_odd_letters_and_nan_pass(kernel: Talk) -> None:
    odd = "a\u2028b\x00c\x1b[31m😀 é\r\n"
    assert await kernel.output(f"print({odd!r}, end='')") == odd
    await kernel.run("from IPython.display import publish_display_data as p; p({'application/json': float('nan')})")
    assert await kernel.output("print('still here')") == "still here\n"


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"id": "a"}, "code"),
        ({"code": "1"}, "id"),
        ({"id": "", "code": ""}, "id"),
        ({"id": "x" * 129, "code": ""}, "id"),
        ({"id": "a\n", "code": ""}, "id"),
        ({"id": 1, "code": ""}, "id"),
        ({"id": "a", "code": ["1"]}, "code"),
        ({"id": "a", "code": "x" * (1 << 20) + "y"}, "1 MiB"),
        ({"id": "a", "code": "", "timeout": -1}, "timeout"),
        ({"id": "a", "code": "", "timeout": True}, "timeout"),
        ({"id": "a", "code": "", "silent": "yes"}, "silent"),
        ({"id": "a", "code": "", "cell": 7}, "cell"),
    ],
)
async def test_bad_executions_are_refused_in_words(kernel: Talk, body: dict[str, Any], word: str) -> None:
    answer = await kernel.ask("POST", "/contexts/default/executions", body, 400)
    assert word in answer["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/executions/none", 404),
        ("GET", "/executions/none/outputs", 404),
        ("DELETE", "/executions/none", 404),
        ("POST", "/contexts/none/executions", 404),
        ("POST", "/contexts/none/restart", 404),
        ("POST", "/contexts/default/explode", 404),
        ("DELETE", "/contexts/none", 404),
        ("DELETE", "/terminals/none", 404),
        ("GET", "/log?after=-1", 400),
        ("GET", "/channels?after=x", 400),
        ("GET", "/terminals/t", 400),
        ("PATCH", "/health", 404),
    ],
)
async def test_what_is_not_there_is_said(kernel: Talk, method: str, path: str, status: int) -> None:
    body = {} if method == "POST" else None
    answer = await kernel.ask(method, path, body, status)
    assert answer["error"]
    assert answer["message"]


@pytest.mark.parametrize(
    "body",
    [{"code": 1}, {"code": "x", "cursor_pos": -1}, {"code": "x", "cursor_pos": 2}, {"code": "x", "cursor_pos": "1"},
     {"code": "x", "detail_level": 9}],
)  # fmt: skip
async def test_bad_questions_are_refused(kernel: Talk, body: dict[str, Any]) -> None:
    await kernel.ask("POST", "/contexts/default/inspect", body, 400)


BAD_OPS = [
    "",
    "{",
    "[]",
    "7",
    "[" * 100_000,
    '{"op": 1}',
    '{"op": "dance"}',
    '{"op": "execute"}',
    '{"op": "execute", "context": []}',
    '{"op": "cancel", "id": "none"}',
    '{"op": "interrupt", "context": "none"}',
    '{"op": "restart", "context": "none"}',
    '{"op": "message", "channel": "iopub", "msg": {}}',
    '{"op": "message", "channel": "shell", "msg": {"header": []}}',
    '{"op": "message", "channel": "shell", "msg": {"header": {}}}',
    '{"op": "message", "channel": "shell", "msg": {"header": {"msg_id": "a", "msg_type": "b"}, "content": []}}',
]


@pytest.mark.parametrize("frame", BAD_OPS)
async def test_a_bad_op_is_answered_and_the_channel_lives_on(kernel: Talk, frame: str) -> None:
    async with kernel.channel() as channel:
        await channel.socket.send_str(frame)
        refused = await channel.next()
        assert refused["error"]
        assert refused["message"]
        assert "seq" not in refused
        await one_run(channel)


async def one_run(channel: Channel) -> None:
    name = str(uuid.uuid4())
    await channel.op("execute", id=name, code="1")
    assert (await channel.take(ends(name)))[-1]["content"]["state"] == "ok"


async def test_health_tells_busy_and_the_last_activity(kernel: Talk) -> None:
    before = await kernel.ask("GET", "/health")
    assert (before["state"], before["busy"]) == ("ready", False)
    running = await kernel.start(LOOP)
    during = await kernel.ask("GET", "/health")
    assert during["busy"]
    assert during["last_activity"] >= before["last_activity"]
    await asyncio.sleep(0)
    await kernel.ask("DELETE", f"/executions/{running}")
