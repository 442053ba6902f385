import asyncio
from collections.abc import AsyncIterator
from typing import IO, Any, Literal
from uuid import UUID

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header
from ninja import Field, Router, Schema, Status
from pydantic import ConfigDict

from interpreters.api.caller import Request
from interpreters.api.schemas import ERRORS
from interpreters.sessions import archives
from tenants.models import Archive as Row
from tenants.models import Erasure as Erased

router = Router(tags=["archives and erasure"])
CHUNK = 256 * 1024


class ArchiveWish(Schema):
    model_config = ConfigDict(extra="forbid")

    of: Literal["me", "tenant"] = Field(description="Your own data, or all of the tenant's, which is for its owners.")


class Archive(Schema):
    id: UUID
    of: Literal["person", "tenant"]
    person: str | None
    state: Literal["waiting", "working", "ready", "failed"]
    progress: str
    size: int
    created_at: float
    finished_at: float | None
    expires_at: float | None = Field(description="When it is deleted.")

    @classmethod
    def of_row(cls, row: Row) -> "Archive":
        shown: dict[str, Any] = {name: getattr(row, name) for name in ("id", "state", "progress", "size")}
        for name in ("created_at", "finished_at", "expires_at"):
            moment = getattr(row, name)
            shown[name] = moment.timestamp() if moment else None
        person = row.user.get_username() if row.user else None
        return cls(of="person" if person else "tenant", person=person, **shown)


class ErasureWish(Schema):
    model_config = ConfigDict(extra="forbid")

    person: str = Field("", max_length=150, description="Whom; empty: the whole tenant.")
    confirm: str = Field(max_length=150, description="The person's name, or the tenant's short name, once more.")


class Erasure(Schema):
    id: UUID = Field(description="Of its certificate, which the operator has.")
    asked_at: float

    @classmethod
    def of_row(cls, row: Erased) -> "Erasure":
        return cls(id=row.pk, asked_at=row.asked_at.timestamp())


@router.get("/archives", response={200: list[Archive], **ERRORS}, summary="Archives that you may have")
async def list_archives(request: Request) -> list[Archive]:
    return [Archive.of_row(row) for row in await archives.list_of(request.auth)]


@router.post("/archives", response={202: Archive, **ERRORS}, summary="An archive of your data, or of your tenant")
async def create_archive(request: Request, wanted: ArchiveWish) -> Status[Archive]:
    made = await archives.create(request.auth, whole=wanted.of == "tenant")
    return Status(202, Archive.of_row(made))


@router.get("/archives/{uuid:archive}", response={200: Archive, **ERRORS}, summary="How far one is")
async def get_archive(request: Request, archive: UUID) -> Archive:
    return Archive.of_row(await archives.get(request.auth, archive))


@router.get("/archives/{uuid:archive}/content", summary="The archive, as a zip")
async def get_archive_content(request: Request, archive: UUID) -> StreamingHttpResponse:
    found, content = await archives.content(request.auth, archive)
    response = StreamingHttpResponse(_chunks(content), content_type="application/zip")
    response["Content-Length"] = str(found.size)
    response["Content-Disposition"] = content_disposition_header(True, f"thermae-{found.created_at:%Y-%m-%d}.zip")
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "no-store"
    return response


@router.delete("/archives/{uuid:archive}", response={204: None, **ERRORS}, summary="Delete one before it expires")
async def delete_archive(request: Request, archive: UUID) -> Status[None]:
    await archives.delete(request.auth, archive)
    return Status(204, None)


@router.post(
    "/erasures",
    response={202: Erasure, **ERRORS},
    summary="Erase a person's data, or the whole tenant",
    description="There is no way back. From the answer on nobody of whom it is gets in; the rest goes within minutes.",
)
async def erase(request: Request, wanted: ErasureWish) -> Status[Erasure]:
    return Status(202, Erasure.of_row(await archives.erase(request.auth, wanted.person, wanted.confirm)))


async def _chunks(content: IO[bytes]) -> AsyncIterator[bytes]:
    with content:
        while chunk := await asyncio.to_thread(content.read, CHUNK):
            yield chunk
