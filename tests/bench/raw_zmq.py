"""The floor: a Jupyter client of the standard library and pyzmq alone, to run beside a kernel in its sandbox.

It reads commands as JSON lines from stdin and answers each with one JSON line:

    {"do": "run", "times": 50}   seconds of each of 50 round trips of `1+1`
    {"do": "spawn", "python": "…"} start a kernel of its own, seconds until it answered
    {"do": "flood", "code": "…"} bytes of stream text and seconds until idle

A round trip ends when both the reply and the `idle` status have arrived, as it does for the others.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import zmq

DELIMITER = b"<IDS|MSG>"


def find_connection_file() -> str:
    """The connection file of the kernel that runs in this sandbox, from its command line."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        for word in words:
            if word.endswith(".json") and Path(word).is_file() and b"shell_port" in Path(word).read_bytes():
                return word
    raise SystemExit("No kernel runs here.")


class Kernel:
    """Sockets to one kernel."""

    def __init__(self, connection_file: str) -> None:
        self.connection = json.loads(Path(connection_file).read_text())
        self.key = self.connection["key"].encode()
        self.session = uuid.uuid4().hex
        context: zmq.Context[Any] = zmq.Context.instance()
        self.shell = self._connect(context, zmq.DEALER, "shell")
        self.iopub = self._connect(context, zmq.SUB, "iopub")
        self.poller = zmq.Poller()
        self.poller.register(self.shell, zmq.POLLIN)
        self.poller.register(self.iopub, zmq.POLLIN)

    def _connect(self, context: zmq.Context[Any], kind: int, channel: str) -> zmq.Socket[Any]:
        socket: zmq.Socket[Any] = context.socket(kind)
        socket.linger = 0
        socket.rcvhwm = 0
        socket.reconnect_ivl = 10
        if kind == zmq.SUB:
            socket.subscribe(b"")
        ip, port = self.connection["ip"], self.connection[f"{channel}_port"]
        separator = ":" if self.connection["transport"] == "tcp" else "-"
        socket.connect(f"{self.connection['transport']}://{ip}{separator}{port}")
        return socket

    def request(self, msg_type: str, content: dict[str, Any]) -> str:
        msg_id = uuid.uuid4().hex
        header = {
            "msg_id": msg_id, "msg_type": msg_type, "session": self.session, "username": "bench",
            "date": "2026-01-01T00:00:00Z", "version": "5.3",
        }  # fmt: skip
        frames = [json.dumps(part).encode() for part in (header, {}, {}, content)]
        digest = hmac.new(self.key, digestmod=hashlib.sha256)
        for frame in frames:
            digest.update(frame)
        self.shell.send_multipart([DELIMITER, digest.hexdigest().encode(), *frames])
        return msg_id

    def finish(self, msg_id: str, timeout: float = 120) -> int:
        """Wait for the reply and for `idle`; returns the bytes of stream text seen on the way."""
        replied = idle = False
        printed = 0
        deadline = time.monotonic() + timeout
        while not (replied and idle):
            ready = self.poller.poll(1000)
            if not ready and time.monotonic() > deadline:
                raise SystemExit(f"The kernel did not finish within {timeout} s.")
            for socket, _ in ready:
                frames = socket.recv_multipart()
                header, parent, _, content = frames[frames.index(DELIMITER) + 2 :][:4]
                if json.loads(parent or b"{}").get("msg_id") != msg_id:
                    continue
                if socket is self.shell:
                    replied = True
                    continue
                msg_type = json.loads(header)["msg_type"]
                if msg_type == "stream":
                    printed += len(json.loads(content)["text"])
                elif msg_type == "status":
                    idle = json.loads(content)["execution_state"] == "idle"
        return printed

    def await_subscription(self) -> None:
        """A subscriber that joined late misses the first messages; ipykernel 6.30 and later greet one that is in."""
        self.iopub.poll(500)

    def execute(self, code: str) -> int:
        content = {
            "code": code, "silent": False, "store_history": True, "user_expressions": {},
            "allow_stdin": False, "stop_on_error": True,
        }  # fmt: skip
        return self.finish(self.request("execute_request", content))

    def time(self, code: str) -> float:
        began = time.perf_counter()
        self.execute(code)
        return time.perf_counter() - began


def spawn(python: str) -> tuple[subprocess.Popen[bytes], str]:
    """Start an ipykernel of our own, without history as in a sandbox."""
    folder = tempfile.mkdtemp()
    connection: dict[str, object] = {"transport": "ipc", "ip": f"{folder}/k", "key": uuid.uuid4().hex}
    for number, channel in enumerate(("shell", "iopub", "stdin", "control", "hb"), 1):
        connection[f"{channel}_port"] = number
    file = Path(folder, "kernel.json")
    file.write_text(json.dumps({**connection, "signature_scheme": "hmac-sha256"}))
    words = [python, "-m", "ipykernel_launcher", "-f", str(file), "--HistoryManager.enabled=False"]
    return subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), str(file)


def main() -> None:
    kernel: Kernel | None = None
    process: subprocess.Popen[bytes] | None = None
    for line in sys.stdin:
        order = json.loads(line)
        answer: dict[str, Any] = {}
        if order["do"] == "spawn":
            began = time.perf_counter()
            process, file = spawn(order.get("python", sys.executable))
            kernel = Kernel(file)
            kernel.finish(kernel.request("kernel_info_request", {}))
            answer["seconds"] = time.perf_counter() - began
        elif kernel is None:
            kernel = Kernel(find_connection_file())
            kernel.await_subscription()
        if order["do"] == "run":
            answer["seconds"] = [kernel.time(order.get("code", "1+1")) for _ in range(order["times"])]
        elif order["do"] == "flood":
            began = time.perf_counter()
            answer["bytes"] = kernel.execute(order["code"])
            answer["seconds"] = time.perf_counter() - began
        print(json.dumps(answer), flush=True)
    if process:
        process.kill()


if __name__ == "__main__":
    main()
