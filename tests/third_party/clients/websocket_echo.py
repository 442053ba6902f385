"""The client of websockets: text, binary, fragments, a large message, a subprotocol, a ping, and how it ends."""

import json
import os
import sys
import time

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

url, token = sys.argv[1:]
headers = {"Authorization": f"Bearer {token}"}
large = os.urandom(1_000_000)
with connect(url, additional_headers=headers, subprotocols=["other", "echo.v1"]) as socket:
    told = {"subprotocol": socket.subprotocol, "echoed": []}
    for message in ("salve", "✓ é", b"\x00\xff", ""):
        socket.send(message)
        told["echoed"].append(socket.recv(timeout=20) == message)
    socket.send(["one ", "message ", "in parts"])
    told["parts"] = socket.recv(timeout=20)
    socket.send(large)
    told["large"] = socket.recv(timeout=20) == large
    for number in range(500):
        socket.send(str(number))
    told["in order"] = [socket.recv(timeout=20) for _ in range(500)] == [str(number) for number in range(500)]
    told["pong"] = socket.ping().wait(20)
    began = time.monotonic()
    socket.send("leave")
    try:
        socket.recv(timeout=20)
    except ConnectionClosed as closed:
        told["closed"] = [closed.rcvd.code, closed.rcvd.reason]
print(json.dumps(told))
