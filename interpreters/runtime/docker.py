"""Sandboxes as hardened containers. The only module that imports Docker's SDK.

A container is named after its session, so creating it twice is answered 409 and the one that exists is adopted.
The agent is the container's process under its own uid; user code runs under another, below a kernel host that one
detached `exec` starts: no signal of the code's can end the agent, which can then say what happened. That exec is
answered in about 50 ms, while the agent is still starting, so that it costs a launch nothing.

A custom container is two: our relay under the session's name, and the tenant's application, in the relay's network,
under that name with `-app`. Whoever finds one of the two makes the other; removing removes both.

Where the worker runs in a container too, SOCKET_DIR must have the same path there as on the host: the engine
resolves it on the host.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

import docker
import requests
import urllib3
from django.conf import settings
from docker.errors import APIError, DockerException, NotFound

from interpreters.models import SessionPool
from interpreters.runtime import docker_exec, engine_check, oci, pair, parts
from interpreters.runtime.base import LaunchFailed, RuntimeUnavailable, Sandbox, SandboxSpec
from interpreters.runtime.egress import await_egress, make_egress_folder, remove_egress_folder
from interpreters.runtime.hardening import HOST_COMMAND, WORK_DIR, EngineFeatures, Folders, container_config
from interpreters.runtime.pair import ImageFacts
from interpreters.runtime.parts import Part
from interpreters.runtime.sockets import agent_uid, code_uid, make_socket_folder, remove_socket_folder

__all__ = ["APIError", "DockerRuntime", "asking", "connect"]

logger = logging.getLogger(__name__)

# A dead sandbox is asked for its exit code on its own, and must not hold up the list of the living.
INSPECT_TIMEOUT = 2.0


class _Client(docker.APIClient):
    def _set_request_timeout(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        # The SDK pulls and builds with none, and would wait for ever for an engine that says nothing.
        kwargs["timeout"] = kwargs.get("timeout") or self.timeout
        return kwargs


class _Stranger(_Client):
    """A client that never sends the registry logins which this machine's user may have stored in ~/.docker."""

    def _set_auth_headers(self, headers: dict[str, str]) -> None:
        pass


def connect(timeout: float | None = None, *, anonymous: bool = False) -> docker.APIClient:
    """A client of the engine that waits at most `timeout` seconds for any answer. Raises RuntimeUnavailable.

    `anonymous`: for what tenants ask; it builds without this machine's own registry logins.
    """
    timeout = settings.DOCKER_TIMEOUT if timeout is None else timeout
    kind = _Stranger if anonymous else _Client
    with asking():
        return kind(base_url=settings.DOCKER_HOST, version="auto", timeout=timeout)  # type: ignore[arg-type]


