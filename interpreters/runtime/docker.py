"""Sandboxes as hardened containers. The only module that imports Docker's SDK.

A container is named after its session, so creating it twice is answered 409 and the one that exists is adopted.
The agent is the container's process under its own uid; user code runs under another, below a kernel host that one
detached `exec` starts: no signal of the code's can end the agent, which can then say what happened. That exec is
answered in about 50 ms, while the agent is still starting, so that it costs a launch nothing.

Where the worker runs in a container too, SOCKET_DIR must have the same path there as on the host: the engine
resolves it on the host.
"""

import logging
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any
from uuid import UUID

import docker
import requests
from django.conf import settings
from docker.errors import APIError, DockerException, NotFound

from interpreters.models import SessionPool
from interpreters.runtime import engine_check, oci
from interpreters.runtime.base import LaunchFailed, RuntimeUnavailable, Sandbox, SandboxSpec
from interpreters.runtime.hardening import HOST_COMMAND, WORK_DIR, EngineFeatures, container_config
from interpreters.runtime.sockets import agent_uid, code_uid, make_socket_folder, remove_socket_folder

__all__ = ["APIError", "DockerRuntime", "asking", "connect"]

logger = logging.getLogger(__name__)

PREFIX = "thermae-"
# A dead sandbox is asked for its exit code on its own, and must not hold up the list of the living.
INSPECT_TIMEOUT = 2.0


def connect(timeout: float | None = None) -> docker.APIClient:
    """A client of the engine that waits at most `timeout` seconds for any answer. Raises RuntimeUnavailable."""
    timeout = settings.DOCKER_TIMEOUT if timeout is None else timeout
    with asking():
        return docker.APIClient(base_url=settings.DOCKER_HOST, version="auto", timeout=timeout)  # type: ignore[arg-type]


@contextmanager
def asking() -> Iterator[None]:
    """Turn silence of the engine into RuntimeUnavailable; what it answers with an error passes as APIError."""
    try:
        yield
    except APIError:
        raise
    except (requests.RequestException, DockerException, OSError) as error:
        raise RuntimeUnavailable(f"Docker does not answer at {settings.DOCKER_HOST}: {error}") from error


