"""What every runtime promises; the subclasses only say which engine it is."""

import dataclasses
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import override_settings

from interpreters.lifecycle import UNHEALTHY_EXIT
from interpreters.runtime import LaunchFailed, Runtime, RuntimeUnavailable, Sandbox, SandboxSpec
from interpreters.runtime.docker import DockerRuntime
from interpreters.runtime.memory import MemoryRuntime
from interpreters.runtime.sockets import socket_folder
from tests import containers, sandboxes


class RuntimeContract:
    @pytest.fixture
    def runtime(self) -> Runtime:
        raise NotImplementedError

    @pytest.fixture
    def installation(self, runtime: Runtime) -> Iterator[str]:
        """A name of our own, whose sandboxes are all removed at the end."""
        name = f"{os.environ['THERMAE_INSTALLATION']}-contract-{uuid4().hex[:6]}"
        yield name
        for each in (name, f"{name}-other"):
            for sandbox in runtime.list(each):
                runtime.remove(sandbox.handle)

    @pytest.fixture
    def spec(self, installation: str) -> SandboxSpec:
        return SandboxSpec(uuid4(), installation, pool=7, revision=1, image=self.image(), kernel="python3")

    def image(self) -> str:
        return "python"

    def kill(self, runtime: Any, sandbox: Sandbox) -> None:
        """End a sandbox with exit code 137, behind the runtime's back."""
        raise NotImplementedError

    # --- create ---
    def test_a_created_sandbox_runs_and_says_whose_it_is(self, runtime: Runtime, spec: SandboxSpec) -> None:
        sandbox = runtime.create(spec)
        assert (sandbox.session, sandbox.pool, sandbox.running) == (spec.session, 7, True)
        assert len(sandbox.handle) <= 100
        assert 0 <= sandbox.age < 60

    def test_creating_twice_yields_one_sandbox(self, runtime: Runtime, spec: SandboxSpec) -> None:
        assert runtime.create(spec).handle == runtime.create(spec).handle
        assert len(runtime.list(spec.installation)) == 1

    def test_creating_twice_at_once_yields_one_sandbox(self, runtime: Runtime, spec: SandboxSpec) -> None:
        handles: list[str] = []
        threads = [threading.Thread(target=lambda: handles.append(runtime.create(spec).handle)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(handles) == 2
        assert len(set(handles)) == 1
        assert [found.running for found in runtime.list(spec.installation)] == [True]

    def test_a_dead_sandbox_is_never_started_again(self, runtime: Runtime, spec: SandboxSpec) -> None:
        self.kill(runtime, runtime.create(spec))
        self.wait_until_dead(runtime, spec)
        assert not runtime.create(spec).running
        assert [found.running for found in runtime.list(spec.installation)] == [False]

    # --- list ---
    def test_it_lists_by_installation_and_by_pool(self, runtime: Runtime, spec: SandboxSpec) -> None:
        other_pool = dataclasses.replace(spec, session=uuid4(), pool=8)
        foreign = dataclasses.replace(spec, session=uuid4(), installation=f"{spec.installation}-other")
        for each in (spec, other_pool, foreign):
            runtime.create(each)
        assert self.sessions(runtime.list(spec.installation)) == {spec.session, other_pool.session}
        assert self.sessions(runtime.list(spec.installation, 7)) == {spec.session}
        assert self.sessions(runtime.list(spec.installation, 9)) == set()
        assert self.sessions(runtime.list(foreign.installation)) == {foreign.session}

    def test_a_dead_sandbox_is_listed_with_its_exit_code(self, runtime: Runtime, spec: SandboxSpec) -> None:
        self.kill(runtime, runtime.create(spec))
        dead = self.wait_until_dead(runtime, spec)
        assert (dead.session, dead.exit_code, dead.out_of_memory) == (spec.session, 137, False)

    # --- remove ---
    def test_removing_removes_it_and_no_other(self, runtime: Runtime, spec: SandboxSpec) -> None:
        neighbour = runtime.create(dataclasses.replace(spec, session=uuid4()))
        runtime.remove(runtime.create(spec).handle)
        assert [(found.session, found.running) for found in runtime.list(spec.installation)] == [
            (neighbour.session, True)
        ]

    def test_removing_twice_is_fine(self, runtime: Runtime, spec: SandboxSpec) -> None:
        handle = runtime.create(spec).handle
        runtime.remove(handle)
        runtime.remove(handle)
        assert runtime.list(spec.installation) == []

    def test_a_dead_one_can_be_removed(self, runtime: Runtime, spec: SandboxSpec) -> None:
        handle = runtime.create(spec).handle
        self.kill(runtime, runtime.create(spec))
        self.wait_until_dead(runtime, spec)
        runtime.remove(handle)
        assert runtime.list(spec.installation) == []

    # --- for an operator ---
    def test_what_is_gone_has_no_description_and_no_logs(self, runtime: Runtime, spec: SandboxSpec) -> None:
        handle = runtime.create(spec).handle
        assert runtime.inspect(handle)
        assert isinstance(runtime.logs(handle), str)
        runtime.remove(handle)
        assert runtime.inspect(handle) == {}
        assert runtime.logs(handle) == ""

    @pytest.mark.django_db
    def test_its_check_speaks_in_sentences(self, runtime: Runtime) -> None:
        assert all(sentence.endswith(".") for sentence in runtime.check())

    def test_its_versions_are_told(self, runtime: Runtime) -> None:
        assert all(name and version for name, version in runtime.versions().items())
        assert runtime.versions()

    def sessions(self, found: Any) -> set[UUID]:
        return {sandbox.session for sandbox in found}

    def wait_until_dead(self, runtime: Runtime, spec: SandboxSpec) -> Sandbox:
        deadline = time.monotonic() + 15
        while True:
            (sandbox,) = runtime.list(spec.installation)
            if not sandbox.running:
                return sandbox
            assert time.monotonic() < deadline, "it was killed and still runs"
            time.sleep(0.02)


class WithAgent(RuntimeContract):
    """What is asked of the engines that run code."""

    @pytest.fixture(autouse=True)
    def _folders(self, settings: Any, short_dir: Path) -> None:
        settings.SOCKET_DIR = short_dir / "s"
        settings.STATE_DIR = short_dir

    def test_the_agent_becomes_healthy_at_its_socket(self, runtime: Runtime, spec: SandboxSpec) -> None:
        runtime.create(spec)
        assert sandboxes.wait_until_ready(spec.session)["state"] == "ready"

    def test_removing_deletes_the_socket_folder(self, runtime: Runtime, spec: SandboxSpec, settings: Any) -> None:
        handle = runtime.create(spec).handle
        sandboxes.wait_until_answering(spec.session)
        runtime.remove(handle)
        assert list(Path(settings.SOCKET_DIR).iterdir()) == []

    def test_it_is_adopted_by_a_worker_that_starts_later(self, runtime: Runtime, spec: SandboxSpec) -> None:
        created = runtime.create(spec)
        later = type(runtime)()
        assert [(found.handle, found.running) for found in later.list(spec.installation)] == [(created.handle, True)]
        later.remove(created.handle)
        assert runtime.list(spec.installation) == []

    def test_nothing_of_our_environment_reaches_it(
        self, runtime: Runtime, spec: SandboxSpec, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("THERMAE_SECRET_KEY", "canary")
        runtime.create(spec)
        sandboxes.wait_until_ready(spec.session)
        found = sandboxes.run(spec.session, "import os; print('canary' in str(os.environ))")
        assert found == "False\n"


class CustomContract(RuntimeContract):
    """The same of a tenant's own container, which is two where there are containers."""

    @pytest.fixture
    def spec(self, installation: str) -> SandboxSpec:
        return SandboxSpec(
            uuid4(), installation, pool=7, revision=1, image="app", kernel="", kind="custom", relay="relay",
            target_port=8080, secrets={"PASSWORD": "canary-7f3a"},
        )  # fmt: skip

    def unhealthy(self, runtime: Any, spec: SandboxSpec) -> SandboxSpec:
        """Make a sandbox whose relay finds the container unhealthy."""
        raise NotImplementedError

    def test_an_unhealthy_one_is_told_by_its_relay(self, runtime: Runtime, spec: SandboxSpec) -> None:
        spec = self.unhealthy(runtime, spec)
        dead = self.wait_until_dead(runtime, spec)
        assert (dead.exit_code, dead.relay_exit) == (None, UNHEALTHY_EXIT)
        assert not runtime.create(spec).running, "it is never started again"

    def test_a_custom_container_has_the_engines_own_runtime(self, runtime: Runtime, spec: SandboxSpec) -> None:
        with pytest.raises(LaunchFailed, match="OCI runtime runsc"):
            runtime.create(dataclasses.replace(spec, oci_runtime="runsc"))
        assert runtime.list(spec.installation) == []

    def test_its_description_holds_no_secret(self, runtime: Runtime, spec: SandboxSpec) -> None:
        handle = runtime.create(spec).handle
        assert "canary" not in f"{runtime.inspect(handle)} {spec} {runtime.logs(handle)}"


class TestMemory(RuntimeContract):
    @pytest.fixture
    def runtime(self) -> Runtime:
        return MemoryRuntime()

    def kill(self, runtime: MemoryRuntime, sandbox: Sandbox) -> None:
        runtime.crash(sandbox.handle)

    def test_told_not_to_answer_it_is_unavailable(self, runtime: MemoryRuntime, spec: SandboxSpec) -> None:
        handle = runtime.create(spec).handle
        runtime.unavailable = True
        for call in (lambda: runtime.create(spec), lambda: runtime.remove(handle), lambda: runtime.list("x")):
            with pytest.raises(RuntimeUnavailable):
                call()
        runtime.unavailable = False
        assert [found.handle for found in runtime.list(spec.installation)] == [handle]

    def test_it_refuses_the_next_launch_only(self, runtime: MemoryRuntime, spec: SandboxSpec) -> None:
        runtime.fail_next_create("no such image")
        with pytest.raises(LaunchFailed, match="no such image"):
            runtime.create(spec)
        assert runtime.list(spec.installation) == []
        assert runtime.create(spec).running

    def test_a_crash_for_memory_is_told(self, runtime: MemoryRuntime, spec: SandboxSpec) -> None:
        runtime.crash(runtime.create(spec).handle, out_of_memory=True)
        assert runtime.list(spec.installation)[0].out_of_memory

    def test_what_vanished_is_not_listed(self, runtime: MemoryRuntime, spec: SandboxSpec) -> None:
        runtime.vanish(runtime.create(spec).handle)
        assert runtime.list(spec.installation) == []

    def test_it_ages(self, runtime: MemoryRuntime, spec: SandboxSpec) -> None:
        runtime.age(runtime.create(spec).handle, 3600)
        assert runtime.list(spec.installation)[0].age >= 3600


class TestMemoryCustom(CustomContract):
    @pytest.fixture
    def runtime(self) -> Runtime:
        return MemoryRuntime()

    def kill(self, runtime: MemoryRuntime, sandbox: Sandbox) -> None:
        runtime.crash(sandbox.handle)

    def unhealthy(self, runtime: MemoryRuntime, spec: SandboxSpec) -> SandboxSpec:
        runtime.end_relay(runtime.create(spec).handle, UNHEALTHY_EXIT)
        return spec

    def test_its_last_words_are_kept(self, runtime: MemoryRuntime, spec: SandboxSpec) -> None:
        handle = runtime.create(spec).handle
        runtime.say(handle, "one\ntwo\n")
        assert (runtime.logs(handle), runtime.logs(handle, 1)) == ("one\ntwo", "two")


class Mortal:
    """An engine's client whose worker dies just after its `last`-th change."""

    def __init__(self, api: Any, last: int) -> None:
        self._api, self._left = api, last

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._api, name)
        if name not in ("create_container_from_config", "start", "remove_container"):
            return call

        def change(*arguments: Any, **options: Any) -> Any:
            answer = call(*arguments, **options)
            self._left -= 1
            if not self._left:
                raise WorkerDied
            return answer

        return change


class WorkerDied(BaseException):
    """Nothing of ours may catch it."""


@pytest.mark.docker
@pytest.mark.timeout(300)
class TestDockerCustom(CustomContract):
    @pytest.fixture(autouse=True)
    def _folders(self, settings: Any, short_dir: Path) -> None:
        settings.SOCKET_DIR = short_dir / "s"

    @pytest.fixture
    def runtime(self) -> DockerRuntime:
        return DockerRuntime()

    @pytest.fixture
    def spec(self, installation: str) -> SandboxSpec:
        return containers.spec(installation, "sleep", "60", secrets={"PASSWORD": "canary-7f3a"})

    def kill(self, runtime: DockerRuntime, sandbox: Sandbox) -> None:
        docker("kill", f"{sandbox.handle}-app")

    def unhealthy(self, runtime: DockerRuntime, spec: SandboxSpec) -> SandboxSpec:
        probe = {"type": "http", "path": "/failing", "period": 0.1, "failure_threshold": 1}
        spec = dataclasses.replace(containers.spec(spec.installation, probes={"liveness": probe}), session=spec.session)
        runtime.create(spec)
        return spec

    def names(self, spec: SandboxSpec) -> list[str]:
        label = f"label=thermae.installation={spec.installation}"
        return sorted(docker("ps", "-a", "--filter", label, "--format", "{{.Names}}").split())

    def test_it_is_two_containers_of_one_network(self, runtime: Runtime, spec: SandboxSpec) -> None:
        handle = runtime.create(spec).handle
        assert self.names(spec) == [handle, f"{handle}-app"]
        mode = docker("inspect", "-f", "{{.HostConfig.NetworkMode}}", f"{handle}-app")
        assert mode in (f"container:{handle}", "container:" + docker("inspect", "-f", "{{.Id}}", handle))
        assert docker("inspect", "-f", "{{.HostConfig.NetworkMode}}", handle) == "none"

    @pytest.mark.parametrize("last", [1, 2, 3, 4])
    def test_what_a_worker_leaves_that_dies_in_a_launch_is_taken_up(
        self, runtime: Any, spec: SandboxSpec, last: int, settings: Any
    ) -> None:
        runtime._api = Mortal(runtime._api, last)
        with pytest.raises(WorkerDied):
            runtime.create(spec)
        later = DockerRuntime()
        assert [found.session for found in later.list(spec.installation)] == [spec.session]
        assert not any(found.exit_code is not None for found in later.list(spec.installation)), "it has not ended"
        assert later.create(spec).running
        assert [found.running for found in later.list(spec.installation)] == [True]
        later.remove(f"thermae-{spec.session}")
        assert self.names(spec) == []
        assert list(Path(settings.SOCKET_DIR).iterdir()) == []

    def test_what_a_worker_leaves_that_dies_in_a_removal_is_listed_and_removed(
        self, runtime: Any, spec: SandboxSpec
    ) -> None:
        handle = runtime.create(spec).handle
        runtime._api = Mortal(runtime._api, 1)
        with pytest.raises(WorkerDied):
            runtime.remove(handle)
        later = DockerRuntime()
        assert self.names(spec) == [handle], "the relay is left, and so is the sandbox"
        assert [(found.handle, found.running) for found in later.list(spec.installation)] == [(handle, False)]
        later.remove(handle)
        assert self.names(spec) == []

    @pytest.mark.parametrize("left", ["", "-app"])
    def test_one_that_has_lost_a_part_does_not_run(self, runtime: Runtime, spec: SandboxSpec, left: str) -> None:
        handle = runtime.create(spec).handle
        docker("rm", "-f", f"{handle}{'' if left else '-app'}")
        assert self.names(spec) == [f"{handle}{left}"]
        assert [(found.handle, found.running) for found in runtime.list(spec.installation)] == [(handle, False)]
        runtime.remove(handle)
        assert self.names(spec) == []

    def test_the_application_is_told_before_the_relay(self, runtime: Runtime, spec: SandboxSpec) -> None:
        """Of two that have ended the first one's reason counts."""
        handle = runtime.create(spec).handle
        docker("kill", f"{handle}-app")
        docker("kill", handle)
        dead = self.wait_until_dead(runtime, spec)
        assert (dead.exit_code, dead.relay_exit) == (137, 137)


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True, timeout=20).stdout.strip()


@pytest.mark.docker
@pytest.mark.timeout(900)  # the first test builds the image where it is missing
class TestDocker(WithAgent):
    @pytest.fixture
    def runtime(self) -> Runtime:
        return DockerRuntime()

    def image(self) -> str:
        return sandboxes.image("python")

    def kill(self, runtime: DockerRuntime, sandbox: Sandbox) -> None:
        subprocess.run(["docker", "kill", sandbox.handle], check=True, capture_output=True, timeout=20)

    def test_a_missing_image_fails_the_launch_in_words(
        self, runtime: Runtime, spec: SandboxSpec, settings: Any
    ) -> None:
        with pytest.raises(LaunchFailed, match=r"(?i)no such image.*nothing:here"):
            runtime.create(dataclasses.replace(spec, image="thermae/nothing:here"))
        assert runtime.list(spec.installation) == []
        assert list(Path(settings.SOCKET_DIR).iterdir()) == []

    def test_an_unknown_oci_runtime_fails_the_launch_in_words(
        self, runtime: Runtime, spec: SandboxSpec, settings: Any
    ) -> None:
        settings.ALLOWED_OCI_RUNTIMES = ["strongbox"]
        with pytest.raises(LaunchFailed, match=r"(?i)unknown.*strongbox"):
            runtime.create(dataclasses.replace(spec, oci_runtime="strongbox"))
        assert runtime.list(spec.installation) == []

    def test_an_oci_runtime_that_is_not_allowed_is_not_asked_for(
        self, runtime: Runtime, spec: SandboxSpec, settings: Any
    ) -> None:
        """Whatever a row says: the setting may have become narrower since."""
        with pytest.raises(LaunchFailed, match="THERMAE_ALLOWED_OCI_RUNTIMES"):
            runtime.create(dataclasses.replace(spec, oci_runtime="runc"))
        assert not Path(settings.SOCKET_DIR).exists()

    def test_a_container_made_and_never_started_is_adopted(self, runtime: Any, spec: SandboxSpec) -> None:
        """As a worker leaves it that is killed between the two calls."""
        runtime.create(spec)
        subprocess.run(["docker", "rm", "-f", f"thermae-{spec.session}"], check=True, capture_output=True, timeout=20)
        labels = [word for name, value in spec.labels.items() for word in ("--label", f"{name}={value}")]
        mount = f"{socket_folder(spec.session)}:/run/thermae"
        made = [
            "docker",
            "create",
            "--name",
            f"thermae-{spec.session}",
            *labels,
            "-v",
            mount,
            spec.image,
            "sleep",
            "60",
        ]
        subprocess.run(made, check=True, capture_output=True, timeout=20)
        assert runtime.create(spec).running
        assert [found.running for found in runtime.list(spec.installation)] == [True]

    def test_a_stranger_with_our_label_is_left_alone(self, runtime: Runtime, spec: SandboxSpec) -> None:
        label = f"thermae.installation={spec.installation}"
        made = ["docker", "create", "--label", label, spec.image, "true"]
        stranger = subprocess.run(made, check=True, capture_output=True, timeout=20, text=True).stdout.strip()
        try:
            runtime.create(spec)
            assert self.sessions(runtime.list(spec.installation)) == {spec.session}
        finally:
            subprocess.run(["docker", "rm", "-f", stranger], check=True, capture_output=True, timeout=20)

    def test_it_removes_only_what_is_named_as_ours(self, runtime: Runtime) -> None:
        for handle in ("postgres", "thermae-web-1", "thermae-../../etc"):
            with pytest.raises(ValueError, match=r"handle|UUID"):
                runtime.remove(handle)

    def test_a_dead_engine_is_unavailable(self, short_dir: Path, spec: SandboxSpec) -> None:
        with override_settings(DOCKER_HOST=f"unix://{short_dir}/nobody.sock"):
            self.expect_unavailable(spec, within=2)

    def test_a_silent_engine_is_unavailable_within_the_deadline(self, short_dir: Path, spec: SandboxSpec) -> None:
        path = f"{short_dir}/silent.sock"
        with (
            override_settings(DOCKER_TIMEOUT=0.5, DOCKER_HOST=f"unix://{path}"),
            socket.socket(socket.AF_UNIX) as silent,
        ):
            silent.bind(path)
            silent.listen(16)
            self.expect_unavailable(spec, within=3)

    def expect_unavailable(self, spec: SandboxSpec, within: float) -> None:
        runtime = DockerRuntime()
        calls = (
            lambda: runtime.create(spec),
            lambda: runtime.remove(f"thermae-{spec.session}"),
            lambda: runtime.list(spec.installation),
            lambda: runtime.logs(f"thermae-{spec.session}"),
            lambda: runtime.inspect(f"thermae-{spec.session}"),
            runtime.check,
        )
        for call in calls:
            started = time.monotonic()
            with pytest.raises(RuntimeUnavailable, match="Docker does not answer"):
                call()
            assert time.monotonic() - started < within


@pytest.mark.docker
@pytest.mark.runsc
@pytest.mark.timeout(900)
class TestGvisor(WithAgent):
    """The same engine with gVisor below: what a runtime promises must not hang on runc."""

    @pytest.fixture
    def runtime(self, settings: Any) -> Runtime:
        settings.ALLOWED_OCI_RUNTIMES = ["runsc"]
        return DockerRuntime()

    @pytest.fixture
    def spec(self, installation: str) -> SandboxSpec:
        image = sandboxes.image("python")
        return SandboxSpec(uuid4(), installation, 7, 1, image, "python3", memory=512, oci_runtime="runsc")

    def kill(self, runtime: DockerRuntime, sandbox: Sandbox) -> None:
        subprocess.run(["docker", "kill", sandbox.handle], check=True, capture_output=True, timeout=20)


@pytest.mark.bubblewrap
@pytest.mark.timeout(900)  # the first test makes the kernels where they are missing
class TestBubblewrap(WithAgent):
    @pytest.fixture
    def runtime(self, settings: Any, _folders: None) -> Runtime:
        from interpreters.runtime.bubblewrap import BubblewrapRuntime

        settings.KERNELS_DIR = sandboxes.kernels()
        return BubblewrapRuntime()

    def kill(self, runtime: Any, sandbox: Sandbox) -> None:
        sandboxes.wait_until_answering(sandbox.session)
        first = runtime._record(sandbox.handle).processes()[0].pid
        agent = Path(f"/proc/{first}/task/{first}/children").read_text().split()[0]
        os.kill(int(agent), signal.SIGKILL)

    def test_custom_containers_are_refused_in_words(self, runtime: Runtime, spec: SandboxSpec) -> None:
        with pytest.raises(LaunchFailed, match="need Docker"):
            runtime.create(dataclasses.replace(spec, kind="custom"))
        assert runtime.list(spec.installation) == []

    def test_a_kernel_that_is_not_there_fails_the_launch_in_words(self, runtime: Runtime, spec: SandboxSpec) -> None:
        with pytest.raises(LaunchFailed, match="prepare_kernels"):
            runtime.create(dataclasses.replace(spec, kernel="ir"))
        assert runtime.list(spec.installation) == []

    def test_it_is_not_taken_for_a_stronger_runtime(self, runtime: Runtime, spec: SandboxSpec) -> None:
        with pytest.raises(LaunchFailed, match="no OCI runtimes"):
            runtime.create(dataclasses.replace(spec, oci_runtime="runsc"))
        assert runtime.list(spec.installation) == []

    def test_a_pid_used_again_is_not_taken_for_the_sandbox(
        self, runtime: Any, spec: SandboxSpec, settings: Any
    ) -> None:
        """The records of an earlier boot, or of a process long dead, name a pid that is now somebody else's."""
        handle = runtime.create(spec).handle
        record = runtime._record(handle)
        for process in record.processes():
            process.kill()
            assert process.wait(5)
        with subprocess.Popen(["sleep", "60"]) as bystander:
            try:
                words = (record.folder / "stat").read_text().split()
                (record.folder / "stat").write_text(" ".join([str(bystander.pid), *words[1:]]))
                (record.folder / "init").write_text(f"[{bystander.pid}, 1]")
                assert [found.running for found in runtime.list(spec.installation)] == [False]
                runtime.remove(handle)
                assert bystander.poll() is None
            finally:
                bystander.kill()

    def test_no_process_is_left_of_it(self, runtime: Any, spec: SandboxSpec) -> None:
        handle = runtime.create(spec).handle
        sandboxes.wait_until_ready(spec.session)
        processes = runtime._record(handle).processes()
        assert len(processes) == 2
        runtime.remove(handle)
        assert not any(process.alive for process in processes)

    def test_it_sees_no_network_and_no_files_of_ours(self, runtime: Runtime, spec: SandboxSpec) -> None:
        runtime.create(spec)
        sandboxes.wait_until_ready(spec.session)
        code = f"""
import os, socket
print([name for _, name in socket.if_nameindex()])
print([path for path in ("/home", "/var", "/etc/shadow", {os.getcwd()!r}) if os.path.exists(path)])
for path in ("/usr/x", "/opt/x", "/x", "/dev/x"):
    try: open(path, "w")
    except OSError: continue
    print("wrote", path)
try: os.unshare(0x10000000)
except (OSError, AttributeError): print("no new namespace")
"""
        assert sandboxes.run(spec.session, code) == "['lo']\n[]\nno new namespace\n"

    def test_memory_and_disk_are_bounded(self, runtime: Runtime, spec: SandboxSpec) -> None:
        runtime.create(dataclasses.replace(spec, memory=256, disk=16))
        sandboxes.wait_until_ready(spec.session)
        code = """
import errno
try: open("/work/x", "wb").write(bytes(17 << 20))
except OSError as error: print(errno.errorcode[error.errno])
"""
        assert sandboxes.run(spec.session, code) == "ENOSPC\n"
        state = sandboxes.run_to_the_end(spec.session, "x = bytearray(1 << 29)")
        assert state["state"] in ("error", "lost")
        assert sandboxes.health(spec.session)["state"] in ("ready", "starting", "failed")
