"""Files of a running session's work directory. Streams hold a chunk at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from django.conf import settings

from interpreters.client.base import Download
from interpreters.models import Session
from interpreters.sessions import access, problems

LONGEST_PATH, LONGEST_NAME = 4096, 255  # bytes


def checked(path: str, *, may_be_root: bool = False) -> str:
    """A path within the work directory, cleaned. The agent resolves it again, without following links out."""
    names = [name for name in path.split("/") if name not in ("", ".")]
    if ".." in names or "\0" in path:
        raise problems.BadRequest("A path must stay within the work directory: no “..” and no NUL.", "bad_path")
    if not names and not may_be_root:
        raise problems.BadRequest("Name a file, as in files/data.csv.", "bad_path")
    if len(path.encode(errors="replace")) > LONGEST_PATH or any(
        len(name.encode(errors="replace")) > LONGEST_NAME for name in names
    ):
        raise problems.BadRequest(f"A path has at most {LONGEST_PATH} bytes, each name {LONGEST_NAME}.", "bad_path")
    return "/".join(names)


async def list_folder(session: Session, path: str = "") -> dict[str, Any]:
    """`{"path", "entries": [{"name", "path", "type", "size", "modified"}]}`"""
    path = checked(path, may_be_root=True)
    async with access.agent_of(session) as agent:
        return await agent.list_files(path)


@asynccontextmanager
async def download(session: Session, path: str, start: int = 0) -> AsyncIterator[Download]:
    path = checked(path)
    async with access.agent_of(session) as agent, agent.download(path, start) as opened:
        yield opened


@asynccontextmanager
async def archive(session: Session, path: str = "") -> AsyncIterator[Download]:
    """A zip of a folder; its size is not known before its end."""
    path = checked(path, may_be_root=True)
    async with access.agent_of(session) as agent, agent.archive(path) as opened:
        yield opened


async def upload(session: Session, path: str, body: AsyncIterator[bytes]) -> None:
    """Write a file; its folders are made. One that is too large leaves what was there before."""
    path = checked(path)
    async with access.agent_of(session) as agent:
        await agent.upload(path, _bounded(body))


async def unpack(session: Session, path: str, body: AsyncIterator[bytes]) -> int:
    """Unpack a zip or tar in a folder; how many files it held. Nothing is written if any member is refused."""
    path = checked(path, may_be_root=True)
    async with access.agent_of(session) as agent:
        return await agent.unpack(path, _bounded(body))


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


async def delete(session: Session, path: str) -> None:
    """A file, or a folder with all that is in it."""
    path = checked(path)
    async with access.agent_of(session) as agent:
        await agent.delete_file(path)