class DockerRuntime:
    name = "docker"

    @cached_property
    def _api(self) -> docker.APIClient:
        return connect()

    @cached_property
    def _features(self) -> EngineFeatures:
        info = self._api.info()
        return EngineFeatures(
            cgroup_v1=info.get("CgroupVersion") == "1",
            swap_limit=bool(info.get("SwapLimit")),
            default_runtime=info.get("DefaultRuntime") or "runc",
            runtimes=info.get("Runtimes") or {},
        )

    # --- the protocol ---
    def create(self, spec: SandboxSpec) -> Sandbox:
        handle = f"{PREFIX}{spec.session}"
        uid = agent_uid()
        with asking():
            features = self._features_for(spec)
        try:
            folder = make_socket_folder(spec.session, uid)
        except OSError as error:
            raise LaunchFailed(f"The folder for the agent's socket could not be made: {error}") from error
        with asking():
            try:
                config = container_config(spec, str(folder), uid, features)
                adopted = self._create_container(handle, config)
                if adopted is not None and not adopted.running:
                    return adopted
                self._api.start(handle)
                self._start_kernel_host(handle, code_uid(spec.session))
            except APIError as error:
                raise LaunchFailed(self._clean_up_after(handle, error)) from error
        return Sandbox(handle=handle, session=spec.session, pool=spec.pool, running=True, age=0.0)

    def remove(self, handle: str) -> None:
        session = _session_of(handle)
        with asking():
            try:
                self._api.remove_container(handle, force=True, v=True)
            except NotFound:
                pass
            except APIError as error:
                if error.status_code != 409:  # 409: another call is removing it right now
                    raise RuntimeUnavailable(f"Docker could not remove {handle}: {error.explanation}") from error
        remove_socket_folder(session)

    def list(self, installation: str, pool: int | None = None) -> Sequence[Sandbox]:
        labels = [f"thermae.installation={installation}"]
        if pool is not None:
            labels.append(f"thermae.pool={pool}")
        with asking():
            try:
                found = self._api.containers(all=True, filters={"label": labels})
            except APIError as error:
                raise RuntimeUnavailable(f"Docker could not list its containers: {error.explanation}") from error
        return [sandbox for summary in found if (sandbox := self._view(summary)) is not None]

    def logs(self, handle: str, lines: int = 50) -> str:
        with asking(), suppress(APIError):
            output: bytes = self._api.logs(handle, stdout=True, stderr=True, tail=lines)
            return output.decode(errors="replace")
        return ""

    def inspect(self, handle: str) -> Mapping[str, object]:
        with asking(), suppress(NotFound):
            description: dict[str, object] = self._api.inspect_container(handle)
            return description
        return {}

    def check(self) -> Sequence[str]:
        with asking():
            version, info = self._api.version(), self._api.info()
        wanted = SessionPool.objects.exclude(oci_runtime="").values_list("oci_runtime", flat=True)
        about_runtimes = engine_check.oci_runtimes(version, info, set(wanted), settings.ALLOWED_OCI_RUNTIMES)
        return [*engine_check.warnings(version, info), *about_runtimes]

    # --- steps ---
    def _features_for(self, spec: SandboxSpec) -> EngineFeatures:
        """What the engine can do, looked at once, and again if its OCI runtime for this sandbox is not as it must be.

        Raises LaunchFailed: a start that cannot succeed is not tried, for some leave processes that no API removes.
        """
        if spec.oci_runtime and spec.oci_runtime not in settings.ALLOWED_OCI_RUNTIMES:
            raise LaunchFailed(
                f"The OCI runtime {spec.oci_runtime!r} is not allowed here: add it to THERMAE_ALLOWED_OCI_RUNTIMES, "
                f"or let the pool name another."
            )
        for _ in range(2):
            name, known = self._features.runtime_of(spec), self._features.runtimes
            wrong = oci.faults(name, known)
            if name in known and not wrong:
                break
            self.__dict__.pop("_features", None)  # the engine may have been reloaded since
        if wrong:
            raise LaunchFailed(" ".join(wrong))
        return self._features

    def _create_container(self, handle: str, config: Mapping[str, Any]) -> Sandbox | None:
        """Make the container. If it exists (an earlier try, perhaps of a worker that died), say what it is.

        A living one may then be started as if it were new: starting what runs does nothing, and a second kernel
        host finds no socket to connect to. A dead one is never started again: a sandbox is used once.
        """
        deadline = time.monotonic() + settings.DOCKER_TIMEOUT
        while True:
            try:
                self._api.create_container_from_config(config, handle)  # type: ignore[no-untyped-call]
                return None
            except APIError as error:
                if error.status_code != 409:
                    raise
            found = self._api.containers(all=True, filters={"name": f"^/?{handle}$"})
            if found:
                return self._view(found[0])
            # The name is taken and nothing bears it yet: another call is making it right now.
            if time.monotonic() > deadline:
                raise RuntimeUnavailable(f"Docker has been making {handle} for {settings.DOCKER_TIMEOUT:.0f} s.")
            time.sleep(0.05)

    def _start_kernel_host(self, handle: str, uid: int) -> None:
        command, user = list(HOST_COMMAND), f"{uid}:{uid}"
        host = self._api.exec_create(handle, command, user=user, workdir=WORK_DIR, stdout=False, stderr=False)
        self._api.exec_start(host["Id"], detach=True)

    def _clean_up_after(self, handle: str, error: APIError) -> str:
        """Remove what a failed launch left, and say why it failed with the agent's last words."""
        reason = str(error.explanation or error)
        with suppress(RuntimeUnavailable, APIError):
            said = self.logs(handle, lines=10).strip()
            reason = f"{reason}\n{said}" if said else reason
            self.remove(handle)
        return reason

    def _view(self, summary: Mapping[str, Any]) -> Sandbox | None:
        """A container of the list as a sandbox; None if it carries our label but was not made by us."""
        labels = summary["Labels"]
        try:
            session, pool = UUID(labels["thermae.session"]), int(labels["thermae.pool"])
        except (KeyError, ValueError):
            logger.warning("container %s carries our label but names no session: left alone", summary["Id"][:12])
            return None
        running = summary["State"] in ("running", "created", "paused", "restarting")
        exit_code, out_of_memory = (None, False) if running else self._how_it_ended(summary)
        return Sandbox(
            handle=f"{PREFIX}{session}",
            session=session,
            pool=pool,
            running=running,
            age=max(0.0, time.time() - summary["Created"]),
            exit_code=exit_code,
            out_of_memory=out_of_memory,
        )

    def _how_it_ended(self, summary: Mapping[str, Any]) -> tuple[int | None, bool]:
        """Exit code, and whether memory ran out. One container in a bad state must not fail the list of all."""
        try:
            url = f"{self._api.base_url}/v{self._api.api_version}/containers/{summary['Id']}/json"
            state = self._api.get(url, timeout=INSPECT_TIMEOUT).json()["State"]
            return int(state["ExitCode"]), bool(state["OOMKilled"])
        except (requests.RequestException, DockerException, KeyError, ValueError):
            told = re.match(r"Exited \((\d+)\)", summary.get("Status", ""))
            return (int(told[1]) if told else None), False


def _session_of(handle: str) -> UUID:
    """The session in a handle. Raises ValueError for a name that is not one of ours: it is never removed."""
    if not handle.startswith(PREFIX):
        raise ValueError(f"{handle!r} is not the handle of a sandbox.")
    return UUID(handle.removeprefix(PREFIX))
