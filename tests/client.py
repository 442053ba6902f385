"""A client of the public REST and WebSocket protocols that checks what it is told: no lost output, no second holder."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

FINAL = ("ok", "error", "aborted", "cancelled", "lost")
# Much more than anything takes, on a machine that does other things too.
PATIENCE = 60.0

Message = dict[str, Any]


@dataclass
class Answer:
    status: int
    headers: Any
    body: Any


@dataclass
class Client:
    """One token's view of a running installation."""

    http: aiohttp.ClientSession
    # Session → (token, identifier), of all clients of one installation.
    holders: dict[str, tuple[str, str]] = field(default_factory=dict)
    name: str = ""
    # What it opened and did not close: a test that fails must not leave a full pool to its next try.
    opened: set[str] = field(default_factory=set)

    async def call(self, method: str, path: str, body: object = None, **options: Any) -> Answer:
        """One REST call; `data=` sends bytes instead of JSON."""
        if body is not None:
            options["json"] = body
        async with self.http.request(method, f"/api/v1{path}", **options) as response:
            content = await response.read()
            is_json = response.content_type == "application/json" and content
            return Answer(response.status, response.headers, json.loads(content) if is_json else content)

    async def want(self, method: str, path: str, body: object = None, **options: Any) -> Any:
        """The body of an answer that must be a success."""
        answer = await self.call(method, path, body, **options)
        assert answer.status < 300, f"{method} {path}: {answer.status} {answer.body}"
        return answer.body

    async def try_open(self, pool: str, identifier: str = "") -> Answer:
        """Ask once for a session. Fails if it was ever somebody else's."""
        identifier = identifier or uuid.uuid4().hex
        answer = await self.call("POST", "/sessions", {"pool": pool, "identifier": identifier})
        if answer.status in (200, 201, 202):
            holder = self.holders.setdefault(answer.body["id"], (self.name, identifier))
            assert holder == (self.name, identifier), f"{answer.body['id']} has two holders"
            self.opened.add(answer.body["id"])
        return answer

    async def open(self, pool: str = "python", identifier: str = "", patience: float = PATIENCE) -> str:
        """The id of a session that runs."""
        identifier = identifier or uuid.uuid4().hex
        async with asyncio.timeout(patience):
            while True:
                answer = await self.try_open(pool, identifier)
                if answer.status in (200, 201):
                    return str(answer.body["id"])
                assert answer.status in (202, 429, 503), answer
                await asyncio.sleep(0.1)

    async def run(self, session: str, code: str, **fields: Any) -> Message:
        """An execution that has ended, over REST."""
        body = {"code": code, "timeout": PATIENCE, **fields}
        execution: Message = await self.want("POST", f"/sessions/{session}/executions", body)
        return execution

    async def settled(self, execution: str) -> Message:
        """An execution once it has ended and its outputs are kept."""
        async with asyncio.timeout(PATIENCE):
            while True:
                record: Message = await self.want("GET", f"/executions/{execution}")
                if record["state"] in FINAL:
                    return record
                await asyncio.sleep(0.05)

    async def close(self, session: str) -> None:
        await self.call("DELETE", f"/sessions/{session}")
        self.opened.discard(session)

    async def close_all(self) -> None:
        """End what is open still, as far as somebody answers."""
        with suppress(aiohttp.ClientError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*(self.close(session) for session in list(self.opened)))

    @asynccontextmanager
    async def session(self, pool: str = "python") -> AsyncIterator[str]:
        session = await self.open(pool)
        try:
            yield session
        finally:
            await self.close(session)

    @asynccontextmanager
    async def tab(self, session: str, after: int = 0, **options: Any) -> AsyncIterator["Tab"]:
        path = f"/ws/sessions/{session}/channels?after={after}"
        async with self.http.ws_connect(path, max_msg_size=0, **options) as socket:
            tab = Tab(socket, after)
            reader = asyncio.create_task(tab.read())
            try:
                yield tab
            finally:
                reader.cancel()
                await asyncio.wait([reader])
        # What read() found wrong fails the test, even one that had all that it asked for.
        if not reader.cancelled():
            reader.result()

    @asynccontextmanager
    async def terminal(self, session: str, name: str = "main") -> AsyncIterator["Terminal"]:
        async with self.http.ws_connect(f"/ws/sessions/{session}/terminals/{name}?rows=24&cols=80") as socket:
            yield Terminal(socket)


