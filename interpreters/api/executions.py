import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any
from uuid import UUID

import msgspec
from django.http import HttpResponseBase, StreamingHttpResponse
from ninja import Router, Status

from interpreters import sessions
from interpreters.api.caller import Request, still
from interpreters.api.schemas import ERRORS, ExecutionRecord, ExecutionResult, Input, Run
from interpreters.client import Entry
from interpreters.sessions import Problem, access, problems, reading, standing
from tenants.authentication import Actor

router = Router(tags=["executions"])

# Seconds of silence after which an event stream says that it is still there.
PING_EVERY = 15.0


@router.post(
    "/sessions/{uuid:session}/executions",
    response={200: ExecutionResult, 202: ExecutionRecord, **ERRORS},
    summary="Run code",
    description="`sync` answers 200 with outputs, or 202 if `timeout` passes first. `async` answers 202 at once. "
    "`stream` answers with the entries of its log, as lines of JSON, or as events for `Accept: text/event-stream`.",
)
async def execute(request: Request, session: UUID, wanted: Run) -> Any:
    code = sessions.request(
        wanted.code,
        id=wanted.id,
        context=wanted.context,
        cell=wanted.cell,
        stop_on_error=wanted.stop_on_error,
        allow_stdin=wanted.mode != "sync" if wanted.allow_stdin is None else wanted.allow_stdin,
    )
    found = await sessions.running(request.auth, session)
    if wanted.mode == "stream":
        entries = sessions.stream(request.auth, found, code)
        return await _streamed(request, entries, lambda actor: access.find(actor, session))
    if wanted.mode == "async":
        await sessions.start(request.auth, found, code)
        return Status(202, ExecutionRecord.of(await sessions.read(request.auth, code.id)))
    execution = await sessions.run(request.auth, found, code, wanted.timeout)
    if execution.final:
        return Status(200, ExecutionResult.of(execution))
    return Status(202, ExecutionRecord.of(execution))


@router.get(
    "/sessions/{uuid:session}/executions",
    response={200: list[ExecutionRecord], **ERRORS},
    summary="The newest executions of a session",
)
async def list_executions(request: Request, session: UUID) -> list[ExecutionRecord]:
    return [ExecutionRecord.of(row) for row in await sessions.list_of(request.auth, session)]


@router.get("/executions/{uuid:execution}", response={200: ExecutionResult, **ERRORS}, summary="An execution so far")
async def get_execution(request: Request, execution: UUID) -> ExecutionResult:
    return ExecutionResult.of(await sessions.read(request.auth, execution))


@router.get(
    "/executions/{uuid:execution}/stream",
    response={200: dict[str, Any], **ERRORS},
    summary="What an execution says, from an entry on",
    description="Entries past `after`, or past the `Last-Event-ID` of an event stream, up to its end.",
)
async def stream_execution(request: Request, execution: UUID, after: int = 0) -> HttpResponseBase:
    last = request.headers.get("Last-Event-ID", "")
    start = int(last) if last.isascii() and last.isdecimal() and len(last) < 16 else after
    if not 0 <= start < 2**53:
        raise problems.BadRequest("`after` must be the seq of the last entry that you have, or 0.")
    entries = sessions.replay(request.auth, execution, start)
    return await _streamed(request, entries, lambda actor: reading.look_up(actor, execution))


@router.delete(
    "/executions/{uuid:execution}", response={202: None, **ERRORS}, summary="Take it from the queue, or interrupt it"
)
async def cancel_execution(request: Request, execution: UUID) -> Status[None]:
    await sessions.cancel(request.auth, execution)
    return Status(202, None)


@router.post(
    "/executions/{uuid:execution}/input", response={204: None, **ERRORS}, summary="Answer what its input() asks"
)
async def give_input(request: Request, execution: UUID, answer: Input) -> Status[None]:
    await sessions.give_input(request.auth, execution, answer.value)
    return Status(204, None)


# --- Streams ---


async def _streamed(
    request: Request, entries: AsyncGenerator[Entry, None], find: Callable[[Actor], object]
) -> StreamingHttpResponse:
    """The entries as they come, while who asks may `find` them. What keeps the first from coming has its status."""
    entries = standing.while_allowed(entries, request.auth, still(request, find))
    events = "text/event-stream" in request.headers.get("Accept", "")
    first = await anext(entries, None)
    lines = (_events if events else _lines)(first, entries)
    response = StreamingHttpResponse(lines, content_type="text/event-stream" if events else "application/x-ndjson")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"  # a proxy in front must not hold lines back
    return response


async def _lines(first: Entry | None, entries: AsyncGenerator[Entry, None]) -> AsyncIterator[str]:
    try:
        if first is not None:
            yield first.raw + "\n"
        async for entry in entries:
            yield entry.raw + "\n"
    except Problem as problem:
        yield _told(problem) + "\n"
    finally:
        await entries.aclose()


async def _events(first: Entry | None, entries: AsyncGenerator[Entry, None]) -> AsyncIterator[str]:
    """Server-sent events. JSON has no raw line feed, so an entry is one line of data."""
    pending: asyncio.Task[Entry] | None = None
    try:
        if first is not None:
            yield _event(first)
        while True:
            pending = pending or asyncio.ensure_future(anext(entries))
            done, _ = await asyncio.wait({pending}, timeout=PING_EVERY)
            if done:
                yield _event(pending.result())
                pending = None
            else:
                yield ": still there\n\n"
    except StopAsyncIteration:
        yield "event: end\ndata: {}\n\n"
    except Problem as problem:
        yield f"event: error\ndata: {_told(problem)}\n\n"
    finally:
        if pending is not None and not pending.done():
            pending.cancel()
            await asyncio.wait({pending})
        await entries.aclose()


def _event(entry: Entry) -> str:
    return f"id: {entry.seq}\ndata: {entry.raw}\n\n"


def _told(problem: Problem) -> str:
    return msgspec.json.encode({"error": problem.code, "message": problem.message}).decode()
