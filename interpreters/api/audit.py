from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_ipv46_address
from django.http import StreamingHttpResponse
from ninja import Field, Query, Router, Schema

from interpreters.api.caller import Request
from interpreters.api.schemas import ERRORS
from interpreters.sessions import audit, problems
from tenants.audit_export import MOST as MOST_OF_A_FILE

router = Router(tags=["audit"])


class Event(Schema):
    id: int
    at: float
    tenant: int | None
    who: str = Field(description="A person's name, or “service:<name>” for a service account.")
    token: str = Field(description="The first characters of the token that was used.")
    address: str | None
    action: str
    kind: str = Field(description="What it was done to, as “sessionpool”, with its key and name.")
    key: str
    name: str
    old: dict[str, Any]
    new: dict[str, Any]
    why: str


class Wanted(Schema):
    after: int = Field(0, ge=0, le=2**63 - 1, description="The `id` of the last event that you have.")
    action: str = Field("", max_length=40)
    who: str = Field("", max_length=150)
    kind: str = Field("", max_length=40)
    key: str = Field("", max_length=64)
    address: str = Field("", max_length=45)
    since: datetime | None = None
    until: datetime | None = None

    @property
    def question(self) -> audit.Question:
        if self.address:
            try:
                validate_ipv46_address(self.address)
            except ValidationError:
                raise problems.BadRequest("`address` is an IPv4 or IPv6 address.") from None
        if any("\0" in text for text in (self.action, self.who, self.kind, self.key)):
            raise problems.BadRequest("What is looked for has no NUL in it.")
        return audit.Question(**self.dict())


@router.get(
    "/audit",
    response={200: list[Event], **ERRORS},
    summary="Who did what",
    description="Oldest first. Ask again with `after` set to the last `id` that you have.",
)
async def list_events(
    request: Request, wanted: Query[Wanted], limit: int = Query(100, ge=1, le=audit.MOST)
) -> list[dict[str, Any]]:
    return await audit.events(request.auth, wanted.question, limit)


@router.get(
    "/audit/export",
    summary="Who did what, as a file",
    description="As lines of JSON, or as CSV. `X-Next-After` says where the next file goes on: ask again with it as "
    "`after`. There is no more when it is what you asked with.",
)
async def export(
    request: Request,
    wanted: Query[Wanted],
    format: str = Query("jsonl", max_length=10, description="jsonl or csv"),
    limit: int = Query(MOST_OF_A_FILE, ge=1, le=MOST_OF_A_FILE),
) -> StreamingHttpResponse:
    question = wanted.question
    last = await audit.last_of(request.auth, question, limit, format)
    lines = audit.export(request.auth, question, last, format)
    response = StreamingHttpResponse(lines, content_type=audit.FORMS[format])
    response["X-Next-After"] = str(last)
    response["Content-Disposition"] = f'attachment; filename="audit.{format}"'
    response["Cache-Control"] = "no-store"
    return response
