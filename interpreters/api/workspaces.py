"""Files kept between sessions: whether, how much, how they are had and how they go."""

import asyncio
from collections.abc import AsyncIterator
from typing import IO
from uuid import UUID

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header
from ninja import Router, Status

from interpreters.api.caller import Request
from interpreters.api.schemas import ERRORS
from interpreters.api.workspace_schemas import Keep, Save, Workspace
from interpreters.sessions import keeping

router = Router(tags=["workspaces"])

CHUNK = 256 * 1024


@router.get("/workspaces", response={200: list[Workspace], **ERRORS}, summary="Where files are kept")
async def list_workspaces(request: Request, identifier: str = "") -> list[Workspace]:
    """Those of the tenant, the last used first; or the one of `identifier`, if it has one."""
    return [await Workspace.of(found) for found in await keeping.list_kept(request.auth, identifier)]


@router.put(
    "/workspaces",
    response={200: Workspace, **ERRORS},
    summary="Keep the files of an identifier, or no longer",
    description="Files of its sessions are saved after runs and changes, every minute, and when a session ends; the "
    "next session of that identifier begins with them. What is kept stays when it is switched off.",
)
async def keep(request: Request, wish: Keep) -> Workspace:
    return await Workspace.of(await keeping.keep(request.auth, wish.identifier, wish.enabled))


@router.get("/workspaces/{uuid:workspace}", response={200: Workspace, **ERRORS}, summary="What is kept")
async def get_workspace(request: Request, workspace: UUID) -> Workspace:
    return await Workspace.of(await keeping.get(request.auth, workspace))


@router.post(
    "/workspaces/{uuid:workspace}/save",
    response={202: Workspace, **ERRORS},
    summary="Save the running session's files now",
    description="It is done when `saved_at` or `problem` has changed. 409 `other_files`: what is kept is not what this "
    "session began with; `replace` gives it up.",
)
async def save(request: Request, workspace: UUID, wish: Save) -> Status[Workspace]:
    return Status(202, await Workspace.of(await keeping.save(request.auth, workspace, wish.replace)))


@router.get("/workspaces/{uuid:workspace}/archive", summary="All that is kept, as a tar.gz")
async def archive(request: Request, workspace: UUID) -> StreamingHttpResponse:
    found, content = await keeping.content(request.auth, workspace)
    response = StreamingHttpResponse(_chunks(content), content_type="application/gzip")
    response["Content-Length"] = str(found.size)
    response["Content-Disposition"] = content_disposition_header(True, f"{found.identifier}.tar.gz".replace("/", "_"))
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "no-store"
    return response


@router.delete(
    "/workspaces/{uuid:workspace}/archive", response={204: None, **ERRORS}, summary="Delete what is kept, and go on"
)
async def forget(request: Request, workspace: UUID) -> Status[None]:
    await keeping.forget(request.auth, workspace)
    return Status(204, None)


@router.delete(
    "/workspaces/{uuid:workspace}", response={204: None, **ERRORS}, summary="Delete what is kept, and keep no more"
)
async def delete(request: Request, workspace: UUID) -> Status[None]:
    await keeping.delete(request.auth, workspace)
    return Status(204, None)


async def _chunks(content: IO[bytes]) -> AsyncIterator[bytes]:
    with content:
        while chunk := await asyncio.to_thread(content.read, CHUNK):
            yield chunk
