"""A tenant's application for tests: `app.py serve PORT`, and the ways in which one goes wrong."""

import contextlib
import io
import os
import sys
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

hung = threading.Event()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/hang":
            hung.set()
        elif self.path == "/leave":
            threading.Timer(0.2, os._exit, (0,)).start()
        elif self.path == "/redirect":
            return self.answer(b"", 302)
        elif self.path == "/failing":
            return self.answer(b"no", 500)
        elif self.path == "/healthz" and hung.is_set():
            time.sleep(60)
        elif self.path == "/slow":
            time.sleep(2)
        return self.answer(f"{self.path} says hello".encode())

    def do_POST(self) -> None:
        """Run Python that is sent here; what it prints is the answer."""
        code = self.rfile.read(int(self.headers["Content-Length"])).decode()
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            try:
                exec(code, {})
            except BaseException:
                traceback.print_exc(file=said)
        self.answer(said.getvalue().encode())

    def answer(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def serve(port: str) -> None:
    print(f"listening at {port}", flush=True)
    ThreadingHTTPServer(("", int(port)), Handler).serve_forever()


def fail(code: str) -> None:
    print(f"no database, and the password is {os.environ.get('PASSWORD')}", flush=True)
    sys.exit(int(code))


def sleep(seconds: str) -> None:
    time.sleep(float(seconds))


if __name__ == "__main__":
    {"serve": serve, "fail": fail, "sleep": sleep}[sys.argv[1]](sys.argv[2])
