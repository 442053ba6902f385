from datetime import datetime
from typing import Any

from ninja import Field, Query, Router, Schema

from interpreters.api.caller import Request
from interpreters.api.schemas import ERRORS
from interpreters.sessions import audit

router = Router(tags=["audit"])


class Event(Schema):
    id: int
    at: float
    tenant: int | None
    who: str
    token: str = Field(description="The first characters of the token that was used.")
    address: str | None
    action: str
    kind: str = Field(description="What it was done to, as “sessionpool”, with its key and name.")
    key: str
    name: str
    old: dict[str, Any]
    new: dict[str, Any]
    why: str


@router.get(
    "/audit",
    response={200: list[Event], **ERRORS},
    summary="Who did what",
    description="Oldest first. Ask again with `after` set to the last `id` that you have.",
)
async def list_events(
    request: Request,
    after: int = Query(0, ge=0, le=2**63 - 1),
    limit: int = Query(100, ge=1, le=audit.MOST),
    action: str = Query("", max_length=40),
    who: str = Query("", max_length=150),
    since: datetime | None = None,
) -> list[dict[str, Any]]:
    return await audit.events(request.auth, after=after, limit=limit, action=action, who=who, since=since)
