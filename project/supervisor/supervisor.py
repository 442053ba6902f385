"""The order of things: what is started when, what is watched, what is stopped when."""

import os
import sys
import time

from project.supervisor import redis
from project.supervisor.children import Child
from project.supervisor.console import duration, say, step
from project.supervisor.place import Place, Refused
from project.supervisor.trial import Api, run_cell

# Threads of the worker: launches, teardowns and ticks wait for the engine more than they work.
WORKER_THREADS = "12"


class Supervisor:
    def __init__(self, place: Place, *, only_first_image: bool) -> None:
        self.place, self.only_first_image = place, only_first_image
        self.children: list[Child] = []
        self._images: dict[str, str] = {}
        self._to_build: list[str] = []

    # --- Up ---

    def run(self) -> None:
        """Start everything, and watch it until told to stop. Raises Stopped, or what went wrong."""
        began = time.monotonic()
        self.place.claim()
        self.place.configure()
        self._start_redis()
        self.place.share()
        import django

        django.setup()
        from project.supervisor import installation

        with step("Database is up to date"):
            installation.migrate()
            installation.seed(self.place.password)
            installation.collect_static()
        # What can, comes up while the image is looked at. From an image that has changed since, the worker may
        # launch an instance too many, and replaces it.
        web = self._start_web()
        if installation.first_image_is_there():
            self._start_worker()
            self._prepare_runtime()
        else:
            self._prepare_runtime()
            self._start_worker()
        api = self._wait_for(web)
        with step("An instance of Python is warm") as waiting:
            installation.wait_for_ready(installation.FIRST, waiting.detail, self._check)
        self._try_a_cell(api)
        say(f"\nReady: {self.place.url}   (after {duration(time.monotonic() - began)}; Ctrl-C stops)")
        say(f"  Log in as demo, password {self.place.password}\n")
        self._build_the_rest()
        self._watch()

    def _prepare_runtime(self) -> None:
        from project.supervisor import installation

        if installation.runtime_name() == "docker":
            with step("Image for Python is built") as building:
                installation.prepare(
                    ["build_images", installation.FIRST], self.place.logs / "images.log", building.detail
                )
        elif installation.runtime_name() == "bubblewrap":
            with step("Kernels for bubblewrap are installed") as installing:
                installation.prepare(["prepare_kernels"], self.place.logs / "kernels.log", installing.detail)

    def _start_redis(self) -> None:
        given = os.environ.get("THERMAE_REDIS_URL")
        if given:
            if not redis.answers(given):
                raise Refused(
                    "No Redis answers at THERMAE_REDIS_URL. Start it, or unset the variable to have one made."
                )
            return
        with step("Redis answers"):
            child, url = redis.server(self.place.logs)
            os.environ["THERMAE_REDIS_URL"] = url
            self._start(child)
            child.wait_until(lambda: redis.answers(url), 10)

    def _start_worker(self) -> None:
        celery = [sys.executable, "-m", "celery", "-A", "project", "worker"]
        options = ["--pool", "threads", "--concurrency", WORKER_THREADS, "--without-mingle", "--without-gossip"]
        beat = ["--beat", "--schedule", str(self.place.state / "beat-schedule"), "--loglevel", "INFO"]
        self._start(Child("Worker", [*celery, *options, *beat], self.place.logs / "worker.log", patience=8))

    def _start_web(self) -> Child:
        web = [sys.executable, "-m", "project.server", "--host", self.place.host, "--port", str(self.place.port)]
        return self._start(Child("Web", web, self.place.logs / "web.log"))

    def _start(self, child: Child) -> Child:
        self.children.append(child)
        child.start()
        self._record()
        return child

    def _record(self) -> None:
        if self.place.lock:
            self.place.lock.record({child.name: child.process.pid for child in self.children if child.process})

    def _wait_for(self, web: Child) -> Api:
        probe = Api(self.place.api_host, self.place.port, "")
        with step("Web server answers"):
            web.wait_until(probe.live, 30)
        return probe

    def _try_a_cell(self, probe: Api) -> None:
        from project.supervisor import installation

        with step("A cell has run through the API") as trying, installation.TrialToken() as token:
            trial = run_cell(Api(self.place.api_host, self.place.port, token), installation.FIRST)
            trying.text += f": session in {duration(trial.opened)}, 1 + 1 = {trial.result} in {duration(trial.ran)}"

    # --- While it runs ---

    def _build_the_rest(self) -> None:
        """Ask the worker for the other languages' images."""
        from project.supervisor import installation

        self._images = installation.image_states()
        if installation.runtime_name() == "docker" and not self.only_first_image:
            self._to_build = [name for name in self._images if name != installation.FIRST]

    def _watch(self) -> None:
        while True:
            self._check()
            self._follow_images()
            self._follow_egress()
            time.sleep(1)

    def _check(self) -> None:
        """Start again what died. Raises ChildFailed when that is no use."""
        for child in self.children:
            if not child.alive:
                child.revive()
                self._record()

    def _follow_egress(self) -> None:
        """Its process is started when the first pool wants it: until then it would be memory for nothing."""
        from project.supervisor import installation

        if not any(child.name == "Egress" for child in self.children) and installation.wants_egress():
            command = [sys.executable, "manage.py", "egress"]
            self._start(Child("Egress", command, self.place.logs / "egress.log", patience=5))
            say("  ✓ A pool has network access: its proxy is started")

    def _follow_images(self) -> None:
        """Tell which image is done, and ask for the next: one at a time leaves a core to the people who work here."""
        from project.supervisor import installation

        states = installation.image_states()
        for name, state in states.items():
            if state != self._images.get(name) and state in ("ready", "failed"):
                mark, outcome = ("✓", "is built") if state == "ready" else ("✗", "is not built; see: make images")
                say(f"  {mark} Image for {name} {outcome}")
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
        self.place.leave()

    def _remove_sandboxes(self) -> None:
        from project.supervisor import installation

        try:
            installation.stop_sandboxes()
        except Exception as error:  # whatever it is, Redis must still be stopped
            say(f"  ! Sandboxes may be left: {error}. The next start removes or adopts them.")
