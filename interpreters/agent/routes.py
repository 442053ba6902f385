"""Which request asks for what: `docs/protocol.md` §2, line by line."""

from collections.abc import AsyncGenerator
from typing import Any

from .channels import input_value, serve_channels, stream_log
from .errors import Refusal, bad_request
from .http import Request, Response, answer
from .log import Owner
from .messages import Json, dump
from .ports import server_ports
from .proxy import proxy
from .questions import question_of
from .sandbox import Sandbox


class Routes:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def __call__(self, request: Request) -> Response | None:
        sandbox = self._sandbox
        match (request.method, *request.path.strip("/").split("/")):
            case ("GET", "health"):
                return answer(sandbox.health())
            case ("GET", "contexts"):
                return answer([context.describe() for context in sandbox.contexts.values()])
            case ("POST", "contexts"):
                return await self._open_context(request)
            case ("DELETE", "contexts", name):
                await sandbox.close_context(name)
                return Response(204)
            case ("POST", "contexts", name, verb):
                return await self._context_verb(request, name, verb)
            case (_, "executions", name, *rest):
                return self._execution(request, name, rest)
            case ("GET", "log"):
                if request.query.get("follow") == "1":
                    await stream_log(sandbox, request)
                    return None
                return Response(200, self._log(request.number("after", 0)), "application/x-ndjson")
            case ("GET", "channels"):
                await serve_channels(sandbox, request)
                return None
            case ("GET", "terminals"):
                return answer(sandbox.terminals.describe())
            case ("GET", "terminals", name):
                await sandbox.terminals.serve(request, name)
                return None
            case ("DELETE", "terminals", name):
                sandbox.terminals.close(name)
                return Response(204)
            case ("GET", "ports"):
                return answer([{"port": port} for port in server_ports()])
            case ("GET", "usage"):
                return answer(sandbox.meter.read())
            case ("GET", "archive"):
                sandbox.touch()
                return await sandbox.archives.download(request.query.get("path", ""), request.query.get("only", ""))
            case ("POST", "archive"):
                sandbox.touch()
                return await sandbox.archives.upload(request, request.query.get("path", ""))
            # Keeping files is no use of a session: it would never be idle.
            case ("GET", "keep", "survey"):
                return await sandbox.archives.survey()
            case ("GET", "keep"):
                return await sandbox.archives.keep()
            case ("PUT", "keep"):
                return await sandbox.archives.restore(request)
            case (_, "proxy", port, *_):
                sandbox.touch()
                path = request.target.partition("?")[0].split("/", 3)[3:]  # as it came: what is quoted stays quoted
                await proxy(request, port, "".join(path))
                return None
            case (method, "files", *names):
                if request.query.get("quiet") != "1":  # who looks on by the clock does not use it
                    sandbox.touch()
                return await self._files(request, method, "/".join(names))
        raise Refusal(404, "not_found", f"There is nothing at {request.method} {request.path:.200}")

    async def _open_context(self, request: Request) -> Response:
        body = await request.json()
        kernel, name, cwd = (body.get(key) or "" for key in ("kernel", "id", "cwd"))
        if not (isinstance(kernel, str) and isinstance(name, str) and isinstance(cwd, str)):
            raise bad_request("`kernel`, `id` and `cwd` must be texts")
        self._sandbox.touch()
        context = await self._sandbox.open_context(kernel, name, cwd)
        return answer(context.describe(), 201)

    async def _context_verb(self, request: Request, name: str, verb: str) -> Response:
        context = self._sandbox.context(name)
        body = await request.json()
        match verb:
            case "executions":
                return answer(self._sandbox.record(self._sandbox.execute(name, body)), 202)
            case "interrupt":
                context.interrupt()
                return answer({}, 202)
            case "restart":
                self._sandbox.touch()
                await context.restart()
                return answer(context.describe())
            case "input":
                self._sandbox.touch()
                context.answer(input_value(body))
                return Response(204)
            case "complete" | "inspect" | "is_complete":
                return answer(await context.ask(f"{verb}_request", question(verb, body)))
            case "ask":
                return answer(await context.ask_about(*question_of(body)))
        raise Refusal(404, "not_found", f"A context has no verb {verb!r:.80}")

    def _execution(self, request: Request, name: str, rest: list[str]) -> Response:
        execution = self._sandbox.execution(name)
        match (request.method, *rest):
            case ("GET",):
                return answer(self._sandbox.record(execution))
            case ("GET", "outputs"):
                return self._outputs(name)
            case ("DELETE",):
                self._sandbox.cancel(name)
                return answer(self._sandbox.record(execution))
        raise Refusal(404, "not_found", "An execution can be read, deleted, and has `outputs`")

    def _outputs(self, name: str) -> Response:
        execution = self._sandbox.execution(name)
        journal = self._sandbox.journal
        owner = Owner(execution.context, name)
        journal.flush(owner)
        messages, cut = journal.log.outputs(owner)
        record = dump(self._sandbox.record(execution))

        async def body() -> AsyncGenerator[bytes, None]:  # in pieces: as a whole it may be half as large as the log
            yield b'{"record":' + record + b',"messages":['
            for number, message in enumerate(messages):
                yield b"," + message if number else message
            yield b'],"cut":' + dump(cut) + b"}"

        return Response(200, body())

    async def _files(self, request: Request, method: str, path: str) -> Response:
        files = self._sandbox.files
        match method, path:
            case "GET", "":
                return await files.list(request.query.get("path", ""))
            case "GET", _:
                return await files.download(request, path)
            case "PUT", _:
                return await files.upload(request, path)
            case "POST", _:
                return await files.make(path)
            case "PATCH", _:
                return await files.move(request, path)
            case "DELETE", _:
                return await files.delete(path)
        raise Refusal(404, "not_found", "Files can be listed, read, put, made as a folder (POST), moved and deleted")

    async def _log(self, after: int) -> AsyncGenerator[bytes, None]:
        log = self._sandbox.journal.log
        end = log.seq
        while after < end:
            batch, after = log.read(after)
            yield b"\n".join([*batch, b""])


def question(verb: str, body: Json) -> dict[str, Any]:
    """The content of a completion or inspection request. Raises Refusal(400)."""
    code = body.get("code")
    if not isinstance(code, str) or len(code) > 1 << 20:
        raise bad_request("`code` must be a text of at most 1 MiB")
    if verb == "is_complete":
        return {"code": code}
    position, detail = body.get("cursor_pos", len(code)), body.get("detail_level", 0)
    if not isinstance(position, int) or isinstance(position, bool) or not 0 <= position <= len(code):
        raise bad_request("`cursor_pos` must be a number of code points within `code`")
    if detail not in (0, 1):
        raise bad_request("`detail_level` must be 0 or 1")
    return {"code": code, "cursor_pos": position} | ({"detail_level": detail} if verb == "inspect" else {})
