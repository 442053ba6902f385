"""Files that outlive their session: what is saved is whole and newest, and nothing kept is written over."""

import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from interpreters import tasks, workspaces
from interpreters.client import AgentUnavailable, memory_agents
from interpreters.client.base import Download
from interpreters.client.memory import MemoryAgent
from interpreters.lifecycle import Phase, Reason, State
from interpreters.models import Session, Workspace
from interpreters.runtime.memory import MemoryRuntime

pytestmark = pytest.mark.django_db

IDENTIFIER = "notebook-1"


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.WORKSPACE_DIR = tmp_path / "workspaces"
    settings.WORKSPACE_SECONDS = 5.0
    return tmp_path / "workspaces"


@pytest.fixture(autouse=True)
def agents() -> Iterator[None]:
    memory_agents.clear()
    yield
    memory_agents.clear()


@pytest.fixture
def workspace(acme: Any) -> Workspace:
    return Workspace.objects.keep(acme, IDENTIFIER)


@pytest.fixture
def ready(pool: Any) -> Callable[[], Session]:
    def make() -> Session:
        return Session.objects.create(pool=pool, pool_revision=pool.revision, state=State.READY, handle=str(uuid4()))

    return make


@pytest.fixture
def leased(pool: Any, acme: Any, ready: Callable[[], Session]) -> Callable[[], Session]:
    """A session of the identifier, handed over with whatever is kept."""

    def make() -> Session:
        ready()
        session: Session = pool.lease(acme, None, IDENTIFIER).session
        if session.state == State.STARTING:
            assert workspaces.restore(session.pk)
        session.refresh_from_db()
        return session

    return make


def files(session: Session) -> dict[str, bytes]:
    return agent_of(session).contents


def agent_of(session: Session) -> MemoryAgent:
    return memory_agents.setdefault(session.pk, MemoryAgent())


def end(session: Session) -> None:
    assert session.end(Reason.COOLDOWN)
    session.tear_down(MemoryRuntime(), tasks._collect)
    assert session.state == State.GONE


def kept(folder: Path) -> list[str]:
    return sorted(os.listdir(folder)) if folder.exists() else []


# --- From one session to the next ---


def test_files_outlive_a_cooldown(leased: Callable[[], Session], workspace: Workspace, folder: Path) -> None:
    first = leased()
    files(first)["work.txt"] = b"all day"
    end(first)
    workspace.refresh_from_db()
    assert (workspace.files, workspace.problem) == (1, "")
    assert workspace.survey["entries"][0]["path"] == "work.txt"
    assert (folder / workspace.content).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    second = leased()
    assert second.state == State.LEASED
    assert files(second) == {"work.txt": b"all day"}


def test_who_has_kept_files_waits_for_them_and_nobody_else_does(
    pool: Any, acme: Any, ready: Callable[[], Session], leased: Callable[[], Session], workspace: Workspace
) -> None:
    first = leased()
    files(first)["a"] = b"1"
    end(first)
    ready(), ready()
    other = pool.lease(acme, None, "another").session
    assert other.state == State.LEASED
    lease = pool.lease(acme, None, IDENTIFIER)
    assert (lease.session.state, lease.session.phase, lease.cold) == (State.STARTING, Phase.WAITING_FOR_FILES, True)
    assert pool.lease(acme, None, IDENTIFIER).session == lease.session
    tasks.restore_files(str(lease.session.pk))
    lease.session.refresh_from_db()
    assert (lease.session.state, lease.session.phase) == (State.LEASED, "")
    assert not workspaces.restore(lease.session.pk), "it is put back once"


def test_a_cold_start_gets_its_files_too(
    pool: Any, acme: Any, leased: Callable[[], Session], workspace: Workspace
) -> None:
    first = leased()
    files(first)["a"] = b"1"
    end(first)
    session = pool.lease(acme, None, IDENTIFIER).session
    assert session.phase == Phase.QUEUED
    claimed = Session.objects.claim_queued()
    assert claimed == session
    claimed.launch(MemoryRuntime(), lambda ids: {pk: _Ready() for pk in ids})
    assert (claimed.state, claimed.phase) == (State.STARTING, Phase.WAITING_FOR_FILES)
    assert workspaces.restore(session.pk)
    assert files(session) == {"a": b"1"}


class _Ready:
    state, detail, busy, last_activity = "ready", "", False, 0.0


