"""Workspaces on the wire."""

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

from django.conf import settings
from django.template.defaultfilters import filesizeformat
from ninja import Field, Schema

from interpreters.models import Workspace as Row
from interpreters.sessions import keeping
from tenants.threads import in_thread


class Keep(Schema):
    identifier: str
    enabled: bool = True


class Save(Schema):
    replace: bool = Field(False, description="Even over kept files that this session has not got.")


class KeptFile(Schema):
    path: str
    size: int
    type: Literal["file", "directory", "link"] = "file"
    modified: float = 0


class LeftOut(Schema):
    path: str
    why: str


class Workspace(Schema):
    id: UUID
    identifier: str
    enabled: bool
    quota: int = Field(description="Bytes, as they are kept: packed.")
    size: int = Field(description="Bytes that are kept.")
    files: int
    saved_at: float | None
    began_at: float | None = Field(description="When the last save began. Nothing new to save leaves `saved_at`.")
    held: bool | None = Field(description="Whether the running session's files are saved; null if none runs.")
    problem: Literal["", "quota", "tenant_quota", "failed", "not_restored"]
    message: str = Field(description="What the problem means, and what to do.")
    entries: list[KeptFile] = Field(description="What is kept: the first thousand paths.")
    largest: list[KeptFile] = Field(description="The largest files that were to be kept.")
    left_out: list[LeftOut] = Field(description="Some of what cannot be kept, and why.")
    omitted: int = Field(description="How many cannot be kept.")

    @classmethod
    async def of(cls, row: Row) -> "Workspace":
        held = await in_thread(keeping.holds)(row)
        same: Mapping[str, Any] = {
            name: getattr(row, name) for name in ("id", "identifier", "enabled", "size", "files", "problem")
        }
        times: Mapping[str, Any] = {
            name: moment.timestamp() if (moment := getattr(row, name)) else None for name in ("saved_at", "began_at")
        }
        lists: Mapping[str, Any] = {name: row.survey.get(name, []) for name in ("entries", "largest", "left_out")}
        return cls(
            **same,
            **times,
            **lists,
            quota=row.most,
            held=held,
            omitted=row.survey.get("omitted", 0),
            message=await in_thread(_words)(row),
        )


def _room_of_tenant(row: Row) -> str:
    most = row.tenant.max_stored
    if most is None:
        return f"Your organisation's {filesizeformat(settings.WORKSPACE_TENANT_QUOTA)} for kept files are used up."
    return f"{row.tenant} may store {most} MiB of files, notebooks and images, which are used up."


def _words(row: Row) -> str:
    """For people: what is wrong, what is still kept, and what to do."""
    kept = "What was saved before is kept." if row.content else "Nothing is kept yet."
    match row.problem:
        case Row.Problem.QUOTA:
            return f"The files do not fit into {filesizeformat(row.most)}. {kept} Delete or shrink the largest."
        case Row.Problem.TENANT_QUOTA:
            return f"{_room_of_tenant(row)} {kept} Delete kept files that nobody needs."
        case Row.Problem.FAILED:
            return f"The last changes could not be saved. {kept}"
        case Row.Problem.NOT_RESTORED:
            return (
                "The kept files could not be put back in this session, so nothing is saved over them. Download them "
                "first, then save this session's files in their place."
            )
    return ""
