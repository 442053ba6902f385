"""Files of a running session's work directory. Streams hold a chunk at a time."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from django.conf import settings

from interpreters.agent.naming import meant
from interpreters.client.base import Download
from interpreters.models import Session
from interpreters.sessions import access, keeping, problems

LONGEST_PATH, LONGEST_NAME = 4096, 255  # bytes
MOST_CHOSEN = 500


def checked(path: str, *, may_be_root: bool = False) -> str:
    """A path within the work directory, cleaned. The agent resolves it again, without following links out."""
    names = [name for name in path.split("/") if name not in ("", ".")]
    if ".." in names or "\0" in path:
        raise problems.BadRequest("A path must stay within the work directory: no “..” and no NUL.", "bad_path")
    if not names and not may_be_root:
        raise problems.BadRequest("Name a file, as in files/data.csv.", "bad_path")
    try:
        sizes = [len(meant(name).encode(errors="surrogateescape")) for name in names]
    except UnicodeEncodeError:
        raise problems.BadRequest("A path must be whole Unicode text.", "bad_path") from None
    if sum(sizes) + len(sizes) > LONGEST_PATH or any(size > LONGEST_NAME for size in sizes):
        raise problems.BadRequest(f"A path has at most {LONGEST_PATH} bytes, each name {LONGEST_NAME}.", "bad_path")
    return "/".join(names)


async def list_folder(session: Session, path: str = "", quiet: bool = False) -> dict[str, Any]:
    """`{"path", "entries": [{"name", "path", "type", "size", "modified"}], "more"}`

    `quiet`: asked by the clock, which is no use of the session.
    """
    path = checked(path, may_be_root=True)
    async with access.agent_of(session) as agent:
        return await agent.list_files(path, quiet)


@asynccontextmanager
async def download(session: Session, path: str, start: int = 0) -> AsyncIterator[Download]:
    path = checked(path)
    async with access.agent_of(session) as agent, agent.download(path, start) as opened:
        yield opened


@asynccontextmanager
async def archive(session: Session, path: str = "", only: Sequence[str] = ()) -> AsyncIterator[Download]:
    """A zip of a folder, or of `only` some paths in it; its size is not known before its end."""
    path, only = checked(path, may_be_root=True), [checked(one) for one in only]
    if len(only) > MOST_CHOSEN:
        raise problems.BadRequest(f"Choose at most {MOST_CHOSEN} files at a time, or a folder.", "too_many")
    async with access.agent_of(session) as agent, agent.archive(path, only) as opened:
        yield opened


async def upload(session: Session, path: str, body: AsyncIterator[bytes], given: str | None = None) -> str:
    """Write a file; its folders are made. One that is too large leaves what was there before.

    Returns its tag. `given`: the tag that the file must have had until now; empty: there must be none.
    """
    path = checked(path)
    async with access.agent_of(session) as agent:
        tag = await agent.upload(path, _bounded(body), given)
    keeping.soon(session.pk)
    return tag


async def unpack(session: Session, path: str, body: AsyncIterator[bytes]) -> int:
    """Unpack a zip or tar in a folder; how many files it held. Nothing is written if any member is refused."""
    path = checked(path, may_be_root=True)
    async with access.agent_of(session) as agent:
        files = await agent.unpack(path, _bounded(body))
    keeping.soon(session.pk)
    return files


async def _bounded(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    left = settings.MAX_UPLOAD_BYTES
    async for chunk in body:
        left -= len(chunk)
        if left < 0:
            raise too_large()
        yield chunk


def too_large() -> problems.TooLarge:
    return problems.TooLarge(f"A file may have {settings.MAX_UPLOAD_BYTES} bytes: split it.")


async def make_folder(session: Session, path: str) -> None:
    path = checked(path)
    async with access.agent_of(session) as agent:
        await agent.make_folder(path)
    keeping.soon(session.pk)


async def move(session: Session, path: str, to: str, replace: bool = False) -> None:
    """Another name or place. Only a file is ever replaced, and only if `replace`."""
    path, to = checked(path), checked(to)
    async with access.agent_of(session) as agent:
        await agent.move_file(path, to, replace)
    keeping.soon(session.pk)


async def delete(session: Session, path: str) -> None:
    """A file, or a folder with all that is in it."""
    path = checked(path)
    async with access.agent_of(session) as agent:
        await agent.delete_file(path)
    keeping.soon(session.pk)
