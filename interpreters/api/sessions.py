import re
from typing import Any
from urllib.parse import quote
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from ninja import Router, Status

from interpreters import models, sessions
from interpreters.api.caller import Request
from interpreters.api.schemas import ERRORS, Asking, Open, Preview, PreviewWish, Question, Session, Token, TokenWish

router = Router(tags=["sessions"])


@router.post(
    "/sessions",
    response={200: Session, 201: Session, 202: Session, **ERRORS},
    summary="Open your session of an identifier",
    description="200: it runs already. 201: it was just given to you. 202: none was ready, so one is being started; "
    "ask again, or follow its WebSocket. 429: the pool is full, try again after `Retry-After` seconds.",
)
async def open_session(request: Request, wanted: Open) -> Status[dict[str, Any]]:
    lease = await sessions.open(request.auth, wanted.pool, wanted.identifier)
    described = await sessions.described(lease.session)
    return Status(202 if lease.cold else 201 if lease.fresh else 200, described)


@router.get("/sessions", response={200: list[Session], **ERRORS}, summary="The sessions that are starting or running")
async def list_sessions(request: Request) -> list[dict[str, Any]]:
    return [await sessions.described(session) for session in await sessions.list_open(request.auth)]


@router.get("/sessions/{uuid:session}", response={200: Session, **ERRORS}, summary="What a session is doing")
async def get_session(request: Request, session: UUID) -> dict[str, Any]:
    return await sessions.described(await sessions.get(request.auth, session))


@router.delete("/sessions/{uuid:session}", response={200: Session, **ERRORS}, summary="End a session")
async def close_session(request: Request, session: UUID) -> dict[str, Any]:
    return await sessions.described(await sessions.close(request.auth, session))


@router.post("/sessions/{uuid:session}/keep-alive", response={200: Session, **ERRORS}, summary="Count it as used now")
async def keep_alive(request: Request, session: UUID) -> dict[str, Any]:
    return await sessions.described(await sessions.keep_alive(request.auth, session))


@router.post("/sessions/{uuid:session}/interrupt", response={204: None, **ERRORS}, summary="Stop the code that runs")
async def interrupt(request: Request, session: UUID, context: str = "default") -> Status[None]:
    await sessions.interrupt(request.auth, session, context)
    return Status(204, None)


@router.post("/sessions/{uuid:session}/restart", response={204: None, **ERRORS}, summary="Start a new kernel")
async def restart(request: Request, session: UUID, context: str = "default") -> Status[None]:
    await sessions.restart(request.auth, session, context)
    return Status(204, None)


@router.post(
    "/sessions/{uuid:session}/tokens", response={201: Token, **ERRORS}, summary="A token for this session only"
)
async def issue_token(request: Request, response: HttpResponse, session: UUID, wish: TokenWish) -> Status[Token]:
    response["Cache-Control"] = "no-store"
    token, secret = await sessions.issue_token(request.auth, session, wish.lifetime)
    assert token.expires_at is not None
    return Status(201, Token(token=secret, session=session, expires_at=token.expires_at.timestamp()))


@router.post(
    "/sessions/{uuid:session}/previews",
    response={201: Preview, **ERRORS},
    summary="A link that opens a server in the sandbox in a browser",
    description="On a host of its own, so that what runs there reaches nothing of ours. The browser that opens the "
    "link may come back for 12 hours, until the session ends.",
)
async def open_preview(request: Request, response: HttpResponse, session: UUID, wish: PreviewWish) -> Status[Preview]:
    response["Cache-Control"] = "no-store"
    preview = await sessions.ports.open_preview(request.auth, session, wish.port)
    url = preview_address(preview, request.scheme or "http", request.get_host())
    return Status(201, Preview(url=url, expires_at=preview.ticket_expires_at.timestamp()))


def preview_address(preview: models.Preview, scheme: str, host: str) -> str:
    """Where its ticket is taken: on a host of its own, at the port by which we were asked."""
    port = re.search(r":\d+$", host)
    label = f"{preview.session_id.hex}-{preview.port}"
    origin = f"{scheme}://{label}.{settings.PREVIEW_HOST}{port[0] if port else ''}"
    return f"{origin}/.thermae/enter?ticket={quote(preview.ticket)}"


@router.post(
    "/sessions/{uuid:session}/complete", response={200: dict[str, Any], **ERRORS}, summary="Completions at a cursor"
)
async def complete(request: Request, session: UUID, question: Question) -> dict[str, Any]:
    found = await sessions.get(request.auth, session)
    return await sessions.ask_kernel(found, "complete", question.code, question.cursor_pos, context=question.context)


@router.post(
    "/sessions/{uuid:session}/inspect", response={200: dict[str, Any], **ERRORS}, summary="Help on what is at a cursor"
)
async def inspect(request: Request, session: UUID, question: Question) -> dict[str, Any]:
    found = await sessions.get(request.auth, session)
    return await sessions.ask_kernel(
        found, "inspect", question.code, question.cursor_pos, question.detail_level, question.context
    )


@router.post("/sessions/{uuid:session}/ask", response={200: dict[str, Any], **ERRORS}, summary="What the kernel holds")
async def ask(request: Request, session: UUID, question: Asking) -> dict[str, Any]:
    found = await sessions.get(request.auth, session)
    return await sessions.ask_about(found, question.about, question.arguments, question.context)
