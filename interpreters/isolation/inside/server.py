"""What stands for a tenant's application: it takes the program and orders, and runs them as its own user.

It is started by its text, as `python -c`, for the image holds nothing of the check's; and is no tenant's, so it is
believed as far as anything is that comes out of a sandbox.
"""

import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

_FOLDER = "/dev/shm/isolation"  # noqa: S108 - the one folder that every application may write to
_MOST = 4 << 20  # bytes


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        """A file, by its name."""
        with open(self._place(), "wb") as file:
            file.write(self._body())
        self._answer(b"")

    def do_POST(self) -> None:
        """Run the program with these orders; the answer is what it has found, as far as it came."""
        orders, results = f"{self._place()}.json", f"{self._place()}.results"
        with open(orders, "wb") as file:
            file.write(self._body())
        words = [sys.executable, "-I", "-S", f"{_FOLDER}/check.pyz", orders, results]
        null = subprocess.DEVNULL
        subprocess.run(words, stdin=null, stdout=null, stderr=null, check=False)
        try:
            with open(results, "rb") as file:
                found = file.read(_MOST)
        except OSError:
            found = b""
        self._answer(found)

    def _place(self) -> str:
        return os.path.join(_FOLDER, os.path.basename(self.path))

    def _body(self) -> bytes:
        return self.rfile.read(min(int(self.headers["Content-Length"]), _MOST))

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        pass


if __name__ == "__main__":
    os.makedirs(_FOLDER, exist_ok=True)
    HTTPServer(("", int(sys.argv[1])), _Handler).serve_forever()