def test_the_next_session_waits_until_the_last_has_saved(
    pool: Any, acme: Any, ready: Callable[[], Session], leased: Callable[[], Session], workspace: Workspace
) -> None:
    first = leased()
    files(first)["a"] = b"the last words"
    assert first.end(Reason.CLOSED)
    ready()
    second = pool.lease(acme, None, IDENTIFIER).session
    assert second.phase == Phase.WAITING_FOR_FILES
    assert not workspaces.restore(second.pk), "what it would be given is not there yet"
    first.tear_down(MemoryRuntime(), tasks._collect)
    assert workspaces.waiting(first) == [second.pk]
    assert workspaces.restore(second.pk)
    assert files(second) == {"a": b"the last words"}


def test_nobody_waits_for_ever_for_a_session_that_does_not_end(
    pool: Any, acme: Any, ready: Callable[[], Session], leased: Callable[[], Session], workspace: Workspace
) -> None:
    first = leased()
    assert first.end(Reason.CLOSED)
    Session.objects.filter(pk=first.pk).update(state_since=timezone.now() - timedelta(minutes=5))
    ready()
    second = pool.lease(acme, None, IDENTIFIER).session
    assert workspaces.restore(second.pk)


def test_a_custom_container_has_no_files_of_ours(
    pool: Any, acme: Any, ready: Callable[[], Session], leased: Callable[[], Session], workspace: Workspace
) -> None:
    first = leased()
    files(first)["a"] = b"1"
    end(first)
    pool.image.kind = "custom"
    pool.image.save()
    ready()
    session = pool.lease(acme, None, IDENTIFIER).session
    assert session.state == State.LEASED
    assert not workspaces.save(session.pk)


def test_other_tenants_and_identifiers_have_their_own(
    pool: Any, acme: Any, other: Any, ready: Callable[[], Session], leased: Callable[[], Session], workspace: Workspace
) -> None:
    first = leased()
    files(first)["secret"] = b"1"
    end(first)
    Workspace.objects.keep(other, IDENTIFIER)
    ready()
    theirs = pool.lease(other, None, IDENTIFIER).session
    assert theirs.state == State.LEASED
    assert files(theirs) == {}


# --- While it lives ---


def test_what_has_not_changed_is_not_saved_again(
    leased: Callable[[], Session], workspace: Workspace, folder: Path
) -> None:
    session = leased()
    assert workspaces.save(session.pk)
    assert kept(folder) == [], "an empty folder is worth no file"
    files(session)["a"] = b"1"
    assert workspaces.save(session.pk)
    first = kept(folder)
    assert workspaces.save(session.pk)
    assert kept(folder) == first
    files(session)["a"] = b"2"
    assert workspaces.save(session.pk)
    assert len(kept(folder)) == 1
    assert kept(folder) != first, "the old one is gone, the new one has a name of its own"


def test_only_files_that_are_kept_are_looked_at(
    leased: Callable[[], Session], workspace: Workspace, settings: Any
) -> None:
    session = leased()
    assert Workspace.objects.due() == [session.pk]
    workspaces.save(session.pk)
    assert Workspace.objects.due() == []
    Workspace.objects.update(began_at=timezone.now() - timedelta(seconds=settings.WORKSPACE_SAVE_EVERY + 1))
    assert Workspace.objects.due() == [session.pk]
    Workspace.objects.update(enabled=False)
    assert Workspace.objects.due() == []
    assert not workspaces.save(session.pk)


def test_a_sandbox_that_dies_leaves_what_was_saved(
    leased: Callable[[], Session], workspace: Workspace, folder: Path
) -> None:
    session = leased()
    files(session)["a"] = b"saved"
    assert workspaces.save(session.pk)
    files(session)["a"] = b"lost"
    agent_of(session).gone = True
    assert session.end(Reason.KILLED)
    session.tear_down(MemoryRuntime(), tasks._collect)
    workspace.refresh_from_db()
    assert (workspace.problem, len(kept(folder))) == ("failed", 1)
    assert files(leased()) == {"a": b"saved"}
    workspace.refresh_from_db()
    assert workspace.problem == ""


