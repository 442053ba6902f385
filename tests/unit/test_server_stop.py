"""A web server that is stopped right after an answer does what it had put off for the answer's sake."""

import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from tests.services import accepts, free_port, wait_until

SERVER = """
import project.server as web
import asyncio, sys
from pathlib import Path
from project import asgi
from interpreters import notices

notices.AFTER_THE_ANSWER = 60

async def application(scope, receive, send):
    notices.answer_first(asyncio.get_running_loop())
    notices.aside(lambda: Path(sys.argv[2]).write_text("written"))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"answered"})

asgi.application = application
web.main(["--port", sys.argv[1]])
"""


def test_what_was_put_off_is_done(tmp_path: Path) -> None:
    file, port = tmp_path / "audit", free_port()
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(port), str(file)])
    try:
        wait_until(lambda: accepts(port), "the web server")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            assert answer.read() == b"answered"
        assert not file.exists()
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
        assert file.read_text() == "written"
    finally:
        server.kill()
        server.wait()
