from datetime import date
from typing import Any, Literal

from django.http import StreamingHttpResponse
from ninja import Field, Router, Schema

from interpreters.api.caller import Request
from interpreters.api.schemas import ERRORS
from interpreters.sessions import metered

router = Router(tags=["usage"])


class Used(Schema):
    name: str = Field(description="Of a member or pool; a day as 2026-11-30, a month as 2026-11.")
    sessions: int
    session_seconds: float
    core_seconds: float
    mib_seconds: float
    execution_seconds: float = Field(description="In which code ran.")
    executions: int = Field(description="That have ended.")


class Quota(Schema):
    quota: str
    value: float
    used: float | None = Field(description="null where it is counted by the minute: see the header RateLimit.")
    left: float | None
    unit: str
    frees_at: float | None = Field(description="When there is room even if nobody does anything.")


class Usage(Schema):
    since: date
    until: date
    by: str
    rows: list[Used]
    total: Used
    quotas: list[Quota]


class OwnUsage(Used):
    since: date
    until: date


@router.get(
    "/usage",
    response={200: Usage, **ERRORS},
    summary="What your tenant used, and what is left of its quotas",
    description="Days are UTC, `until` is the day after the last; without both it is this month. What runs is counted "
    "up to now.",
)
async def read_usage(
    request: Request,
    since: date | None = None,
    until: date | None = None,
    by: Literal["month", "day", "member", "pool"] = "month",
) -> dict[str, Any]:
    return await metered.report(request.auth, metered.period(since, until), by)


@router.get(
    "/usage.csv",
    response={200: str, **ERRORS},
    summary="The same as CSV, a line for each session",
)
async def export_usage(request: Request, since: date | None = None, until: date | None = None) -> StreamingHttpResponse:
    lines = metered.export(request.auth, metered.period(since, until))
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="usage.csv"'
    response["Cache-Control"] = "no-store"
    return response


@router.get("/usage/own", response={200: OwnUsage, **ERRORS}, summary="What your own sessions used")
async def read_own_usage(request: Request, since: date | None = None, until: date | None = None) -> dict[str, Any]:
    return await metered.own(request.auth, metered.period(since, until))
