"""The order of things; each part is a module beside this one."""

import argparse
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from project.supervisor import engine, redis
from project.supervisor.children import Child, ChildFailed
from project.supervisor.console import duration, say, step
from project.supervisor.lock import AlreadyRunning, RunLock
from project.supervisor.trial import Api, TrialFailed, run_cell

BASE_DIR = Path(__file__).resolve().parents[2]
# Threads of the worker: launches, teardowns and ticks wait for the engine more than they work.
WORKER_THREADS = "12"


class Stopped(BaseException):
    """Ctrl-C, SIGTERM or SIGHUP: stop in order. Not an Exception, so that nothing on the way takes it for an error."""


class Refused(Exception):
    """The run cannot begin; the message says what to do."""


class Supervisor:
    def __init__(self, host: str, port: int, only: bool) -> None:
        self.host, self.port, self.only = host, port, only
        self.password = ""
        self.state = Path(os.environ.setdefault("THERMAE_STATE_DIR", str(BASE_DIR / "var")))
        self.logs = self.state / "logs"
        self.children: list[Child] = []
        self.lock: RunLock | None = None
        self.shared = self.state / "run.env"
        self._images: dict[str, str] = {}
        self._to_build: list[str] = []

    @property
    def api_host(self) -> str:
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104

    @property
    def url(self) -> str:
        return f"http://{f'[{self.api_host}]' if ':' in self.api_host else self.api_host}:{self.port}"

    # --- Up ---

    def run(self) -> None:
        """Start everything, and watch it until told to stop. Raises Stopped, or what went wrong."""
        began = time.monotonic()
        self._claim()
        self._configure()
        self._choose_password()
        self._start_redis()
        self._share()
        import django

        django.setup()
        from project.supervisor import installation

        with step("Database is up to date"):
            installation.migrate()
            installation.seed(self.password)
            installation.collect_static()
        # The web server comes up while the image is looked at.
        web = self._start_web()
        self._prepare_runtime()
        self._start_worker()
        api = self._wait_for(web)
        with step("An instance of Python is warm") as waiting:
            installation.wait_for_ready(installation.FIRST, waiting.detail, self._check)
        self._try_a_cell(api)
        say(f"\nReady: {self.url}   (after {duration(time.monotonic() - began)}; Ctrl-C stops)")
        say(f"  Log in as demo, password {self.password}\n")
        self._build_the_rest()
        self._watch()

    def _claim(self) -> None:
        if os.environ.get("THERMAE_PRODUCTION", "").lower() in ("1", "true", "yes", "on"):
            raise Refused("make run is for a laptop or a trial. For production see docs/operations.md.")
        self.logs.mkdir(parents=True, exist_ok=True)
        self.state.chmod(0o700)
        try:
            self.lock = RunLock(self.state / "run.lock")
        except AlreadyRunning as error:
            raise Refused(
                f"Thermae already runs from {self.state}, as process {error}. Stop it first, "
                "or set THERMAE_STATE_DIR to another folder for a second one."
            ) from None
        self.shared.unlink(missing_ok=True)
        stale = self.lock.end_stale()
        if stale:
            say(f"  ✓ Ended what a killed run had left: {', '.join(stale)}")
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError as error:
                raise Refused(
                    f"Cannot listen on {self.host}:{self.port} ({error.strerror}). "
                    f"Choose another port: make run PORT={self.port + 1}"
                ) from None
        for log in self.logs.glob("*.log"):
            log.replace(log.with_suffix(".log.1"))

    def _configure(self) -> None:
        """Decide, once, what the settings of all processes will read from the environment."""
        environment = os.environ
        environment["DJANGO_SETTINGS_MODULE"] = "project.settings"
        if "DOCKER_HOST" in environment:  # such as a rootless engine's
            environment.setdefault("THERMAE_DOCKER_HOST", environment["DOCKER_HOST"])
        runtime, why = engine.choose()
        say(f"  ✓ Runtime: {runtime}, as {why}")
        if runtime == "bubblewrap":
            say(engine.WEAKER)
        environment["THERMAE_RUNTIME"] = runtime
        bundle = environment.get("PIP_CERT") or environment.get("SSL_CERT_FILE")
        if bundle and "THERMAE_BUILD_CA_BUNDLE" not in environment:
            environment["THERMAE_BUILD_CA_BUNDLE"] = bundle
            say(f"  ✓ Image builds trust {bundle}, as this shell does")
        hosts = ["127.0.0.1", "localhost", "[::1]", self.host]
        if self.host in ("0.0.0.0", "::"):  # noqa: S104
            hosts += [socket.gethostname(), *{str(info[4][0]) for info in _addresses()}]
        environment.setdefault("THERMAE_ALLOWED_HOSTS", ",".join(dict.fromkeys(hosts)))

    def _choose_password(self) -> None:
        """The demo's, made once. The sign-in page shows it only where nobody but this machine can ask for the page."""
        path = self.state / "demo_password"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(9))
        self.password = path.read_text().strip()
        if self.host in ("127.0.0.1", "localhost", "::1"):
            os.environ.setdefault("THERMAE_DEMO_LOGIN", f"demo / {self.password}")

    def _prepare_runtime(self) -> None:
        from project.supervisor import installation

        if installation.runtime_name() == "docker":
            with step("Image for Python is built") as building:
                installation.prepare(["build_images", installation.FIRST], self.logs / "images.log", building.detail)
        elif installation.runtime_name() == "bubblewrap":
            with step("Kernels for bubblewrap are installed") as installing:
                installation.prepare(["prepare_kernels"], self.logs / "kernels.log", installing.detail)

    def _start_redis(self) -> None:
        given = os.environ.get("THERMAE_REDIS_URL")
        if given:
            if not redis.answers(given):
                raise Refused(
                    "No Redis answers at THERMAE_REDIS_URL. Start it, or unset the variable to have one made."
                )
            return
        with step("Redis answers"):
            child, url = redis.server(self.logs)
            os.environ["THERMAE_REDIS_URL"] = url
            self._start(child)
            child.wait_until(lambda: redis.answers(url), 10)

    def _share(self) -> None:
        """Tell other commands, such as `make doctor`, what this run uses."""
        names = ("THERMAE_REDIS_URL", "THERMAE_RUNTIME", "THERMAE_BUILD_CA_BUNDLE", "THERMAE_DOCKER_HOST")
        text = "".join(f"{name}='{os.environ[name]}'\n" for name in names if name in os.environ)
        self.shared.touch(mode=0o600)
        self.shared.write_text(text)

    def _start_worker(self) -> None:
        celery = [sys.executable, "-m", "celery", "-A", "project", "worker"]
        options = ["--pool", "threads", "--concurrency", WORKER_THREADS, "--without-mingle", "--without-gossip"]
        beat = ["--beat", "--schedule", str(self.state / "beat-schedule"), "--loglevel", "INFO"]
        self._start(Child("Worker", [*celery, *options, *beat], self.logs / "worker.log", patience=8))

    def _start_web(self) -> Child:
        web = [sys.executable, "-m", "project.server", "--host", self.host, "--port", str(self.port)]
        return self._start(Child("Web", web, self.logs / "web.log"))

    def _start(self, child: Child) -> Child:
        self.children.append(child)
        child.start()
        self._record()
        return child

    def _record(self) -> None:
        if self.lock:
            self.lock.record({child.name: child.process.pid for child in self.children if child.process})

    def _wait_for(self, web: Child) -> Api:
        probe = Api(self.api_host, self.port, "")
        with step("Web server answers"):
            web.wait_until(probe.live, 30)
        return probe

    def _try_a_cell(self, probe: Api) -> None:
        from project.supervisor import installation

        with step("A cell has run through the API") as trying, installation.TrialToken() as token:
            trial = run_cell(Api(self.api_host, self.port, token), installation.FIRST)
            trying.text += f": session in {duration(trial.opened)}, 1 + 1 = {trial.result} in {duration(trial.ran)}"

    # --- While it runs ---

    def _build_the_rest(self) -> None:
        """Ask the worker for the other languages' images."""
        from project.supervisor import installation

        self._images = installation.image_states()
        if installation.runtime_name() == "docker" and not self.only:
            self._to_build = [name for name in self._images if name != installation.FIRST]

    def _watch(self) -> None:
        while True:
            self._check()
            self._follow_images()
            time.sleep(1)

    def _check(self) -> None:
        """Start again what died. Raises ChildFailed when that is no use."""
        for child in self.children:
            if not child.alive:
                child.revive()
                self._record()

    def _follow_images(self) -> None:
        """Tell which image is done, and ask for the next: one at a time leaves a core to the people who work here."""
        from project.supervisor import installation

        states = installation.image_states()
        for name, state in states.items():
            if state != self._images.get(name) and state in ("ready", "failed"):
                say(
                    f"  ✓ Image for {name} is built"
                    if state == "ready"
                    else f"  ✗ Image for {name} failed: make images"
                )
        if self._to_build and "building" not in states.values():
            installation.build_in_background(self._to_build.pop(0))
            time.sleep(1)
        self._images = states

    # --- Down ---

    def stop(self) -> None:
        """End the processes, then the sandboxes, then Redis, and leave nothing."""
        servers = [child for child in self.children if child.name != "Redis"]
        for child in sorted(servers, key=lambda child: child.name != "Web"):
            child.stop()
        if servers:
            self._remove_sandboxes()
        for child in self.children:
            child.stop()
        if self.lock:
            self.shared.unlink(missing_ok=True)
            self.lock.release()

    def _remove_sandboxes(self) -> None:
        from project.supervisor import installation

        try:
            installation.stop_sandboxes()
        except Exception as error:  # whatever it is, Redis must still be stopped
            say(f"  ! Sandboxes may be left: {error}. The next start removes or adopts them.")


def _addresses() -> Sequence[tuple[Any, ...]]:
    try:
        return socket.getaddrinfo(socket.gethostname(), None)
    except OSError:
        return []


def _raise_stopped(number: int, frame: FrameType | None) -> None:
    # Once: a second Ctrl-C must not break off the stopping.
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise Stopped


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m project.supervisor", description="Run Thermae on this machine.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--only-first-image", dest="only", action="store_true", help="do not build the other languages")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN or number != signal.SIGHUP:  # nohup stays nohup
            signal.signal(number, _raise_stopped)
    supervisor = Supervisor(options.host, options.port, options.only)
    status = 1
    try:
        say("Thermae")
        supervisor.run()
    except Stopped:
        say("\nStopping: processes, then sandboxes")
        status = 0
    except (Refused, ChildFailed, TrialFailed, redis.NoRedis) as error:
        say(f"\n{error}\n")
    finally:
        supervisor.stop()
    if status == 0:
        say("Stopped. Nothing is left running.")
    return status


if __name__ == "__main__":
    sys.exit(main())
