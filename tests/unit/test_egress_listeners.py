"""Sockets in folders: there soon after the folder, gone with it, and never anywhere else."""

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from interpreters.egress import listeners
from interpreters.egress.listeners import MOST_CONNECTIONS, NAME, Listeners
from interpreters.runtime import LaunchFailed
from interpreters.runtime.egress import await_egress, egress_folder, make_egress_folder, remove_egress_folder


class Served:
    """Who was served, each until told to end."""

    def __init__(self) -> None:
        self.sessions: list[UUID] = []
        self.open = 0
        self.end = asyncio.Event()

    async def __call__(self, session: UUID, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sessions.append(session)
        self.open += 1
        try:
            writer.write(b"hello")
            await writer.drain()
            await self.end.wait()
        finally:
            self.open -= 1
            writer.transport.abort()


@pytest.fixture
def served() -> Served:
    return Served()


@pytest.fixture
async def running(short_dir: Path, served: Served, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listeners]:
    monkeypatch.setattr(listeners, "LOOK_EVERY", 0.02)
    monkeypatch.setattr(listeners, "MOST_A_SECOND", 100_000)
    found = Listeners(short_dir, served)
    task = asyncio.create_task(found.run())
    yield found
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def folder(root: Path) -> Path:
    made = root / str(uuid4())
    made.mkdir()
    return made


async def dial(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_unix_connection(path / NAME)


async def until(condition: object, seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)


async def test_a_socket_is_there_soon_after_its_folder_and_belongs_to_its_session(
    running: Listeners, short_dir: Path, served: Served
) -> None:
    one, two = folder(short_dir), folder(short_dir)
    await until(lambda: (one / NAME).exists() and (two / NAME).exists())
    assert len(running) == 2
    assert stat.S_IMODE((one / NAME).stat().st_mode) == 0o666
    assert os.listdir(one) == [NAME]
    reader, writer = await dial(two)
    assert await reader.read(5) == b"hello"
    assert [str(session) for session in served.sessions] == [two.name]
    assert running.connections == 1
    writer.close()


async def test_with_its_folder_a_socket_goes_and_so_do_its_connections(
    running: Listeners, short_dir: Path, served: Served
) -> None:
    one = folder(short_dir)
    await until(lambda: (one / NAME).exists())
    reader, writer = await dial(one)
    assert await reader.read(5) == b"hello"
    (one / NAME).unlink()
    one.rmdir()
    assert await asyncio.wait_for(reader.read(), 5) == b""
    await until(lambda: len(running) == 0 and served.open == 0)
    writer.close()


async def test_another_folder_of_the_same_name_is_another_sandbox(running: Listeners, short_dir: Path) -> None:
    one = folder(short_dir)
    await until(lambda: (one / NAME).exists())
    (short_dir / "new").mkdir()
    one.rename(short_dir / "old")
    (short_dir / "new").rename(one)
    await until(lambda: (one / NAME).exists())
    reader, writer = await dial(one)
    assert await reader.read(5) == b"hello"
    writer.close()


async def test_what_a_killed_process_left_is_replaced(running: Listeners, short_dir: Path) -> None:
    made = short_dir / "prepared"
    made.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(made / NAME))
    (made / f".{NAME}").write_text("half made")
    one = made.rename(short_dir / str(uuid4()))

    async def answers() -> bool:
        try:
            (await dial(one))[1].close()
        except ConnectionRefusedError:
            return False
        return True

    async with asyncio.timeout(5):
        while not await answers():
            await asyncio.sleep(0.01)


async def test_no_link_is_followed(running: Listeners, short_dir: Path, tmp_path: Path) -> None:
    treasure = tmp_path / "treasure"
    treasure.write_text("gold")
    (tmp_path / "elsewhere").mkdir()
    (short_dir / str(uuid4())).symlink_to(tmp_path / "elsewhere")
    made = short_dir / "prepared"
    made.mkdir()
    for name in (NAME, f".{NAME}"):
        (made / name).symlink_to(treasure)
    one = made.rename(short_dir / str(uuid4()))
    await until(lambda: stat.S_ISSOCK((one / NAME).lstat().st_mode))
    assert treasure.read_text() == "gold"
    assert stat.S_IMODE(treasure.stat().st_mode) != 0o666
    assert os.listdir(tmp_path / "elsewhere") == []
    assert len(running) == 1


async def test_names_that_are_no_sessions_are_left_alone(running: Listeners, short_dir: Path) -> None:
    for name in ("x", "..x", str(uuid4()).upper(), f"{uuid4()}x", uuid4().hex, f"{{{uuid4()}}}"):
        (short_dir / name).mkdir()
    (short_dir / str(uuid4())).write_text("a file")
    last = folder(short_dir)
    await until(lambda: (last / NAME).exists())
    assert len(running) == 1


async def test_one_folder_that_is_no_good_holds_up_no_other(running: Listeners, short_dir: Path) -> None:
    made = short_dir / "prepared"
    (made / f".{NAME}" / "full").mkdir(parents=True)
    made.rename(short_dir / str(uuid4()))
    good = folder(short_dir)
    await until(lambda: (good / NAME).exists())
    assert len(running) == 1


async def test_so_many_connections_are_served_and_the_next_waits_its_turn(
    running: Listeners, short_dir: Path, served: Served
) -> None:
    one = folder(short_dir)
    await until(lambda: (one / NAME).exists())
    dialled = [await dial(one) for _ in range(MOST_CONNECTIONS + 5)]
    await until(lambda: served.open == MOST_CONNECTIONS)
    for _ in range(20):
        await asyncio.sleep(0.01)
        assert served.open == running.connections == MOST_CONNECTIONS
    served.end.set()
    async with asyncio.timeout(5):
        assert [await reader.read() for reader, _ in dialled] == [b"hello"] * len(dialled)
    for _, writer in dialled:
        writer.close()


async def test_all_sandboxes_together_have_a_bound_too(short_dir: Path, served: Served) -> None:
    found = Listeners(short_dir, served, most=3)
    task = asyncio.create_task(found.run())
    folders = [folder(short_dir) for _ in range(2)]
    await until(lambda: all((one / NAME).exists() for one in folders))
    dialled = [await dial(one) for one in folders for _ in range(3)]
    await until(lambda: served.open == 3)
    await asyncio.sleep(0.1)
    assert served.open == 3
    served.end.set()
    async with asyncio.timeout(5):
        assert [await reader.read() for reader, _ in dialled] == [b"hello"] * 6
    for _, writer in dialled:
        writer.close()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_folders_that_cannot_be_read_for_a_moment_end_nothing(
    running: Listeners, short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = folder(short_dir)
    await until(lambda: (one / NAME).exists())
    failed = asyncio.Event()

    def fail(_: object) -> None:
        failed.set()
        raise OSError("no files left")

    monkeypatch.setattr("interpreters.egress.listeners.os.scandir", fail)
    await asyncio.wait_for(failed.wait(), 5)
    reader, writer = await dial(one)
    assert await reader.read(5) == b"hello"
    monkeypatch.undo()
    writer.close()


# --- The worker's side ---


@pytest.fixture
def session(short_dir: Path, settings: object) -> UUID:
    settings.EGRESS_DIR = short_dir / "egress"  # type: ignore[attr-defined]
    return uuid4()


def test_a_folder_is_closed_to_other_users_and_goes_for_good(session: UUID) -> None:
    made = make_egress_folder(session)
    assert make_egress_folder(session) == made == egress_folder(session)
    assert stat.S_IMODE(made.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(made.stat().st_mode) == 0o755
    remove_egress_folder(session)
    remove_egress_folder(session)
    assert not made.exists()


def test_a_link_in_the_place_of_a_folder_is_refused_and_only_the_link_goes(session: UUID, tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    make_egress_folder(session).rmdir()
    egress_folder(session).symlink_to(tmp_path)
    with pytest.raises(LaunchFailed, match="is not a folder"):
        make_egress_folder(session)
    remove_egress_folder(session)
    assert (tmp_path / "kept").exists()


def test_without_a_process_a_launch_fails_in_words(session: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interpreters.runtime.egress.PATIENCE", 0.1)
    folder = make_egress_folder(session)
    with pytest.raises(LaunchFailed, match=r"start `manage.py egress`"):
        await_egress(session)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / NAME))
        with pytest.raises(LaunchFailed):  # a socket that nobody listens at is not enough
            await_egress(session)
        listening.listen()
        await_egress(session)
