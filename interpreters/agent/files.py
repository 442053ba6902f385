"""Files of the work folder, for the web side. The host opens them; bytes go straight between file and socket."""

import asyncio
import json
import os
import re
from collections.abc import AsyncGenerator
from contextlib import suppress
from urllib.parse import quote

from .confined import tag
from .errors import Refusal, bad_request
from .hostlink import HostLink
from .http import Request, Response, answer
from .messages import dump

CHUNK = 256 << 10
MAX_LISTING = 16 << 20
RANGE = re.compile(r"bytes=(\d{1,18})?-(\d{1,18})?")
TAG = re.compile(r"[0-9a-f-]{1,80}")
DISK_FULL = Refusal(413, "disk_full", "The disk of this session is full: delete files, or ask for a larger one.")


class Files:
    def __init__(self, link: HostLink) -> None:
        self._link = link

    async def list(self, path: str) -> Response:
        _, fd = await self._link.ask_file("list", path=path)
        try:
            if os.fstat(fd).st_size > MAX_LISTING:
                raise bad_request("This folder cannot be listed: its names are too long.")
            listing = json.loads(os.pread(fd, MAX_LISTING, 0))
        finally:
            os.close(fd)
        return answer(listing)

    async def download(self, request: Request, path: str) -> Response:
        """The file, or the part of it that one Range asks for."""
        _, fd = await self._link.ask_file("open", path=path)
        found = os.fstat(fd)
        size = found.st_size
        start, end, status = 0, size, 200
        headers = {"Accept-Ranges": "bytes", "Content-Disposition": f"attachment; filename*=UTF-8''{_name(path)}"}
        headers["ETag"] = f'"{tag(found)}"'
        asked = request.headers.get("range")
        if asked is not None:
            part = _range(asked, size)
            if part is None:
                os.close(fd)
                refused = Refusal(416, "bad_range", f"The file has {size} bytes, and one range at a time is served.")
                return Response(416, dump(refused.body()), headers={"Content-Range": f"bytes */{size}"})
            start, end = part
            status, headers["Content-Range"] = 206, f"bytes {start}-{end - 1}/{size}"
        headers["Content-Length"] = str(end - start)
        return Response(status, _read(fd, start, end), "application/octet-stream", headers)

    async def upload(self, request: Request, path: str, most: int = 1 << 40) -> Response:
        """Written under another name first: a file is there as a whole, or not at all. Raises Refusal.

        `If-None-Match: *` writes only what is not there yet; `If-Match` only what is still as it was read.
        """
        given = _given(request)
        created, fd = await self._link.ask_file("create", path=path)
        token = created.get("token")
        try:
            try:
                async for piece in request.body():
                    most -= len(piece)
                    if most < 0:
                        raise Refusal(413, "too_large", "The upload is too large: split it.")
                    _write(fd, piece)
            finally:
                os.close(fd)
            committed = await self._link.ask("commit", token=token, given=given)
        except BaseException:
            await asyncio.shield(self._discard(token))
            raise
        found = committed.get("tag")
        return Response(204, headers={"ETag": f'"{found}"'} if isinstance(found, str) and TAG.fullmatch(found) else {})

    async def make(self, path: str) -> Response:
        await self._link.ask("mkdir", path=path)
        return Response(204)

    async def move(self, request: Request, path: str) -> Response:
        body = await request.json()
        to, replace = body.get("to"), body.get("replace", False)
        if not isinstance(to, str) or not isinstance(replace, bool):
            raise bad_request("`to` must be a path and `replace` true or false")
        await self._link.ask("move", path=path, to=to, replace=replace)
        return Response(204)

    async def delete(self, path: str) -> Response:
        await self._link.ask("delete", path=path)
        return Response(204)

    async def _discard(self, token: object) -> None:
        with suppress(Refusal):  # the host is gone, or has done it
            await self._link.ask("discard", token=token)


async def _read(fd: int, start: int, end: int) -> AsyncGenerator[bytes, None]:
    try:
        while start < end:
            piece = os.pread(fd, min(CHUNK, end - start), start)
            if not piece:
                raise ConnectionAbortedError  # it was cut short meanwhile: the promised length cannot be kept
            yield piece
            start += len(piece)
    finally:
        os.close(fd)


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(fd, view) :]
    except OSError:
        raise DISK_FULL from None


def _range(text: str, size: int) -> tuple[int, int] | None:
    """Start and end of the one range that `text` asks for; None if there is no such part."""
    found = RANGE.fullmatch(text.strip())
    if found is None:
        return None
    first, last = found.groups()
    if first is None:
        if last is None or not int(last):
            return None
        return max(0, size - int(last)), size
    start = int(first)
    end = min(size, int(last) + 1) if last is not None else size
    return (start, end) if start < end else None


def _given(request: Request) -> str | None:
    """The tag that a file must have to be replaced; empty: there may be none; None: whatever there is."""
    if request.headers.get("if-none-match", "").strip() == "*":
        return ""
    given = request.headers.get("if-match", "").strip()
    return given.strip('"') or "none" if given and given != "*" else None


def _name(path: str) -> str:
    return quote(path.rpartition("/")[2], safe="")