@dataclass
class Tab:
    """The WebSocket of a notebook page. It keeps all messages, and fails where the log has a hole."""

    socket: aiohttp.ClientWebSocketResponse
    seq: int = 0
    messages: list[Message] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _ended: bool = False

    async def read(self) -> None:
        try:
            async for frame in self.socket:
                assert frame.type is aiohttp.WSMsgType.TEXT, f"a tab was sent {frame.type}"
                message = json.loads(frame.data)
                self._check(message)
                async with self._news:
                    self.messages.append(message)
                    self._news.notify_all()
        finally:
            self._ended = True
            async with self._news:
                self._news.notify_all()

    def _check(self, message: Message) -> None:
        if "seq" not in message:
            assert message["channel"] == "session", f"an entry without seq: {message}"
            return
        cut = message["header"]["msg_type"] == "cut"
        expected = message["seq"] > self.seq if cut or self._after_cut else message["seq"] == self.seq + 1
        assert expected, f"{message['seq']} after {self.seq}"
        self.seq, self._after_cut = message["seq"], cut

    _after_cut = False

    async def first(self, which: Callable[[Message], bool], what: str, patience: float = PATIENCE) -> Message:
        """The first message, old or new, that is so. Raises ConnectionError when the socket ends before."""
        seen = 0
        try:
            async with asyncio.timeout(patience):
                while True:
                    for message in self.messages[seen:]:
                        if which(message):
                            return message
                    seen = len(self.messages)
                    if self._ended:
                        raise ConnectionError(f"closed with {self.socket.close_code} before {what}")
                    async with self._news:
                        await self._news.wait_for(lambda seen=seen: len(self.messages) > seen or self._ended)
        except TimeoutError:
            tail = json.dumps(self.messages[-8:], indent=1)[:4000]
            raise AssertionError(f"no {what} within {patience} s; the last messages: {tail}") from None

    async def closed(self, patience: float = PATIENCE) -> int | None:
        """The code that the server closed with."""
        async with asyncio.timeout(patience), self._news:
            await self._news.wait_for(lambda: self._ended)
        return self.socket.close_code

    # --- Cells ---

    async def send(self, **message: Any) -> None:
        await self.socket.send_str(json.dumps(message))

    async def start(self, code: str, **fields: Any) -> str:
        """Ask for an execution; returns its id."""
        execution = str(uuid.uuid4())
        await self.send(type="execute", id=execution, code=code, **fields)
        return execution

    async def end(self, execution: str, patience: float = PATIENCE) -> Message:
        """The final execution_state of an execution."""

        def final(message: Message) -> bool:
            return belongs(message, execution, "execution_state") and message["content"]["state"] in FINAL

        content: Message = (await self.first(final, f"end of {execution}", patience))["content"]
        return content

    async def run(self, code: str, patience: float = PATIENCE) -> tuple[Message, str]:
        """How a cell ended, and what it printed."""
        execution = await self.start(code)
        ended = await self.end(execution, patience)
        return ended, self.text(execution)

    async def printed(self, execution: str, text: str, patience: float = PATIENCE) -> None:
        """Return once the execution has printed this."""
        await self.first(lambda _: text in self.text(execution), f"{text!r}", patience)

    async def kernel(self, state: str, **content: Any) -> Message:
        """The first kernel_state that is so."""

        def found(message: Message) -> bool:
            wanted = {"state": state, **content}
            return kind(message) == "kernel_state" and wanted.items() <= message["content"].items()

        told: Message = (await self.first(found, f"kernel {state} {content}"))["content"]
        return told

    async def told(self, type: str, **fields: Any) -> Message:
        """The first message of the channel `session` that is so."""
        wanted = {"channel": "session", "type": type, **fields}
        return await self.first(lambda message: wanted.items() <= message.items(), f"{type} {fields}")

    def text(self, execution: str) -> str:
        return "".join(m["content"]["text"] for m in self.messages if belongs(m, execution, "stream"))

    def of(self, execution: str, msg_type: str) -> list[Message]:
        """Contents of all messages of one type that belong to an execution."""
        return [message["content"] for message in self.messages if belongs(message, execution, msg_type)]


def kind(message: Message) -> str:
    return str(message.get("header", {}).get("msg_type", ""))


def belongs(message: Message, execution: str, msg_type: str) -> bool:
    return kind(message) == msg_type and message["parent_header"].get("msg_id") == execution


@dataclass
class Terminal:
    socket: aiohttp.ClientWebSocketResponse
    seen: str = ""
    notices: list[Message] = field(default_factory=list)

    async def type(self, text: str) -> None:
        await self.socket.send_bytes(text.encode())

    async def shows(self, text: str, patience: float = PATIENCE) -> None:
        """Return once the screen has shown this."""
        async with asyncio.timeout(patience):
            while text not in self.seen:
                message = await self.socket.receive()
                if message.type is aiohttp.WSMsgType.BINARY:
                    self.seen += message.data.decode(errors="replace")
                elif message.type is aiohttp.WSMsgType.TEXT:
                    self.notices.append(json.loads(message.data))
                else:
                    raise ConnectionError(f"closed with {self.socket.close_code} before {text!r}: {self.seen!r}")
