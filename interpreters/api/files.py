import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from posixpath import basename
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.utils.http import content_disposition_header
from ninja import Query, Router, Status

from interpreters import sessions
from interpreters.agent.naming import readable
from interpreters.api.caller import Request, still
from interpreters.api.schemas import ERRORS, Folder, Move, Unpacked
from interpreters.auditing import downloaded, file_changed
from interpreters.client.base import Download
from interpreters.models import Session
from interpreters.sessions import access, files, problems, standing
from tenants.threads import in_thread

router = Router(tags=["files"])

CHUNK = 256 * 1024
TAG = re.compile(r'"([0-9a-f-]{1,80})"')
RANGE = re.compile(r"bytes=(\d{1,18})?-(\d{1,18})?")
Body = AsyncGenerator[Any, None]
Opening = Callable[[int], AbstractAsyncContextManager[Download]]


@router.get("/sessions/{uuid:session}/files", response={200: Folder, **ERRORS}, summary="What is in a folder")
async def list_files(request: Request, session: UUID, path: str = "", quiet: bool = False) -> dict[str, Any]:
    """`quiet`: looking does not count as a use of the session."""
    return await files.list_folder(await sessions.get(request.auth, session), path, quiet)


@router.get("/sessions/{uuid:session}/files/{path:path}", summary="A file, or by Range a part of it")
async def download(request: Request, session: UUID, path: str) -> StreamingHttpResponse:
    found = await sessions.get(request.auth, session)

    def opening(start: int) -> AbstractAsyncContextManager[Download]:
        return files.download(found, path, start)

    response = await _sent(opening, basename(path), request.headers.get("Range", ""), _while_allowed(request, session))
    await _tell(request, found, path, response)
    return response


@router.put(
    "/sessions/{uuid:session}/files/{path:path}",
    response={204: None, **ERRORS},
    summary="Write a file",
    description="`If-None-Match: *` writes only a file that is not there yet (else 409 `exists`), `If-Match` only one "
    "that is still as a download's `ETag` says (else 409 `changed`). The answer's `ETag` is the new one.",
)
async def upload(request: Request, response: HttpResponse, session: UUID, path: str) -> Status[None]:
    found = await sessions.get(request.auth, session)
    _check_length(request)
    response["ETag"] = f'"{await files.upload(found, path, _body(request), _given(request))}"'
    await _changed(request, found, f"written {path}")
    return Status(204, None)


@router.post("/sessions/{uuid:session}/files/{path:path}", response={201: None, **ERRORS}, summary="Make a folder")
async def make_folder(request: Request, session: UUID, path: str) -> Status[None]:
    found = await sessions.get(request.auth, session)
    await files.make_folder(found, path)
    await _changed(request, found, f"made the folder {path}")
    return Status(201, None)


@router.patch("/sessions/{uuid:session}/files/{path:path}", response={204: None, **ERRORS}, summary="Rename or move")
async def move(request: Request, session: UUID, path: str, wish: Move) -> Status[None]:
    found = await sessions.get(request.auth, session)
    await files.move(found, path, wish.to, wish.replace)
    await _changed(request, found, f"moved {path} to {wish.to}")
    return Status(204, None)


@router.delete("/sessions/{uuid:session}/files/{path:path}", response={204: None, **ERRORS}, summary="Delete")
async def delete(request: Request, session: UUID, path: str) -> Status[None]:
    found = await sessions.get(request.auth, session)
    await files.delete(found, path)
    await _changed(request, found, f"deleted {path}")
    return Status(204, None)


@router.get("/sessions/{uuid:session}/archive", summary="A folder, or some of what is in it, as a zip")
async def archive(
    request: Request,
    session: UUID,
    path: str = "",
    only: list[str] = Query([], description="Paths within the folder; the whole of it if none."),  # noqa: B008
) -> StreamingHttpResponse:
    found = await sessions.get(request.auth, session)
    name = f"{basename(path.rstrip('/')) or 'files'}.zip"
    response = await _sent(lambda _: files.archive(found, path, only), name, "", _while_allowed(request, session))
    await _tell(request, found, f"{path.rstrip('/')}/", response)
    return response