def interrupted(monkeypatch: pytest.MonkeyPatch, error: Exception | None = None, meanwhile: Any = None) -> None:
    """Half of what is kept comes, then something else happens."""
    keep = MemoryAgent.keep

    @asynccontextmanager
    async def broken(self: MemoryAgent) -> AsyncIterator[Download]:
        async with keep(self) as download:
            whole = b"".join([chunk async for chunk in download.body])

        async def body() -> AsyncIterator[bytes]:
            yield whole[: len(whole) // 2]
            if meanwhile:
                meanwhile()
            if error:
                raise error
            yield whole[len(whole) // 2 :]

        yield Download(None, body())

    monkeypatch.setattr(MemoryAgent, "keep", broken)


def test_half_a_save_never_takes_the_place_of_a_good_one(
    leased: Callable[[], Session], workspace: Workspace, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = leased()
    files(session)["a"] = b"good"
    assert workspaces.save(session.pk)
    good = kept(folder)
    files(session)["a"] = b"half"
    with monkeypatch.context() as patch:
        interrupted(patch, AgentUnavailable("gone"))
        assert not workspaces.save(session.pk)
    workspace.refresh_from_db()
    assert (kept(folder), workspace.problem) == (good, "failed")
    assert workspaces.save(session.pk)
    workspace.refresh_from_db()
    assert workspace.problem == ""


def test_a_sandbox_that_stalls_is_not_waited_for(
    leased: Callable[[], Session], workspace: Workspace, settings: Any
) -> None:
    settings.WORKSPACE_SECONDS = 0.2
    session = leased()
    files(session)["a"] = b"1"
    agent_of(session).delay = 30
    began = time.monotonic()
    assert not workspaces.save(session.pk)
    assert time.monotonic() - began < 5


# --- Races ---


def test_the_older_of_two_saves_does_not_win(
    pool: Any, leased: Callable[[], Session], workspace: Workspace, folder: Path
) -> None:
    session = leased()
    older, newer = Workspace.objects.get(), Workspace.objects.get()
    turns = older.begin(session.pk), newer.begin(session.pk)
    assert turns[0] < turns[1]
    assert newer.succeed(turns[1], session.pk, "b" * 32, 1, {}) == ""
    assert older.succeed(turns[0], session.pk, "a" * 32, 1, {}) == "a" * 32, "its own file is the useless one"
    workspace.refresh_from_db()
    assert workspace.content == "b" * 32


def test_a_teardown_during_a_save_keeps_the_last(
    leased: Callable[[], Session], workspace: Workspace, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = leased()
    files(session)["a"] = b"before"
    turn = Workspace.objects.get().begin(session.pk)  # somebody saves, slowly
    files(session)["a"] = b"at the end"
    end(session)
    assert Workspace.objects.get().succeed(turn, session.pk, "c" * 32, 1, {}) == "c" * 32
    assert files(leased()) == {"a": b"at the end"}


@pytest.mark.parametrize("what", ["delete", "forget", "disable"])
def test_what_is_deleted_while_it_is_saved_does_not_come_back(
    leased: Callable[[], Session], workspace: Workspace, folder: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    session = leased()
    files(session)["a"] = b"1"
    begin = Workspace.begin

    def then(self: Workspace, *args: Any, **options: Any) -> int:
        turn = begin(self, *args, **options)
        if what == "delete":
            Workspace.objects.all().delete()
        elif what == "forget":
            Workspace.objects.get().forget()
        else:
            Workspace.objects.update(enabled=False)
        return turn

    monkeypatch.setattr(Workspace, "begin", then)
    assert not workspaces.save(session.pk)
    assert not Workspace.objects.exclude(content="").exists()
    if what != "delete":
        assert kept(folder) == []


def test_a_session_in_another_pool_does_not_overwrite_what_it_has_not_got(
    leased: Callable[[], Session], workspace: Workspace, pool: Any, acme: Any
) -> None:
    session = leased()
    files(session)["a"] = b"mine"
    assert workspaces.save(session.pk)
    stranger = Session.objects.create(
        pool=pool, state=State.STOPPING, tenant=acme, identifier=IDENTIFIER, handle="stranger"
    )
    files(stranger)["b"] = b"theirs"
    assert not workspaces.save(stranger.pk)
    assert workspaces.save(stranger.pk, replace=True)
    assert not workspaces.save(session.pk), "it was given up knowingly"


# --- What cannot be put back ---


@pytest.mark.parametrize("harm", ["missing", "cut", "garbage"])
def test_a_damaged_archive_is_told_and_kept(
    leased: Callable[[], Session], workspace: Workspace, folder: Path, harm: str
) -> None:
    first = leased()
    files(first)["a"] = os.urandom(5000)
    end(first)
    workspace.refresh_from_db()
    path = folder / workspace.content
    if harm == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:500] if harm == "cut" else b"garbage")
    before = kept(folder)
    second = leased()
    assert second.state == State.LEASED, "a session without its files is better than none"
    workspace.refresh_from_db()
    assert workspace.problem == "not_restored"
    files(second)["b"] = b"new"
    assert not workspaces.save(second.pk)
    assert kept(folder) == before, "what may still be saved by hand is not saved over"
    assert workspaces.save(second.pk, replace=True)
    workspace.refresh_from_db()
    assert workspace.problem == ""
    end(second)
    assert files(leased()) == {"b": b"new"}


def test_a_session_that_ends_while_it_gets_its_files_is_left(
    leased: Callable[[], Session], workspace: Workspace, pool: Any, acme: Any, ready: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("interpreters.workspaces.restoring.HEARTBEAT", 0.0)
    first = leased()
    files(first)["a"] = os.urandom(600_000)
    end(first)
    ready()
    session = pool.lease(acme, None, IDENTIFIER).session
    monkeypatch.setattr("interpreters.workspaces.restoring._still_waits", _ended)
    assert not workspaces.restore(session.pk)
    assert files(session) == {}
    session.refresh_from_db()
    assert session.phase == Phase.RESTORING


def _ended(session: Any) -> None:
    from interpreters.workspaces.restoring import _Ended

    raise _Ended


# --- Bounds ---


def test_what_is_too_large_is_refused_while_it_comes(
    leased: Callable[[], Session], workspace: Workspace, folder: Path, settings: Any
) -> None:
    session = leased()
    files(session)["small"] = b"1"
    assert workspaces.save(session.pk)
    good = kept(folder)
    settings.WORKSPACE_QUOTA = 100_000
    files(session)["large"] = os.urandom(300_000)
    assert not workspaces.save(session.pk)
    workspace.refresh_from_db()
    assert workspace.problem == "quota"
    assert workspace.survey["largest"][0] == {"path": "large", "size": 300_000}
    assert [entry["path"] for entry in workspace.survey["entries"]] == ["small"], "what is kept, not what is not"
    assert kept(folder) == good
    del files(session)["large"]
    files(session)["small"] = b"2"
    assert workspaces.save(session.pk)
    workspace.refresh_from_db()
    assert workspace.problem == ""


def test_a_sandbox_that_sends_for_ever_fills_no_disk(
    leased: Callable[[], Session], workspace: Workspace, folder: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WORKSPACE_QUOTA = 1_000_000
    sent = 0

    @asynccontextmanager
    async def endless(self: MemoryAgent) -> AsyncIterator[Download]:
        async def body() -> AsyncIterator[bytes]:
            nonlocal sent
            while True:
                sent += 100_000
                yield bytes(100_000)

        yield Download(None, body())

    monkeypatch.setattr(MemoryAgent, "keep", endless)
    session = leased()
    files(session)["a"] = b"1"
    assert not workspaces.save(session.pk)
    assert sent <= 1_200_000
    assert kept(folder) == []


def test_a_tenant_has_so_much_room(
    leased: Callable[[], Session], workspace: Workspace, acme: Any, settings: Any, folder: Path
) -> None:
    Workspace.objects.create(tenant=acme, identifier="full", content="f" * 32, size=900)
    settings.WORKSPACE_TENANT_QUOTA = 1000
    session = leased()
    files(session)["a"] = os.urandom(5000)
    assert not workspaces.save(session.pk)
    workspace.refresh_from_db()
    assert (workspace.problem, kept(folder)) == ("tenant_quota", [])
    # Two that save at the same time do not share the same room.
    turn = workspace.begin(session.pk)
    assert workspace.succeed(turn, session.pk, "d" * 32, 101, {}) == "d" * 32
    workspace.refresh_from_db()
    assert workspace.problem == "tenant_quota"


def test_a_full_disk_is_told(leased: Callable[[], Session], workspace: Workspace, settings: Any) -> None:
    settings.WORKSPACE_DIR = Path("/proc/nothing/here")
    session = leased()
    files(session)["a"] = b"1"
    assert not workspaces.save(session.pk)
    workspace.refresh_from_db()
    assert workspace.problem == "failed"


# --- Cleaning up ---


def test_what_no_row_names_is_removed_once_it_is_old(
    leased: Callable[[], Session], workspace: Workspace, folder: Path, settings: Any
) -> None:
    session = leased()
    files(session)["a"] = b"1"
    workspaces.save(session.pk)
    mine = kept(folder)
    for name in ("e" * 32, "f" * 32 + ".part", "0" * 32):
        (folder / name).write_bytes(b"left")
    old = time.time() - 7200
    for path in folder.iterdir():
        if path.name != "0" * 32:
            os.utime(path, (old, old))
    assert workspaces.sweep() == 2
    assert kept(folder) == sorted([*mine, "0" * 32])
    settings.WORKSPACE_DAYS = 30
    Workspace.objects.update(used_at=timezone.now() - timedelta(days=31))
    workspaces.sweep()
    assert kept(folder) == ["0" * 32]
