"""The kernel host shares its uid with hostile code: whatever comes from there, the agent stays well."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from interpreters.agent import rendezvous
from interpreters.agent.errors import Refusal
from interpreters.agent.hostlink import HostLink, HostLost

DEADLINE = 10


class Stranger:
    """Who sits at the host's end."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.connect(rendezvous.address(str(path)))
        self.socket.setblocking(False)
        self.asked: list[dict[str, Any]] = []

    async def hear(self) -> dict[str, Any]:
        data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.socket, 1 << 18), DEADLINE)
        self.asked.append(json.loads(data))
        return self.asked[-1]

    def say(self, words: object, *fds: int) -> None:
        data = words if isinstance(words, bytes) else json.dumps(words).encode()
        socket.send_fds(self.socket, [data], list(fds))


class Scene:
    def __init__(self, link: HostLink, host: Stranger, lost: asyncio.Event) -> None:
        self.link, self.host, self.lost = link, host, lost


@pytest.fixture
async def scene(short_dir: Path) -> AsyncIterator[Scene]:
    lost = asyncio.Event()
    link = HostLink(lost.set)
    accepting = asyncio.create_task(link.accept(rendezvous.address(str(short_dir)), (os.getuid(),)))
    await asyncio.sleep(0.01)
    host = Stranger(short_dir)
    await asyncio.wait_for(accepting, DEADLINE)
    yield Scene(link, host, lost)
    link.close()
    host.socket.close()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_nobody_connects_after_the_first(scene: Scene, short_dir: Path) -> None:
    with pytest.raises(ConnectionRefusedError):
        Stranger(short_dir)
    assert list(short_dir.iterdir()) == []


async def test_a_uid_that_is_not_the_hosts_is_turned_away(short_dir: Path) -> None:
    link = HostLink(lambda: None)
    accepting = asyncio.create_task(link.accept(rendezvous.address(str(short_dir)), (os.getuid() + 1,)))
    await asyncio.sleep(0.01)
    stranger = Stranger(short_dir)
    assert await asyncio.get_running_loop().sock_recv(stranger.socket, 10) == b""
    assert not link.alive
    accepting.cancel()
    await asyncio.gather(accepting, return_exceptions=True)
    stranger.socket.close()


async def test_answers_find_their_questions_in_any_order(scene: Scene) -> None:
    asking = [asyncio.create_task(scene.link.ask("mkdir", path=name)) for name in "ab"]
    first, second = await scene.host.hear(), await scene.host.hear()
    scene.host.say({"id": second["id"], "said": "b"})
    scene.host.say({"id": first["id"], "said": "a"})
    assert [answer["said"] for answer in await asyncio.gather(*asking)] == ["a", "b"]


async def test_a_refusal_is_passed_on_within_bounds(scene: Scene) -> None:
    asking = asyncio.create_task(scene.link.ask("open", path="x"))
    question = await scene.host.hear()
    scene.host.say({"id": question["id"], "error": "not_found", "message": "no" * 10_000})
    with pytest.raises(Refusal) as refused:
        await asking
    assert (refused.value.status, refused.value.code) == (404, "not_found")
    assert len(refused.value.message) <= 500


@pytest.mark.parametrize("garbage", [b"\0", b"[]", b"7", b"{", b"\xff\xfe", b"[" * 60_000, b"x" * 100_000])
async def test_garbage_ends_the_line_and_every_question(scene: Scene, garbage: bytes) -> None:
    asking = asyncio.create_task(scene.link.ask("mkdir", path="x"))
    await scene.host.hear()
    scene.host.say(garbage)
    with pytest.raises(HostLost):
        await asyncio.wait_for(asking, DEADLINE)
    assert scene.lost.is_set()
    with pytest.raises(HostLost):
        await scene.link.ask("mkdir", path="y")
    scene.link.signal(1, 9)  # is nothing, and no error


async def test_words_that_answer_nothing_are_ignored_and_their_files_closed(scene: Scene) -> None:
    before = open_files()
    for words in ({"id": 99}, {"id": "1"}, {"id": None}, {}, {"exit": "x"}, {"exit": 5, "code": None}):
        fd = os.open("/dev/null", os.O_RDONLY)
        scene.host.say(words, fd)
        os.close(fd)
    for pid in range(200):
        scene.host.say({"exit": pid, "code": 0})
        await asyncio.sleep(0)
    asking = asyncio.create_task(scene.link.ask("mkdir", path="x"))
    scene.host.say({"id": (await scene.host.hear())["id"]})
    await asking
    assert scene.link.alive
    assert open_files() == before


@pytest.mark.parametrize("kind", ["none", "folder", "pipe", "socket", "two"])
async def test_a_file_of_another_kind_ends_the_line(scene: Scene, kind: str) -> None:
    before = open_files()
    asking = asyncio.create_task(scene.link.ask_file("open", path="x"))
    question = await scene.host.hear()
    pipe = os.pipe()
    pair = socket.socketpair()
    folder = os.open("/", os.O_RDONLY)
    given = {"none": [], "folder": [folder], "pipe": [pipe[0]], "socket": [pair[0].fileno()], "two": [folder, folder]}
    scene.host.say({"id": question["id"]}, *given[kind])
    with pytest.raises(HostLost):
        await asyncio.wait_for(asking, DEADLINE)
    for fd in (*pipe, folder):
        os.close(fd)
    for end in pair:
        end.close()
    assert open_files() == before - 1  # the line itself


async def test_a_regular_file_is_no_terminal(scene: Scene, tmp_path: Path) -> None:
    asking = asyncio.create_task(scene.link.spawn(lambda code: None, argv=["sh"], env={}))
    question = await scene.host.hear()
    with open(tmp_path / "f", "w") as file:
        scene.host.say({"id": question["id"], "pid": 5}, file.fileno())
    with pytest.raises(HostLost):
        await asyncio.wait_for(asking, DEADLINE)


async def test_an_end_that_is_told_with_the_start_is_not_lost(scene: Scene) -> None:
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    asking = asyncio.create_task(scene.link.spawn(ended.set_result, argv=["true"], env={}))
    question = await scene.host.hear()
    reader, writer = os.pipe()
    scene.host.say({"id": question["id"], "pid": 5}, reader)
    scene.host.say({"exit": 5, "code": 3})
    pid, fd = await asking
    assert (pid, await asyncio.wait_for(ended, DEADLINE)) == (5, 3)
    for one in (fd, reader, writer):
        os.close(one)


async def test_a_silent_host_is_given_up_after_a_while(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interpreters.agent.hostlink.DEADLINE", 0.05)
    with pytest.raises(Refusal) as refused:
        await scene.link.ask("mkdir", path="x")
    assert (refused.value.status, refused.value.code) == (503, "host_silent")
    assert scene.link.alive


async def test_a_host_that_reads_nothing_cannot_make_us_wait(scene: Scene) -> None:
    with pytest.raises(Refusal) as refused:
        [scene.link.signal(1, 2) for _ in range(10_000)]
    assert refused.value.code == "host_silent"


async def test_a_hung_up_host_is_lost(scene: Scene) -> None:
    scene.host.socket.close()
    await asyncio.wait_for(scene.lost.wait(), DEADLINE)
    assert not scene.link.alive