@router.post(
    "/sessions/{uuid:session}/archive",
    response={201: Unpacked, **ERRORS},
    summary="Unpack a zip or tar in a folder",
    description="The body is the archive. If any of it is refused (a link, a path that leads out, too much) nothing is "
    "written.",
)
async def unpack(request: Request, session: UUID, path: str = "") -> Status[Unpacked]:
    found = await sessions.get(request.auth, session)
    _check_length(request)
    unpacked = await files.unpack(found, path, _body(request))
    await _changed(request, found, f"unpacked {unpacked} files in {path or '/'}")
    return Status(201, Unpacked(files=unpacked))


async def _tell(request: Request, session: Session, path: str, response: StreamingHttpResponse) -> None:
    """Into the audit log, once for a download: its later pieces go on where the first ended."""
    if not response.get("Content-Range", "bytes 0-").startswith("bytes 0-"):
        return
    await in_thread(downloaded)(request.auth, session, path)


async def _changed(request: Request, session: Session, what: str) -> None:
    await in_thread(file_changed)(request.auth, session, what)


def _check_length(request: Request) -> None:
    """Refuse what says that it is too large before any of it is passed on."""
    if int(request.headers.get("Content-Length") or 0) > settings.MAX_UPLOAD_BYTES:
        raise files.too_large()


def _given(request: Request) -> str | None:
    """The tag that the request wants the file to have; empty: it wants none to be there; None: it does not mind."""
    if request.headers.get("If-None-Match", "").strip() == "*":
        return ""
    given = request.headers.get("If-Match", "").strip()
    if given in ("", "*"):
        return None
    match = TAG.fullmatch(given)
    if match is None:
        raise problems.BadRequest("`If-Match` is the `ETag` of a download, as it came.", "bad_tag")
    return match[1]


async def _body(request: Request) -> AsyncIterator[bytes]:
    """The body in pieces, from the file that the server has spooled it to."""
    while chunk := request.read(CHUNK):
        yield chunk


# --- Sending ---


def _while_allowed(request: Request, session: UUID) -> Callable[[Body], Body]:
    """A body that breaks off once who asked for it may not any more."""
    allowed = still(request, lambda actor: access.find(actor, session))
    return lambda body: standing.while_allowed(body, request.auth, allowed)


async def _sent(
    opening: Opening, name: str, wanted: str, guarded: Callable[[Body], Body] = lambda body: body
) -> StreamingHttpResponse:
    """A download as a response. Always an attachment: what a sandbox made is no page of ours."""
    start, end = await _range(opening, wanted)
    body = _opened(opening, start, end)
    size, tag = await anext(body)
    last = size - 1 if isinstance(size, int) and end is None else end
    response = StreamingHttpResponse(guarded(body), content_type="application/octet-stream")
    response["Content-Disposition"] = content_disposition_header(True, readable(name))
    if tag:
        response["ETag"] = f'"{tag}"'
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "no-store"
    if isinstance(size, int):
        last = min(size - 1, last if last is not None else size - 1)
        response["Accept-Ranges"] = "bytes"
        response["Content-Length"] = str(last - start + 1)
        if wanted and (start, last) != (0, size - 1):
            response.status_code = 206
            response["Content-Range"] = f"bytes {start}-{last}/{size}"
    return response


async def _opened(opening: Opening, start: int, end: int | None) -> AsyncGenerator[Any, None]:
    """First the size and the tag of the whole, then the bytes from `start` to `end`, `end` included."""
    async with opening(start) as download:
        yield download.size, download.tag
        left = end - start + 1 if end is not None else None
        async for chunk in download.body:
            if left is not None:
                chunk = chunk[:left]
                left -= len(chunk)
            yield chunk
            if left == 0:
                return


async def _range(opening: Opening, wanted: str) -> tuple[int, int | None]:
    """First and last byte of a Range header. One that we do not understand is ignored, as HTTP wants it."""
    match = RANGE.fullmatch(wanted.replace(" ", ""))
    if match is None or match[1] is match[2] is None:
        return 0, None
    if match[1] is None:  # the last so many bytes
        async with opening(0) as download:
            return max(0, (download.size or 0) - int(match[2])), None
    start, end = int(match[1]), int(match[2]) if match[2] else None
    if end is not None and end < start:
        raise problems.BadRequest("The Range ends before it begins.", "bad_range")
    return start, end