@contextmanager
def asking() -> Iterator[None]:
    """Turn silence of the engine into RuntimeUnavailable; what it answers with an error passes as APIError."""
    try:
        yield
    except APIError:
        raise
    # The last of urllib3: what is raised while a stream of events is read.
    except (requests.RequestException, DockerException, OSError, urllib3.exceptions.HTTPError) as error:
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
        if spec.custom:
            pair.refuse(spec)
        uid = agent_uid()
        with asking():
            self._check_runtime_of(spec)
        try:
            folder = make_socket_folder(spec.session, uid)
        except OSError as error:
            raise LaunchFailed(f"The folder for the agent's socket could not be made: {error}") from error
        handle = parts.handle_of(spec.session)
        make = self._make_pair if spec.custom else self._make_one
        with asking():
            try:
                egress_folder = str(make_egress_folder(spec.session)) if spec.egress else ""
                dead = make(handle, spec, Folders(str(folder), egress_folder), uid)
            except (APIError, LaunchFailed) as error:
                raise LaunchFailed(self._clean_up_after(handle, error)) from error
        if dead is not None:
            return parts.sandboxes([dead])[0]
        return Sandbox(handle=handle, session=spec.session, pool=spec.pool, running=True, age=0.0)

    def remove(self, handle: str) -> None:
        session = parts.session_of(handle)
        # The application first: without it a relay is still listed, so that who dies here is followed by another.
        for name in (f"{handle}{parts.APPLICATION}", handle):
            self._remove_container(name)
        remove_socket_folder(session)
        remove_egress_folder(session)

    def list(self, installation: str, pool: int | None = None) -> Sequence[Sandbox]:
        labels = [f"thermae.installation={installation}"]
        if pool is not None:
            labels.append(f"thermae.pool={pool}")
        with asking():
            try:
                found = self._api.containers(all=True, filters={"label": labels})
            except APIError as error:
                raise RuntimeUnavailable(f"Docker could not list its containers: {error.explanation}") from error
        return parts.sandboxes(part for summary in found if (part := self._part(summary)) is not None)

    def logs(self, handle: str, lines: int = 50) -> str:
        said = [self._said(name, lines) for name in (f"{handle}{parts.APPLICATION}", handle)]
        return "\n".join(filter(None, said))

    def inspect(self, handle: str) -> Mapping[str, object]:
        described = self._describe(handle)
        application = self._describe(f"{handle}{parts.APPLICATION}")
        return {**described, "Application": application} if application else described

    def open_shell(self, handle: str) -> docker_exec.ExecShell:
        with asking():
            try:
                return docker_exec.open_shell(self._api, f"{handle}{parts.APPLICATION}")
            except APIError as error:
                raise LaunchFailed(f"No shell can be started: {error.explanation or error}") from error

    def check(self) -> Sequence[str]:
        with asking():
            version, info = self._api.version(), self._api.info()
        wanted = SessionPool.objects.exclude(oci_runtime="").values_list("oci_runtime", flat=True)
        about_runtimes = engine_check.oci_runtimes(version, info, set(wanted), settings.ALLOWED_OCI_RUNTIMES)
        return [*engine_check.warnings(version, info), *about_runtimes]

    def versions(self) -> Mapping[str, str]:
        with asking():
            version = self._api.version()
        parts = {str(part["Name"]): str(part["Version"]) for part in version.get("Components", [])}
        return {**parts, "Engine": str(version.get("Version")), "kernel": str(version.get("KernelVersion"))}

    # --- steps ---
    def _check_runtime_of(self, spec: SandboxSpec) -> None:
        """Look again at what the engine can do if its OCI runtime for this sandbox is not as it must be.

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

    def _make_one(self, handle: str, spec: SandboxSpec, folders: Folders, uid: int) -> Part | None:
        """Make and start a sandbox of code, or find the one there is. Returns it if it is dead."""
        dead = self._create_container(handle, container_config(spec, folders, uid, self._features))
        if dead is None:
            self._api.start(handle)
            self._start_kernel_host(handle, code_uid(spec.session))
            self._await_egress(spec)
        return dead

    def _make_pair(self, handle: str, spec: SandboxSpec, folders: Folders, uid: int) -> Part | None:
        """The same of a relay and its application. The relay has to run: the application moves into its network."""
        if self._features.kind_of(spec) is not oci.Kind.RUNC:
            raise LaunchFailed(pair.NO_SHARING.format(self._features.runtime_of(spec)))
        described: Mapping[str, Any] = self._api.inspect_image(spec.image)  # type: ignore[no-untyped-call]
        image = ImageFacts.of(described)
        root_allowed = settings.ALLOW_ROOT_CONTAINERS
        application = pair.application_config(spec, handle, image, self._features, root_allowed=root_allowed)
        relay = pair.relay_config(spec, folders, uid, self._features)
        for name, config in ((handle, relay), (f"{handle}{parts.APPLICATION}", application)):
            dead = self._create_container(name, config)
            if dead is not None:
                return dead
            self._api.start(name)
            self._await_egress(spec)
        return None

    def _create_container(self, name: str, config: Mapping[str, Any]) -> Part | None:
        """Make the container. If it exists (an earlier try, perhaps of a worker that died) and is dead, return it.

        A living one may then be started as if it were new: starting what runs does nothing, and a second kernel
        host finds no socket to connect to. A dead one is never started again: a sandbox is used once.
        """
        deadline = time.monotonic() + settings.DOCKER_TIMEOUT
        while True:
            try:
                self._api.create_container_from_config(config, name)  # type: ignore[no-untyped-call]
                return None
            except APIError as error:
                if error.status_code != 409:
                    raise
            found = self._api.containers(all=True, filters={"name": f"^/?{name}$"})
            if found:
                part = self._part(found[0])
                return None if part is None or part.alive else part
            # The name is taken and nothing bears it yet: another call is making it right now.
            if time.monotonic() > deadline:
                raise RuntimeUnavailable(f"Docker has been making {name} for {settings.DOCKER_TIMEOUT:.0f} s.")
            time.sleep(0.05)

    def _start_kernel_host(self, handle: str, uid: int) -> None:
        command, user = list(HOST_COMMAND), f"{uid}:{uid}"
        host = self._api.exec_create(handle, command, user=user, workdir=WORK_DIR, stdout=False, stderr=False)
        self._api.exec_start(host["Id"], detach=True)

    @staticmethod
    def _await_egress(spec: SandboxSpec) -> None:
        """While its agent starts anyway, the proxy finds the sandbox's folder. Raises LaunchFailed."""
        if spec.egress:
            await_egress(spec.session)

    def _remove_container(self, name: str) -> None:
        with asking():
            try:
                self._api.remove_container(name, force=True, v=True)
            except NotFound:
                pass
            except APIError as error:
                if error.status_code != 409:  # 409: another call is removing it right now
                    raise RuntimeUnavailable(f"Docker could not remove {name}: {error.explanation}") from error

    def _clean_up_after(self, handle: str, error: APIError | LaunchFailed) -> str:
        """Remove what a failed launch left, and say why it failed with the last words that were said."""
        reason = str(error.explanation or error) if isinstance(error, APIError) else str(error)
        with suppress(RuntimeUnavailable, APIError):
            said = self.logs(handle, lines=10).strip()
            reason = f"{reason}\n{said}" if said else reason
            self.remove(handle)
        return reason

    def _said(self, name: str, lines: int) -> str:
        with asking(), suppress(APIError):
            return parts.readable(self._api.logs(name, stdout=True, stderr=True, tail=lines), lines)
        return ""

    def _describe(self, name: str) -> Mapping[str, object]:
        with asking(), suppress(NotFound):
            return parts.without_secrets(self._api.inspect_container(name))
        return {}

    def _part(self, summary: Mapping[str, Any]) -> Part | None:
        part = Part.of(summary)
        return part if part is None or part.alive else part.ended(*self._how_it_ended(part))

    def _how_it_ended(self, part: Part) -> tuple[int | None, bool]:
        """Exit code, and whether memory ran out. One container in a bad state must not fail the list of all."""
        try:
            url = f"{self._api.base_url}/v{self._api.api_version}/containers/{part.id}/json"
            state = self._api.get(url, timeout=INSPECT_TIMEOUT).json()["State"]
            return int(state["ExitCode"]), bool(state["OOMKilled"])
        except (requests.RequestException, DockerException, KeyError, ValueError):
            return part.told_exit_code, False
