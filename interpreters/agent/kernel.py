"""One kernel process and the four connections to it: started, asked, interrupted, ended."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress

from .errors import Refusal, unavailable
from .hostlink import HostLink
from .kernelspec import KernelSpec
from .longtext import LongText
from .messages import BadMessage, Json, Message, Signer, new_header
from .zmtp import BadPeer, Feed, Peer, connect

START_DEADLINE = 60.0  # seconds
GRACE = 0.4  # seconds for a kernel that is asked to end
KINDS = {"shell": "DEALER", "control": "DEALER", "stdin": "DEALER", "iopub": "SUB"}
STDERR_KEPT = 4096  # bytes
SUBSHELLS = "kernel subshells"  # it answers questions while it runs a cell


class StartFailed(Exception):
    """The kernel did not come up; the message is its last words."""


class Kernel:
    """`on_message(channel, message)` gets what is not an answer to one of our own questions;
    `on_death(exit_code)` is called once if the process ends while it is `serving`."""

    def __init__(
        self,
        link: HostLink,
        spec: KernelSpec,
        on_message: Callable[[str, Message], None],
        on_death: Callable[[int], None],
    ) -> None:
        self.spec = spec
        self.info: Json = {}
        self.exit_code: int | None = None
        self._link = link
        self._on_message, self._on_death = on_message, on_death
        self._signer = Signer(os.urandom(16).hex())
        self._session = os.urandom(16).hex()
        self._own = f"agent-{os.urandom(6).hex()}-"  # begins the ids of our own questions
        self._count = 0
        self._replies: dict[str, asyncio.Future[Message]] = {}
        self._peers: dict[str, Peer] = {}
        self._pid = 0
        self._output = -1
        self._stderr = b""
        self.serving = False  # set by who has started it: from then on its end is news for `on_death`
        self._ended = asyncio.Event()
        self._heard = asyncio.Event()  # iopub reaches us
        self._subshell: str | None = None
        self._opening = asyncio.Lock()
        self._more_subshells = 3

    @property
    def last_words(self) -> str:
        return self._stderr.decode("utf-8", "replace").strip()

    @property
    def output(self) -> Peer:
        """Where what it prints comes from."""
        return self._peers["iopub"]

    async def start(self, cwd: str, environment: Mapping[str, str]) -> None:
        """Until the kernel answers. Raises StartFailed, Refusal."""
        try:
            async with asyncio.timeout(START_DEADLINE):
                ports = _free_ports()
                self._pid, self._output = await self._link.spawn(
                    self._exited,
                    argv=self.spec.argv,
                    env=self._environment(environment),
                    cwd=cwd,
                    connection=self._connection_file(ports),
                )
                asyncio.get_running_loop().add_reader(self._output, self._read_output)
                await self._connect(ports)
                await self._nudge()
                self._read_output()
                self._stderr = b""  # what kernels say at every start explains no end
        except TimeoutError:
            await self.stop()
            raise StartFailed(f"No answer within {START_DEADLINE:.0f} s. {self.last_words}".strip()) from None
        except (StartFailed, BadPeer) as error:
            await self.stop()
            raise StartFailed(str(error)) from None

    async def stop(self) -> None:
        """Ask it to end, then kill its process group."""
        self.serving = False
        if self._pid and not self._ended.is_set():
            if "control" in self._peers and self._heard.is_set():
                self.send("control", self._header("shutdown_request"), {"restart": False})
                await self._ends_within(GRACE)
            with suppress(Refusal):
                self._link.signal(self._pid, signal.SIGKILL)
            if self._link.alive:
                await self._ends_within(5.0)
        self._close()

    def interrupt(self) -> None:
        if self.spec.interrupt_by_message:
            self.send("control", self._header("interrupt_request"), {})
        else:
            self._link.signal(self._pid, signal.SIGINT)

    def send(
        self, channel: str, header: Json, content: Json, parent: Json | None = None, metadata: Json | None = None
    ) -> None:
        peer = self._peers.get(channel)
        if peer is None:
            raise unavailable("no_kernel", "The kernel is not running: run a cell, or restart it.")
        peer.send(self._signer.pack(header, parent or {}, metadata or {}, content))

    def execute(self, msg_id: str, content: Json) -> None:
        self.send("shell", new_header("execute_request", self._session, msg_id), content)

    def has(self, feature: str) -> bool:
        """Whether it says that it can do this."""
        features = self.info.get("supported_features")
        return isinstance(features, list) and feature in features

    async def ask(self, channel: str, msg_type: str, content: Json, within: float, aside: bool = False) -> Message:
        """A question of our own and its reply; `aside`: in a subshell, if the kernel has them. Raises TimeoutError."""
        header = self._header(msg_type)
        async with asyncio.timeout(within):
            if aside and self.has(SUBSHELLS):
                header |= await self._aside()
            reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
            self._replies[header["msg_id"]] = reply
            try:
                self.send(channel, header, content)
                return await reply
            finally:
                self._replies.pop(header["msg_id"], None)
                if reply.cancelled() and header.get("subshell_id") == self._subshell and self._more_subshells:
                    self._subshell, self._more_subshells = None, self._more_subshells - 1  # user code may hang in it

    async def _aside(self) -> dict[str, str]:
        async with self._opening:  # who asks meanwhile waits for the same one
            if self._subshell is None:
                reply = await self.ask("control", "create_subshell_request", {}, 2.0)
                self._subshell = str(reply.parsed.get("subshell_id") or "")
        return {"subshell_id": self._subshell} if self._subshell else {}

    def _header(self, msg_type: str) -> Json:
        self._count += 1
        return new_header(msg_type, self._session, f"{self._own}{self._count}")

    def _environment(self, given: Mapping[str, str]) -> dict[str, str]:
        path = given.get("PATH") or os.environ.get("PATH", os.defpath)
        if self.spec.programs and self.spec.programs not in path.split(":"):
            path = f"{self.spec.programs}:{path}"
        return {**given, "PATH": path, **self.spec.env}

    def _connection_file(self, ports: Mapping[str, int]) -> str:
        return json.dumps(
            {
                "transport": "tcp",
                "ip": "127.0.0.1",
                "key": self._signer.key.decode(),
                "signature_scheme": "hmac-sha256",
                "kernel_name": self.spec.name,
                **{f"{channel}_port": port for channel, port in ports.items()},
            }
        )

    async def _connect(self, ports: Mapping[str, int]) -> None:
        identity = self._session.encode()  # one for shell and stdin: that is how a kernel finds who to ask for input
        for channel, kind in KINDS.items():
            while channel not in self._peers:
                peer = Peer(kind, identity, self._receiver(channel), self._disconnected, self._long)
                try:
                    self._peers[channel] = await connect(ports[channel], peer)
                except (OSError, TimeoutError):
                    if self._ended.is_set():
                        raise StartFailed(self.last_words or f"It ended with code {self.exit_code}.") from None
                    await asyncio.sleep(0.005)

    async def _nudge(self) -> None:
        """Ask until a reply has come *and* iopub has been heard: a subscription takes effect when it likes."""
        while not (self.info and self._heard.is_set()):
            if self._ended.is_set():
                raise StartFailed(self.last_words or f"It ended with code {self.exit_code}.")
            try:
                self.info = (await self.ask("shell", "kernel_info_request", {}, 0.5 if not self.info else 5)).parsed
                async with asyncio.timeout(0.1):
                    await self._heard.wait()
            except TimeoutError:
                continue

    def _receiver(self, channel: str) -> Callable[[list[bytes], int], None]:
        def receive(frames: list[bytes], lost: int) -> None:
            try:
                message = self._signer.unpack(frames, lost)
            except BadMessage:
                return
            self._take(channel, message)

        return receive

    def _long(self, frames: list[bytes], start: bytes) -> Feed | None:
        """Output so large that it is taken in pieces."""
        text = LongText.begin(frames, start)
        if text is None:
            return None

        def feed(piece: bytes, last: bool) -> None:
            message = text.feed(piece, last)
            if message is not None:
                self._take("iopub", message)

        return feed

    def _take(self, channel: str, message: Message) -> None:
        if channel == "iopub":
            self._heard.set()
        if not message.parent_id.startswith(self._own):
            self._on_message(channel, message)
        elif channel != "iopub":
            reply = self._replies.get(message.parent_id)
            if reply is not None and not reply.done():
                reply.set_result(message)

    def _read_output(self) -> None:
        if self._output < 0:
            return
        try:
            data = os.read(self._output, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._stderr = (self._stderr + data)[-STDERR_KEPT:]
        else:
            self._close_output()

    def _exited(self, code: int) -> None:
        self.exit_code = code
        self._read_output()
        self._ended.set()
        self._close()
        if self.serving:
            self.serving = False
            self._on_death(code)

    def host_lost(self) -> None:
        """Nobody will say how it ended: it is taken for killed."""
        if not self._ended.is_set():
            self._exited(-signal.SIGKILL)

    def _disconnected(self) -> None:
        """A kernel that closes a port has ended, or cannot be used any more."""
        if self.serving and self._pid:
            asyncio.get_running_loop().call_later(1.0, self._end_unusable)

    def _end_unusable(self) -> None:
        if self.serving and not self._ended.is_set():
            self._stderr += b"\nThe kernel closed its connection and was ended."
            self._link.signal(self._pid, signal.SIGKILL)

    async def _ends_within(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()

    def _close(self) -> None:
        for peer in self._peers.values():
            peer.close()
        self._peers.clear()
        self._close_output()
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(unavailable("no_kernel", "The kernel ended: run a cell, or restart it."))

    def _close_output(self) -> None:
        if self._output >= 0:
            asyncio.get_running_loop().remove_reader(self._output)
            os.close(self._output)
            self._output = -1


def _free_ports() -> dict[str, int]:
    sockets = {channel: socket.socket() for channel in (*KINDS, "hb")}
    try:
        for one in sockets.values():
            one.bind(("127.0.0.1", 0))
        return {channel: one.getsockname()[1] for channel, one in sockets.items()}
    finally:
        for one in sockets.values():
            one.close()
